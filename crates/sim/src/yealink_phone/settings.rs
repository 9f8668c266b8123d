//! The phone's settings as read from its files, with old and new parameter names.

use std::collections::BTreeMap;

use super::model::{YealinkKind, YealinkModel};

/// First line of every file; a file without it is ignored.
const HEADER: &str = "#!version:1.0.0.1";

/// The settings that the phone keeps in flash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YealinkSettings(BTreeMap<String, String>);

/// One SIP account, ready to register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YealinkAccount {
    /// Number, from 1.
    pub line: usize,
    /// User part of the address of record.
    pub user_name: String,
    /// User name for digest authentication.
    pub auth_name: String,
    /// Password.
    pub password: String,
    /// Where the account registers: the outbound proxy if one is enabled, else the server.
    pub target: String,
    /// The server's name.
    pub server: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
}

/// A handset of a base according to the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handset {
    /// Number, from 1.
    pub number: usize,
    /// The handset's name.
    pub name: String,
    /// Accounts it receives calls for.
    pub rings_for: Vec<usize>,
    /// The account it dials out with.
    pub dials_with: Option<usize>,
}

impl YealinkSettings {
    /// Applies a file; returns false if the phone ignores it because the first line is missing.
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
            // `%NULL%` restores the factory value and an empty value clears the setting. Either way the setting is
            // removed.
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

    /// The number of settings.
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

    /// A setting of auto-provisioning. Phones with old firmware use the name without `static.`.
    pub(super) fn provisioning(&self, name: &str, old: bool) -> Option<&str> {
        let prefix = if old { "" } else { "static." };
        self.get(&format!("{prefix}auto_provision.{name}"))
    }

    pub(super) fn set_provisioning(&mut self, name: &str, value: &str, old: bool) {
        let prefix = if old { "" } else { "static." };
        self.set(&format!("{prefix}auto_provision.{name}"), value);
    }

    /// Minutes between two checks; `None` if polling is off.
    #[must_use]
    pub fn repeat_minutes(&self, old: bool) -> Option<u32> {
        let minutes = |text: Option<&str>| text.unwrap_or("1440").parse().ok();
        if old && matches!(self.get("auto_provision.mode"), Some("4" | "6")) {
            return minutes(self.get("auto_provision.schedule.periodic_minute"));
        }
        // Old bases have the same switch as newer phones, but without `static.`.
        let on = self.provisioning("repeat.enable", old) == Some("1");
        on.then(|| minutes(self.provisioning("repeat.minutes", old))).flatten()
    }

    /// The enabled accounts.
    pub(super) fn accounts(&self, model: &YealinkModel) -> Vec<YealinkAccount> {
        (1..=model.accounts).filter_map(|line| self.account(line, model)).collect()
    }

    /// The handsets of a base that have an account; empty for a desk phone.
    #[must_use]
    pub fn handsets(&self, model: &YealinkModel) -> Vec<Handset> {
        let is_on = |line: usize| self.get(&format!("account.{line}.enable")) == Some("1");
        let text = |key: String| self.get(&key).unwrap_or_default().to_owned();
        match model.kind {
            YealinkKind::Desk => Vec::new(),
            YealinkKind::Base => {
                // Without this switch the base applies accounts but leaves its handsets unchanged.
                if self.provisioning("handset_configured.enable", model.old) != Some("1") {
                    return Vec::new();
                }
                let handset = |number: usize| {
                    let lines = |name: &str| -> Vec<usize> {
                        let listed = text(format!("handset.{number}.{name}"));
                        let numbers = listed.split(',').filter_map(|number| number.trim().parse().ok());
                        numbers.filter(|line| is_on(*line)).collect()
                    };
                    let allowed = lines("dial_out_lines");
                    let default = lines("dial_out_default_line").first().copied();
                    Handset {
                        number,
                        name: text(format!("handset.{number}.name")),
                        rings_for: lines("incoming_lines"),
                        dials_with: default.filter(|line| allowed.contains(line)),
                    }
                };
                (1..=model.accounts).map(handset).filter(|handset| !handset.rings_for.is_empty()).collect()
            }
            YealinkKind::System => {
                let handset = |number: usize| Handset {
                    number,
                    name: text(format!("handset.{number}.name")),
                    rings_for: vec![number],
                    dials_with: Some(number),
                };
                (1..=model.accounts).filter(|line| is_on(*line)).map(handset).collect()
            }
        }
    }

