//! Whom and what the records name: what a bundle has aliases for.

use serde_json::Value;

use super::pseudonyms::{Kind, Names};
use crate::{
    base::config::{Allowed, Config},
    phone::record::Phone,
    settings::{self, Layers, line_keys::LineKeys},
    store::AuditRow,
};

/// Users of the host that are nobody in particular, and words of every log.
const NOBODY: [&str; 2] = ["root", "gangway"];
/// How long the beginnings of a domain are that name an entry at a redirect service.
const STEMS: [usize; 2] = [24, 15];

/// The hosts of the configuration.
pub(super) fn of_config(config: &Config, names: &mut Names) {
    for instance in &config.instances {
        domain(&instance.domain, names);
        for url in [&instance.public_url, &instance.phone_url].into_iter().chain(&instance.frame_ancestors) {
            names.add_host_of(url);
        }
    }
    for allowed in &config.net.allow {
        if let Allowed::Host(host) = allowed {
            names.add(Kind::Host, host);
        }
    }
    for trust in &config.net.trust {
        names.add(Kind::Host, &trust.host);
    }
    names.add_host_of(config.net.proxy.expose());
}

/// A domain, also where only its beginning has room.
fn domain(domain: &str, names: &mut Names) {
    names.add(Kind::Host, domain);
    for stem in STEMS.iter().filter(|stem| domain.chars().count() > **stem) {
        names.add(Kind::Name, &domain.chars().take(*stem).collect::<String>());
    }
}

/// What settings name.
pub(super) fn of_settings(layers: &Layers, names: &mut Names) {
    for row in layers.rows() {
        let Some(setting) = settings::setting(&row.name) else { continue };
        let value = row.value.expose();
        let last = row.name.rsplit('.').next().unwrap_or_default();
        match (setting.kind, last) {
            // Where a vendor's cloud is concerns no customer; what is on the own network is named in [net] allow.
            (settings::Kind::Host | settings::Kind::Url, _) if !row.name.starts_with("redirect.") => {
                names.add_host_of(value);
            }
            (_, "server_name") => names.add(Kind::Name, value),
            (_, "user" | "provisioning_user") => names.add(Kind::User, value),
            (_, "ldap_user") => login(value, names),
            (_, "serial_number") => names.add(Kind::Number, value),
            (settings::Kind::LineKeys, _) => {
                for key in LineKeys::read(value).unwrap_or_default().keys() {
                    names.add(Kind::Number, &key.value);
                    names.add(Kind::Number, &key.pickup);
                    names.add(Kind::Name, &key.label);
                }
            }
            _ => {}
        }
    }
}

/// `domain\user` or a user alone.
fn login(text: &str, names: &mut Names) {
    match text.rsplit_once('\\') {
        Some((host, user)) => {
            names.add(Kind::Host, host);
            names.add(Kind::User, user);
        }
        None => names.add(Kind::User, text),
    }
}

/// Whose phone it is, and what it is told to talk to.
pub(super) fn of_phone(phone: &Phone, names: &mut Names) {
    names.add(Kind::Phone, &phone.mac.to_string());
    for account in &phone.accounts {
        names.add(Kind::User, &account.username);
        names.add(Kind::User, &account.hwid);
        names.add(Kind::Name, &account.cn);
        domain(&account.domain, names);
        names.add(Kind::Host, &account.dns);
    }
    names.add_host_of(phone.sysclient.url.as_deref().unwrap_or_default());
    if let Some(name) = phone.redirect_entry.as_ref().and_then(|entry| entry.server_name.as_deref()) {
        names.add(Kind::Name, name);
    }
    for (name, value) in phone.device_config.items.values().filter_map(Value::as_object).flatten() {
        let Some(text) = value.as_str() else { continue };
        match name.as_str() {
            "turnUsername" | "logUser" => names.add(Kind::User, text),
            _ if is_host(text) => names.add_host_of(text),
            _ => {}
        }
    }
}

