//! The XML-RPC methods and the texts of their answers.

use super::state::{SnomEntry, SnomRpsState};
use crate::xmlrpc::{Value, XmlRpcReply};

fn ok() -> XmlRpcReply {
    XmlRpcReply::Text(true, "Ok".into())
}

fn error(word: &str) -> XmlRpcReply {
    XmlRpcReply::Text(false, format!("Error:{word}"))
}

impl SnomRpsState {
    pub(super) fn perform(&mut self, account: &str, method: &str, params: &[Value]) -> XmlRpcReply {
        let texts: Option<Vec<&str>> = params.iter().map(Value::text).collect();
        match (method, texts.as_deref()) {
            ("redirect.registerPhone", Some([mac, url])) => self.register(account, mac, url),
            ("redirect.deregisterPhone", Some([mac])) => self.deregister(account, mac),
            ("redirect.getPhoneRedirection", Some([mac])) => match self.own(account, mac) {
                Ok(entry) => XmlRpcReply::Texts(true, vec!["Example Company".into(), entry.url.clone()]),
                Err(word) => error(word),
            },
            ("redirect.checkPhone", Some([mac])) => match self.own(account, mac) {
                Ok(_) => ok(),
                Err("owned_by_other_user") if self.switches.hides_foreign_phones => error("no_such_mac"),
                Err(word) => error(word),
            },
            ("network.echo", Some([text])) => XmlRpcReply::Text(true, (*text).to_owned()),
            _ => XmlRpcReply::Fault(format!("method \"{method}\" with {} parameters is not supported", params.len())),
        }
    }

    fn own(&self, account: &str, mac: &str) -> Result<&SnomEntry, &'static str> {
        match self.phones.get(&mac_of(mac)?) {
            Some(entry) if entry.owner == account => Ok(entry),
            Some(_) => Err("owned_by_other_user"),
            None => Err("no_such_mac"),
        }
    }

    fn register(&mut self, account: &str, mac: &str, url: &str) -> XmlRpcReply {
        let mac = match mac_of(mac) {
            Ok(mac) => mac,
            Err(word) => return error(word),
        };
        let known = self.phones.get(&mac);
        if known.is_some_and(|entry| entry.owner != account) {
            return error("owned_by_other_user");
        }
        if !["http://", "https://"].iter().any(|scheme| url.starts_with(scheme)) {
            return error("malformed_url");
        }
        if known.is_none() || !self.switches.keeps_first_url {
            self.phones.insert(mac, SnomEntry { owner: account.into(), url: url.into() });
        }
        ok()
    }

    fn deregister(&mut self, account: &str, mac: &str) -> XmlRpcReply {
        match self.own(account, mac).map(|_| mac_of(mac)) {
            Ok(Ok(mac)) => {
                self.phones.remove(&mac);
                ok()
            }
            Ok(Err(word)) | Err(word) => error(word),
        }
    }
}

/// Parses 12 hex digits without separators, in either case.
fn mac_of(text: &str) -> Result<String, &'static str> {
    let is_mac = text.len() == 12 && text.chars().all(|c| c.is_ascii_hexdigit());
    if is_mac { Ok(text.to_lowercase()) } else { Err("malformed_mac") }
}
