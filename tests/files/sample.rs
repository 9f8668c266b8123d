//! Renders files for sample phones.

use std::sync::{Arc, LazyLock};

use gangway::{
    catalog::{Basis, FileKind, Recognition, Registry, SharedRegistry},
    phone::{
        public_url::PublicUrls,
        record::{Account, Phone},
    },
    phone_config::{sample_layers, sample_phone},
    render::{CACHE_BYTES, FileRequest, RenderError, Renderer, Stage},
    settings::{Layers, Scope, SettingRow},
};
use gangway_base::{clock::SystemClock, mac::Mac, secret::Secret};

pub const HTTPS: &str = "https://gw.example.com/example.com/gangway/phone/";

pub static REGISTRY: LazyLock<SharedRegistry> = LazyLock::new(|| Registry::load_shared(None).unwrap());

/// Creates a phone of a model with one account.
pub fn phone(vendor: &str, model: &str) -> Phone {
    let mac: Mac = "000413aabbcc".parse().unwrap();
    sample_phone(vendor, vendor, Some(model), None, mac)
}

/// Adds an account like the first one, at `dns`.
pub fn add_account(phone: &mut Phone, name: &str, dns: &str) {
    let line = u16::try_from(phone.accounts.len() + 1).unwrap();
    let first = phone.accounts[0].clone();
    phone.accounts.push(Account {
        line,
        hwid: format!("{name}-hw"),
        username: name.to_owned(),
        cn: format!("Long {name}"),
        password: Secret::new(format!("secret of {name}")),
        dns: dns.to_owned(),
        ..first
    });
}

/// Returns the settings `set`; if `rich`, also the sample settings that make a template write everything. `set` takes
/// precedence.
pub fn layers(rich: bool, set: &[(&str, &str)]) -> Layers {
    let mut rows = if rich { sample_layers().rows().to_vec() } else { Vec::new() };
    rows.retain(|row| set.iter().all(|(name, _)| row.name != *name));
    rows.extend(set.iter().map(|(name, value)| SettingRow {
        scope: Scope::Instance,
        name: (*name).to_owned(),
        value: Secret::new(*value),
    }));
    Layers::new(rows, 1)
}

/// Renders the personal file, or returns the reason why there is none.
pub fn file(phone: &Phone, layers: &Layers, stage: Stage) -> Result<String, RenderError> {
    let registry = Arc::clone(&REGISTRY);
    let recognition = Recognition {
        vendor: Some(Arc::from(phone.vendor.as_str())),
        model: phone.model.as_deref().map(Arc::from),
        firmware: None,
        mac: Some(phone.mac),
        agent_mac: None,
        kind: FileKind::Personal,
        name: None,
        file_vendor: None,
        basis: Basis::Agent,
    };
    let rendered = Renderer::new(registry, [0; 32], CACHE_BYTES, Arc::new(SystemClock)).file(&FileRequest {
        phone: Some(phone),
        recognition: &recognition,
        stage,
        urls: &PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().unwrap()),
        token: Some("sampletokensampletokensam"),
        layers,
    })?;
    Ok(String::from_utf8(rendered.body.to_vec()).unwrap())
}
