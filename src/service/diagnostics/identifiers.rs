//! Collects the names in the records for which a bundle uses aliases.

use serde_json::Value;

use super::pseudonyms::{KnownOriginals, OriginalKind};
use crate::{
    base::config::{AllowedPeer, Config},
    phone::record::Phone,
    settings::{self, Layers, line_keys::LineKeys},
    store::AuditRow,
};

/// Host users and log words that do not identify a user.
const NOBODY: [&str; 2] = ["root", "gangway"];
/// Lengths of the domain prefixes that name an entry at a redirect service.
const STEMS: [usize; 2] = [24, 15];

/// Hosts in the configuration.
pub(super) fn of_config(config: &Config, names: &mut KnownOriginals) {
    for instance in &config.instances {
        domain(&instance.domain, names);
        for url in [&instance.public_url, &instance.phone_url].into_iter().chain(&instance.frame_ancestors) {
            names.add_host_of(url);
        }
    }
    for allowed in &config.net.allow {
        if let AllowedPeer::Host(host) = allowed {
            names.add(OriginalKind::Host, host);
        }
    }
    for trust in &config.net.trust {
        names.add(OriginalKind::Host, &trust.host);
    }
    names.add_host_of(config.net.proxy.expose());
}

/// A domain, including its truncated forms.
fn domain(domain: &str, names: &mut KnownOriginals) {
    names.add(OriginalKind::Host, domain);
    for stem in STEMS.iter().filter(|stem| domain.chars().count() > **stem) {
        names.add(OriginalKind::Name, &domain.chars().take(*stem).collect::<String>());
    }
}

/// Names in settings.
pub(super) fn of_settings(layers: &Layers, names: &mut KnownOriginals) {
    for row in layers.rows() {
        let Some(setting) = settings::setting(&row.name) else { continue };
        let value = row.value.expose();
        let last = row.name.rsplit('.').next().unwrap_or_default();
        match (setting.kind, last) {
            // The address of a vendor's cloud does not identify a customer. Hosts in the own network are named in [net]
            // allow.
            (settings::ValueKind::Host | settings::ValueKind::Url, _) if !row.name.starts_with("redirect.") => {
                names.add_host_of(value);
            }
            (_, "server_name") => names.add(OriginalKind::Name, value),
            (_, "user" | "provisioning_user") => names.add(OriginalKind::User, value),
            (_, "ldap_user") => login(value, names),
            (_, "serial_number") => names.add(OriginalKind::Number, value),
            (settings::ValueKind::LineKeys, _) => {
                for key in LineKeys::read(value).unwrap_or_default().keys() {
                    names.add(OriginalKind::Number, &key.value);
                    names.add(OriginalKind::Number, &key.pickup);
                    names.add(OriginalKind::Name, &key.label);
                }
            }
            _ => {}
        }
    }
}

/// A login as `domain\user`, or only the user.
fn login(text: &str, names: &mut KnownOriginals) {
    match text.rsplit_once('\\') {
        Some((host, user)) => {
            names.add(OriginalKind::Host, host);
            names.add(OriginalKind::User, user);
        }
        None => names.add(OriginalKind::User, text),
    }
}

/// The users of a phone and the hosts it connects to.
pub(super) fn of_phone(phone: &Phone, names: &mut KnownOriginals) {
    names.add(OriginalKind::Phone, &phone.mac.to_string());
    for account in &phone.accounts {
        names.add(OriginalKind::User, &account.username);
        names.add(OriginalKind::User, &account.hwid);
        names.add(OriginalKind::Name, &account.cn);
        domain(&account.domain, names);
        names.add(OriginalKind::Host, &account.dns);
    }
    names.add_host_of(phone.sysclient.url.as_deref().unwrap_or_default());
    if let Some(name) = phone.redirect_entry.as_ref().and_then(|entry| entry.server_name.as_deref()) {
        names.add(OriginalKind::Name, name);
    }
    for (name, value) in phone.device_config.items.values().filter_map(Value::as_object).flatten() {
        let Some(text) = value.as_str() else { continue };
        match name.as_str() {
            "turnUsername" | "logUser" => names.add(OriginalKind::User, text),
            _ if is_host(text) => names.add_host_of(text),
            _ => {}
        }
    }
}