    fn account(&self, line: usize, model: &YealinkModel) -> Option<YealinkAccount> {
        let get = |name: &str| self.get(&format!("account.{line}.{name}"));
        let text = |name: &str| get(name).unwrap_or_default().to_owned();
        if get("enable") != Some("1") {
            return None;
        }
        let new_server = || get("sip_server.1.address");
        let (server, transport, proxy) = match model.kind {
            // Accounts of such a system have no server settings; they use a template.
            YealinkKind::System => {
                let template = get("sip_server.template")?;
                let get = |name: &str| self.get(&format!("template.{template}.{name}"));
                (get("sip_server.1.address"), get("sip_server.1.transport_type"), None)
            }
            YealinkKind::Desk | YealinkKind::Base => {
                let proxied = get("outbound_proxy_enable") == Some("1");
                let (server, transport, proxy) = if model.old {
                    (get("sip_server_host").or_else(new_server), get("transport"), get("outbound_host"))
                } else {
                    (new_server(), get("sip_server.1.transport_type"), get("outbound_proxy.1.address"))
                };
                (server, transport, proxy.filter(|_| proxied))
            }
        };
        let server = server?.to_owned();
        Some(YealinkAccount {
            line,
            user_name: text("user_name"),
            auth_name: text("auth_name"),
            password: text("password"),
            target: proxy.map_or_else(|| server.clone(), str::to_owned),
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
    use crate::yealink_phone::model::{T28P, T46U, W52P_OLD, W70B, W90DM};

    #[test]
    fn a_file_is_read_as_a_phone_reads_it() {
        let mut settings = YealinkSettings::default();
        assert!(!settings.apply("account.1.enable = 1\n"));
        assert!(!settings.apply("\u{feff}#!version:1.0.0.1\na = 1\n"));
        let file = "#!version:1.0.0.1\r\n# comment\na=1\na = 2\nb = x = y\nc = 3\nc = %NULL%\nd =\nnonsense\n";
        assert!(settings.apply(file));
        assert_eq!((settings.get("a"), settings.get("b"), settings.len()), (Some("2"), Some("x = y"), 2));
    }

    #[test]
    fn accounts_are_found_in_both_spellings() {
        let mut settings = YealinkSettings::default();
        settings.apply(
            "#!version:1.0.0.1\naccount.1.enable = 1\naccount.1.user_name = u\naccount.1.auth_name = a\n\
             account.1.password = p\naccount.1.sip_server.1.address = pbx\naccount.1.sip_server.1.transport_type = 2\n\
             account.2.enable = 1\naccount.2.sip_server_host = old\naccount.2.transport = 1\n\
             account.3.enable = 0\naccount.3.sip_server.1.address = pbx\n",
        );
        let new = settings.accounts(&T46U);
        assert_eq!(new.len(), 1);
        assert_eq!((new[0].transport, new[0].target.as_str()), ("tls", "pbx"));
        let old = settings.accounts(&T28P);
        assert_eq!(old[1].transport, "tcp");
    }

    #[test]
    fn the_interval_depends_on_the_switch() {
        let mut settings = YealinkSettings::default();
        settings.apply("#!version:1.0.0.1\nstatic.auto_provision.repeat.minutes = 60\n");
        assert_eq!(settings.repeat_minutes(false), None);
        settings.apply("#!version:1.0.0.1\nstatic.auto_provision.repeat.enable = 1\n");
        assert_eq!(settings.repeat_minutes(false), Some(60));
    }

    #[test]
    fn a_handset_rings_for_the_accounts_it_is_given() {
        let mut settings = YealinkSettings::default();
        let lines = "account.1.enable = 1\naccount.2.enable = 1\naccount.3.enable = 0\n\
                     handset.1.incoming_lines = 1,2\nhandset.1.dial_out_lines = 1\nhandset.1.dial_out_default_line = 2\n\
                     handset.2.name = Bar\nhandset.2.incoming_lines = 2\nhandset.2.dial_out_lines = 2\n\
                     handset.2.dial_out_default_line = 2\nhandset.3.incoming_lines = 3\n";
        settings.apply(&format!("{HEADER}\n{lines}"));
        assert!(settings.handsets(&W70B).is_empty(), "the switch is off");
        settings.apply(&format!("{HEADER}\nauto_provision.handset_configured.enable = 1\n"));
        assert!(settings.handsets(&W70B).is_empty(), "that is the old name of the switch");
        assert_eq!(settings.handsets(&W52P_OLD).len(), 2);
        settings.apply(&format!("{HEADER}\nstatic.auto_provision.handset_configured.enable = 1\n"));
        let handsets = settings.handsets(&W70B);
        assert_eq!((handsets[0].rings_for.as_slice(), handsets[0].dials_with), ([1, 2].as_slice(), None));
        assert_eq!((handsets[1].name.as_str(), handsets[1].dials_with), ("Bar", Some(2)));
        assert_eq!(handsets.len(), 2);
        assert_eq!(settings.handsets(&W90DM).iter().map(|handset| handset.number).collect::<Vec<_>>(), [1, 2]);
        assert!(settings.handsets(&T46U).is_empty());
    }

    #[test]
    fn a_large_system_takes_servers_from_templates_only() {
        let mut settings = YealinkSettings::default();
        settings.apply(&format!("{HEADER}\naccount.1.enable = 1\naccount.1.sip_server.1.address = pbx\n"));
        assert!(settings.accounts(&W90DM).is_empty());
        settings.apply(&format!(
            "{HEADER}\naccount.1.sip_server.template = 2\ntemplate.2.sip_server.1.address = other\n\
             template.2.sip_server.1.transport_type = 2\n"
        ));
        let account = settings.accounts(&W90DM).remove(0);
        assert_eq!((account.target.as_str(), account.transport), ("other", "tls"));
        assert_eq!(settings.accounts(&W70B)[0].target, "pbx");
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics(text in "\\PC{0,80}", lines in "([a-z.0-9]{0,6} ?= ?[^\r]{0,6}\n){0,8}") {
            let mut settings = YealinkSettings::default();
            settings.apply(&text);
            settings.apply(&format!("#!version:1.0.0.1\n{lines}"));
            settings.accounts(&W70B);
            let _ = settings.handsets(&W70B);
        }
    }
}
