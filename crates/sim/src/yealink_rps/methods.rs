//! The XML-RPC methods and the exact texts of their answers, including blanks.

use gangway_base::mac::Mac;

use super::state::{RpsEntry, RpsServer, RpsState};
use crate::xmlrpc::{Value, XmlRpcReply};

fn ok(text: &str) -> XmlRpcReply {
    XmlRpcReply::Text(true, text.into())
}

fn error(text: impl Into<String>) -> XmlRpcReply {
    XmlRpcReply::Text(false, text.into())
}

impl RpsState {
    pub(super) fn perform(&mut self, account: &str, method: &str, params: &[Value]) -> XmlRpcReply {
        let texts: Option<Vec<&str>> = params.iter().map(Value::text).collect();
        let batch = params.first().and_then(Value::texts);
        match (method, texts.as_deref(), batch) {
            ("redirect.checkDevice", Some([mac]), _) => self.check(account, mac),
            ("redirect.addServer", Some([name, url]), _) => self.add_server(account, name, url),
            ("redirect.registerDevice" | "redirect.editDevice" | "redirect.editDevices", Some([mac, server]), _) => {
                self.register(account, &[*mac], server, None, false)
            }
            (
                "redirect.registerDevice" | "redirect.editDevice" | "redirect.editDevices",
                Some([mac, server, over]),
                _,
            ) => self.register(account, &[*mac], server, None, *over == "1"),
            ("redirect.registerDevice" | "redirect.registerDevices", None, Some(macs)) => {
                let Some(server) = params.get(1).and_then(Value::text) else { return no_such(method, params) };
                let over = params.get(2).and_then(Value::text) == Some("1");
                self.register(account, &macs, server, None, over)
            }
            ("redirect.registerDeviceWithUniqueUrl", Some([mac, server, url, over]), _)
                if !self.switches.no_unique_url =>
            {
                self.register(account, &[*mac], server, Some(url), *over == "1")
            }
            ("redirect.deRegisterDevice", Some([mac]), _) => self.deregister(account, &[*mac]),
            ("redirect.deRegisterDevices", None, Some(macs)) => self.deregister(account, &macs),
            ("redirect.listDevices", Some([]), _) => {
                let own = self.phones.iter().filter(|(_, entry)| entry.owner == account);
                XmlRpcReply::List(own.map(|(mac, _)| mac.clone()).collect())
            }
            _ => no_such(method, params),
        }
    }

    /// A MAC as the service accepts it: 12 hex digits, plain or with blanks, dashes or colons.
    fn mac(&self, text: &str) -> Option<String> {
        let mac = text.parse::<Mac>().ok().filter(|_| !text.contains('.'))?;
        let known = self.known_ouis.is_empty() || self.known_ouis.contains(&mac.oui());
        known.then(|| mac.to_string())
    }

    fn check(&self, account: &str, mac: &str) -> XmlRpcReply {
        let Some(mac) = self.mac(mac) else { return error("Error:Invalid MAC") };
        ok(match self.phones.get(&mac) {
            Some(entry) if entry.owner == account => "Registered",
            Some(_) => "Registered Elsewhere",
            None => "Unregistered",
        })
    }

    fn add_server(&mut self, account: &str, name: &str, url: &str) -> XmlRpcReply {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
        if name.is_empty() || !name.chars().all(allowed) {
            return error("Error:The server name can only contain 'A-z 0-9 - _ . '(include space)");
        }
        if !is_url(url) {
            return bad_url();
        }
        if self.servers.contains_key(name) {
            return error("Error: The server name has been used");
        }
        self.servers.insert(name.into(), RpsServer { owner: account.into(), url: url.into() });
        ok("OK")
    }

    fn register(&mut self, account: &str, macs: &[&str], server: &str, url: Option<&str>, over: bool) -> XmlRpcReply {
        let (mut read, mut invalid) = (Vec::new(), Vec::new());
        for mac in macs {
            self.mac(mac).map_or_else(|| invalid.push(mac.to_lowercase()), |mac| read.push(mac));
        }
        if !invalid.is_empty() {
            return error(format!("Error:Invalid MAC(s):{}", invalid.join(",")));
        }
        if self.servers.get(server).is_none_or(|entry| entry.owner != account) {
            return error("Error:Invalid server");
        }
        if url.is_some_and(|url| !is_url(url)) {
            return bad_url();
        }
        let of = |mine: bool| -> Vec<String> {
            let held = |mac: &&String| self.phones.get(*mac).is_some_and(|entry| (entry.owner == account) == mine);
            read.iter().filter(held).cloned().collect()
        };
        let (foreign, own) = (of(false), of(true));
        if !foreign.is_empty() && over && !self.switches.override_takes_over {
            return error(format!("Error:{}", foreign.join("\n")));
        }
        if !foreign.is_empty() && !over {
            return error(format!("Are you sure you want to override MAC addresses {}", foreign.join(",")));
        }
        if !own.is_empty() && !over {
            return error(format!("Existing MAC(s):{}", own.join(",")));
        }
        for mac in read {
            let (server, unique_url) = (server.to_owned(), url.map(str::to_owned));
            self.phones.insert(mac, RpsEntry { owner: account.into(), server, unique_url });
        }
        ok("OK")
    }