/// Whether a value from Devices is a URL or a host name.
fn is_host(text: &str) -> bool {
    let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = text.split(':').next().unwrap_or_default();
    let is_name = name.contains('.') && name.chars().all(label) && name.chars().any(|c| c.is_ascii_alphabetic());
    text.contains("://") || is_name
}

/// Names in the message of an event, including those that are no longer in any record.
pub(super) fn of_message(message: &Value, names: &mut KnownOriginals) {
    for (name, value) in message.get("params").and_then(Value::as_object).into_iter().flatten() {
        match (name.as_str(), value) {
            ("user", Value::String(user)) => names.add(OriginalKind::User, user),
            ("name", Value::String(person)) => of_caller(person, names),
            (_, Value::Object(_)) => of_message(value, names),
            _ => {}
        }
    }
}

/// The caller in an audit entry, and the user that a command removed from a phone.
pub(super) fn of_audit(row: &AuditRow, names: &mut KnownOriginals) {
    of_caller(&row.who, names);
    if let Some(user) = row.deed.strip_prefix("Take ").and_then(|rest| rest.strip_suffix(" off")) {
        names.add(OriginalKind::User, user);
    }
}

/// Parses `Anna Muster (anna.muster) at 192.0.2.1`, or a host user `at the command line`.
fn of_caller(who: &str, names: &mut KnownOriginals) {
    let who = who.rsplit_once(" at ").map_or(who, |(who, _)| who);
    if who.starts_with("token ") {
        return;
    }
    match who.rsplit_once(" (").and_then(|(long, login)| Some((long, login.strip_suffix(')')?))) {
        Some((long, login)) => {
            names.add(OriginalKind::User, login.split(", ").next().unwrap_or_default());
            names.add(OriginalKind::Name, long);
        }
        None if NOBODY.contains(&who) => {}
        None => names.add(OriginalKind::User, who),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known(names: &KnownOriginals) -> Vec<(&str, OriginalKind)> {
        names.iter().collect()
    }

    #[test]
    fn persons_are_known_by_both_names() {
        let mut names = KnownOriginals::default();
        for who in [
            "Anna Muster (anna.muster) at 192.0.2.1",
            "Bob (bob, by password)",
            "token robot at 192.0.2.1",
            "root at the command line",
            "claire",
        ] {
            of_caller(who, &mut names);
        }
        assert_eq!(
            known(&names),
            [
                ("anna muster", OriginalKind::Name),
                ("anna.muster", OriginalKind::User),
                ("bob", OriginalKind::User),
                ("claire", OriginalKind::User)
            ]
        );
    }

    #[test]
    fn a_sentence_inside_a_sentence_names_users_too() {
        let mut names = KnownOriginals::default();
        let deed = json!({ "key": "happened.deed-imported", "params": { "user": "anna", "line": 3 }, "text": "" });
        of_message(&json!({ "key": "x", "params": { "deed": deed, "name": "Bob (bob) at ::1" } }), &mut names);
        assert_eq!(known(&names), [("anna", OriginalKind::User), ("bob", OriginalKind::User)]);
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
        let mut names = KnownOriginals::default();
        of_phone(&phone, &mut names);
        let known = known(&names);
        for wanted in [
            (phone.mac.to_string().as_str(), OriginalKind::Phone),
            ("21", OriginalKind::User),
            ("anna muster", OriginalKind::Name),
            ("pbx.customer.example", OriginalKind::Host),
            ("customer.example", OriginalKind::Host),
            ("a-very-long-dom", OriginalKind::Name),
            ("log.elsewhere.org", OriginalKind::Host),
            ("logger", OriginalKind::User),
        ] {
            assert!(known.contains(&wanted), "{wanted:?}: {known:?}");
        }
        assert!(!known.iter().any(|(text, _)| *text == "1.2"), "{known:?}");
    }
}
