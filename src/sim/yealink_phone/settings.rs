//! The phone's settings: what its files say, in the old and the new spelling.

use std::collections::BTreeMap;

/// First line of every file; a file without it is ignored.
const HEADER: &str = "#!version:1.0.0.1";

/// What the phone keeps in its flash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

/// One SIP account, ready to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Number, from 1.
    pub line: usize,
    /// User part of the address of record.
    pub user_name: String,
    /// Name for the digest.
    pub auth_name: String,
    /// Password.
    pub password: String,
    /// Where it registers: the outbound proxy when one is enabled, else the server.
    pub target: String,
    /// The server's name.
    pub server: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
}

impl Settings {
    /// Applies a file; false when the phone ignores it for want of the first line.
    pub(super) fn apply(&mut self, file: &str) -> bool {
        let mut lines = file.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
        if lines.next() != Some(HEADER) {
            return false;
        }
        for line in lines {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let (key, value) = (key.trim(), value.trim());
            // `%NULL%` gives back the factory value, an empty one clears; either way nothing is left here.
            if value.is_empty() || value == "%NULL%" {
                self.0.remove(key);
            } else {
                self.0.insert(key.to_owned(), value.to_owned());
            }
        }
        true
    }

    /// A setting by its exact name.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Number of settings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for a factory-fresh phone.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.0.insert(key.into(), value.into());
    }

    /// A setting of auto-provisioning: phones with old firmware know it without `static.`.
    pub(super) fn provisioning(&self, name: &str, old: bool) -> Option<&str> {
        let prefix = if old { "" } else { "static." };
        self.get(&format!("{prefix}auto_provision.{name}"))
    }

    pub(super) fn set_provisioning(&mut self, name: &str, value: &str, old: bool) {
        let prefix = if old { "" } else { "static." };
        self.set(&format!("{prefix}auto_provision.{name}"), value);
    }

    /// Minutes between two checks, when repeating is on.
    #[must_use]
    pub fn repeat_minutes(&self, old: bool) -> Option<u32> {
        if old {
            let repeats = matches!(self.get("auto_provision.mode"), Some("4" | "6"));
            return repeats
                .then(|| self.get("auto_provision.schedule.periodic_minute").unwrap_or("1440").parse().ok())
                .flatten();
        }
        let on = self.provisioning("repeat.enable", false) == Some("1");
        on.then(|| self.provisioning("repeat.minutes", false).unwrap_or("1440").parse().ok()).flatten()
    }

    /// The accounts that are on.
    pub(super) fn accounts(&self, count: usize, old: bool) -> Vec<Account> {
        (1..=count).filter_map(|line| self.account(line, old)).collect()
    }

    fn account(&self, line: usize, old: bool) -> Option<Account> {
        let get = |name: &str| self.get(&format!("account.{line}.{name}"));
        let text = |name: &str| get(name).unwrap_or_default().to_owned();
        if get("enable") != Some("1") {
            return None;
        }
        let new_server = || get("sip_server.1.address");
        let (server, transport, proxy) = if old {
            (get("sip_server_host").or_else(new_server), get("transport"), get("outbound_host"))
        } else {
            (new_server(), get("sip_server.1.transport_type"), get("outbound_proxy.1.address"))
        };
        let server = server?.to_owned();
        let proxied = get("outbound_proxy_enable") == Some("1");
        Some(Account {
            line,
            user_name: text("user_name"),
            auth_name: text("auth_name"),
            password: text("password"),
            target: proxy.filter(|_| proxied).map_or_else(|| server.clone(), str::to_owned),
            server,
            transport: match transport {
                Some("1") => "tcp",
                Some("2") => "tls",
                _ => "udp",
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_a_phone_reads_it() {
        let mut settings = Settings::default();
        assert!(!settings.apply("account.1.enable = 1\n"));
        assert!(!settings.apply("\u{feff}#!version:1.0.0.1\na = 1\n"));
        let file = "#!version:1.0.0.1\r\n# comment\na=1\na = 2\nb = x = y\nc = 3\nc = %NULL%\nd =\nnonsense\n";
        assert!(settings.apply(file));
        assert_eq!((settings.get("a"), settings.get("b"), settings.len()), (Some("2"), Some("x = y"), 2));
    }

    #[test]
    fn accounts_are_found_in_both_spellings() {
        let mut settings = Settings::default();
        settings.apply(
            "#!version:1.0.0.1\naccount.1.enable = 1\naccount.1.user_name = u\naccount.1.auth_name = a\n\
             account.1.password = p\naccount.1.sip_server.1.address = pbx\naccount.1.sip_server.1.transport_type = 2\n\
             account.2.enable = 1\naccount.2.sip_server_host = old\naccount.2.transport = 1\n\
             account.3.enable = 0\naccount.3.sip_server.1.address = pbx\n",
        );
        let new = settings.accounts(4, false);
        assert_eq!(new.len(), 1);
        assert_eq!((new[0].transport, new[0].target.as_str()), ("tls", "pbx"));
        let old = settings.accounts(4, true);
        assert_eq!(old[1].transport, "tcp");
    }

    #[test]
    fn the_interval_depends_on_the_switch() {
        let mut settings = Settings::default();
        settings.apply("#!version:1.0.0.1\nstatic.auto_provision.repeat.minutes = 60\n");
        assert_eq!(settings.repeat_minutes(false), None);
        settings.apply("#!version:1.0.0.1\nstatic.auto_provision.repeat.enable = 1\n");
        assert_eq!(settings.repeat_minutes(false), Some(60));
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics(text in "\\PC{0,80}", lines in "([a-z.0-9]{0,6} ?= ?[^\r]{0,6}\n){0,8}") {
            let mut settings = Settings::default();
            settings.apply(&text);
            settings.apply(&format!("#!version:1.0.0.1\n{lines}"));
            settings.accounts(3, false);
        }
    }
}