    fn deregister(&mut self, account: &str, macs: &[&str]) -> XmlRpcReply {
        let own = |mac: &str| self.mac(mac).filter(|mac| self.phones.get(mac).is_some_and(|e| e.owner == account));
        let (mut read, mut invalid) = (Vec::new(), Vec::new());
        for mac in macs {
            own(mac).map_or_else(|| invalid.push(mac.to_lowercase()), |mac| read.push(mac));
        }
        if !invalid.is_empty() {
            return error(format!("Error:Invalid MAC(s):{}", invalid.join(",")));
        }
        for mac in read {
            self.phones.remove(&mac);
        }
        ok("OK")
    }
}

fn is_url(url: &str) -> bool {
    ["http://", "https://", "ftp://", "tftp://"].iter().any(|scheme| url.starts_with(scheme))
}

fn bad_url() -> XmlRpcReply {
    error("Error:The url can only begin with 'http://' or 'https://' or 'ftp://' or 'tftp://'")
}

fn no_such(method: &str, params: &[Value]) -> XmlRpcReply {
    XmlRpcReply::Fault(format!("No such handler: {method} with {} arguments", params.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redirect_service::RedirectState;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn ask(state: &mut RpsState, method: &str, params: &[&str]) -> XmlRpcReply {
        let params: Vec<Value> = params.iter().map(|param| text(param)).collect();
        state.perform("me", &format!("redirect.{method}"), &params)
    }

    #[test]
    fn a_phone_is_registered_seen_and_let_go() {
        let mut state = RpsState::new("me", "pw");
        let mac = "805ec0112233";
        assert_eq!(ask(&mut state, "checkDevice", &[mac]), ok("Unregistered"));
        assert_eq!(ask(&mut state, "registerDevice", &[mac, "s"]), error("Error:Invalid server"));
        assert_eq!(ask(&mut state, "addServer", &["s", "http://gw/"]), ok("OK"));
        assert_eq!(ask(&mut state, "addServer", &["s", "http://gw/"]).brief(), "Error: The server name has been used");
        assert_eq!(ask(&mut state, "registerDeviceWithUniqueUrl", &[mac, "s", "http://gw/t/", "1"]), ok("OK"));
        assert_eq!(state.target(mac).as_deref(), Some("http://gw/t/"));
        assert_eq!(ask(&mut state, "registerDevice", &[mac, "s"]).brief(), "Existing MAC(s):805ec0112233");
        assert_eq!(ask(&mut state, "registerDevice", &[mac, "s", "1"]), ok("OK"));
        assert_eq!(state.target(mac).as_deref(), Some("http://gw/"));
        assert_eq!(ask(&mut state, "listDevices", &[]), XmlRpcReply::List(vec![mac.into()]));
        assert_eq!(ask(&mut state, "deRegisterDevice", &["80-5E-C0-11-22-33"]), ok("OK"));
        assert_eq!(ask(&mut state, "deRegisterDevice", &[mac]).brief(), "Error:Invalid MAC(s):805ec0112233");
    }

    #[test]
    fn what_belongs_to_others_stays_theirs() {
        let mut state = RpsState::new("me", "pw");
        let mac = "805ec0112233";
        let theirs = RpsEntry { owner: "other".into(), server: "o".into(), unique_url: None };
        state.phones.insert(mac.into(), theirs);
        ask(&mut state, "addServer", &["s", "http://gw/"]);
        assert_eq!(ask(&mut state, "checkDevice", &[mac]), ok("Registered Elsewhere"));
        assert_eq!(ask(&mut state, "registerDevice", &[mac, "s", "1"]), error("Error:805ec0112233"));
        assert!(ask(&mut state, "registerDevice", &[mac, "s"]).brief().starts_with("Are you sure"));
        state.switches.no_unique_url = true;
        let unique = ask(&mut state, "registerDeviceWithUniqueUrl", &[mac, "s", "http://x/", "1"]);
        assert!(matches!(unique, XmlRpcReply::Fault(_)));
    }
}