/// Whether a value of Devices is a URL or the name of a host.
fn is_host(text: &str) -> bool {
    let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = text.split(':').next().unwrap_or_default();
    let is_name = name.contains('.') && name.chars().all(label) && name.chars().any(|c| c.is_ascii_alphabetic());
    text.contains("://") || is_name
}

/// What the sentence of an event names: also those who are in no record any more.
pub(super) fn of_sentence(said: &Value, names: &mut Names) {
    for (name, value) in said.get("params").and_then(Value::as_object).into_iter().flatten() {
        match (name.as_str(), value) {
            ("user", Value::String(user)) => names.add(Kind::User, user),
            ("name", Value::String(person)) => of_person(person, names),
            (_, Value::Object(_)) => of_sentence(value, names),
            _ => {}
        }
    }
}

/// Who did something, and whom a command took off a phone.
pub(super) fn of_audit(row: &AuditRow, names: &mut Names) {
    of_person(&row.who, names);
    if let Some(user) = row.deed.strip_prefix("Take ").and_then(|rest| rest.strip_suffix(" off")) {
        names.add(Kind::User, user);
    }
}

/// `Anna Muster (anna.muster) at 192.0.2.1`, or a user of the host `at the command line`.
fn of_person(who: &str, names: &mut Names) {
    let who = who.rsplit_once(" at ").map_or(who, |(who, _)| who);
    if who.starts_with("token ") {
        return;
    }
    match who.rsplit_once(" (").and_then(|(long, login)| Some((long, login.strip_suffix(')')?))) {
        Some((long, login)) => {
            names.add(Kind::User, login.split(", ").next().unwrap_or_default());
            names.add(Kind::Name, long);
        }
        None if NOBODY.contains(&who) => {}
        None => names.add(Kind::User, who),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known(names: &Names) -> Vec<(&str, Kind)> {
        names.iter().collect()
    }

    #[test]
    fn persons_are_known_by_both_names() {
        let mut names = Names::default();
        for who in [
            "Anna Muster (anna.muster) at 192.0.2.1",
            "Bob (bob, by password)",
            "token robot at 192.0.2.1",
            "root at the command line",
            "claire",
        ] {
            of_person(who, &mut names);
        }
        assert_eq!(
            known(&names),
            [("anna muster", Kind::Name), ("anna.muster", Kind::User), ("bob", Kind::User), ("claire", Kind::User)]
        );
    }

    #[test]
    fn a_sentence_inside_a_sentence_names_users_too() {
        let mut names = Names::default();
        let deed = json!({ "key": "happened.deed-imported", "params": { "user": "anna", "line": 3 }, "text": "" });
        of_sentence(&json!({ "key": "x", "params": { "deed": deed, "name": "Bob (bob) at ::1" } }), &mut names);
        assert_eq!(known(&names), [("anna", Kind::User), ("bob", Kind::User)]);
    }

    #[test]
    fn a_phone_names_its_users_and_their_hosts() {
        let mut phone = Phone::sample();
        phone.accounts[0].username = "21".into();
        phone.accounts[0].cn = "Anna Muster".into();
        phone.accounts[0].dns = "pbx.customer.example".into();
        phone.accounts[0].domain = "a-very-long-domain.customer.example".into();
        phone.device_config.items.insert(
            "ALARM_SERVER".into(),
            json!({ "logUrl": "https://log.elsewhere.org/x", "logUser": "logger", "level": "1.2", "ntp": "192.0.2.1" }),
        );
        let mut names = Names::default();
        of_phone(&phone, &mut names);
        let known = known(&names);
        for wanted in [
            (phone.mac.to_string().as_str(), Kind::Phone),
            ("21", Kind::User),
            ("anna muster", Kind::Name),
            ("pbx.customer.example", Kind::Host),
            ("customer.example", Kind::Host),
            ("a-very-long-dom", Kind::Name),
            ("log.elsewhere.org", Kind::Host),
            ("logger", Kind::User),
        ] {
            assert!(known.contains(&wanted), "{wanted:?}: {known:?}");
        }
        assert!(!known.iter().any(|(text, _)| *text == "1.2"), "{known:?}");
    }
}
