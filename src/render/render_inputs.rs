//! Inputs of a phone's file besides its record: how the phone's next request will most probably be recognised, and
//! which values in the file are secret.

use gangway_base::secret::Secret;
use serde_json::Value;

use crate::{
    catalog::{FileKind, Recognition, Registry},
    phone::record::Phone,
    settings::{Defaults, Layers, Lookup},
    store::RequestFacts,
};

/// How the phone's next request for its personal file will be recognised.
#[must_use]
pub fn recognition_of(registry: &Registry, phone: &Phone, last: Option<&RequestFacts>) -> Recognition {
    let agent = last.and_then(|last| last.user_agent.as_deref());
    let asked = last.map(|last| registry.recognise(agent, Some(&last.file)));
    match asked {
        Some(asked) if asked.kind == FileKind::Personal => asked,
        // The last request was for another file. The name of the personal file does not matter, because its content is
        // the same.
        _ => Recognition { kind: FileKind::Personal, mac: Some(phone.mac), ..registry.recognise(agent, None) },
    }
}

/// All secrets of a phone that may occur in its files and must not be displayed.
#[must_use]
pub fn secrets_of(registry: &Registry, phone: &Phone, layers: &Layers) -> Vec<Secret> {
    const SETTINGS: &[&str] = &["phone_admin_password", "provisioning_password", "ldap_password"];
    let family = registry
        .vendor(&phone.vendor)
        .and_then(|vendor| vendor.manifest.family_of(phone.model.as_deref(), Some(&phone.provider)));
    let lookup = Lookup::of(phone, family.map_or(Defaults::Table, |family| Defaults::Family(&family.settings)));
    let settings = layers.effective_of(SETTINGS, &lookup, Some(&phone.device_config));
    let mut secrets = vec![phone.token.clone(), phone.own.password.clone()];
    secrets.extend(phone.former.clone());
    secrets.extend(phone.bootstrap.iter().map(|bootstrap| bootstrap.password.clone()));
    secrets.extend(phone.accounts.iter().map(|account| account.password.clone()));
    secrets.extend(phone.device_config.admin_password.clone());
    secrets.extend(SETTINGS.iter().map(|name| settings.secret(name)));
    let items = phone.device_config.items.values();
    let passwords = items.flat_map(|item| ["turnPassword", "logPassword"].map(|name| item.get(name)));
    secrets.extend(passwords.flatten().filter_map(Value::as_str).map(Secret::new));
    secrets.retain(|secret| !secret.is_empty());
    secrets
}
