//! Rejects a MAC whose first half (OUI) belongs to another vendor. Manifests know only some OUIs, so this is a hint;
//! but a MAC that starts like another vendor's phones, and not like those of the chosen vendor, was most likely entered
//! under the wrong manufacturer.

use gangway_base::mac::Mac;

use super::{ProvisionRequest, RequestRejection};
use crate::{
    phone::instance::InstanceId,
    provision::{engine::Engine, ports::ProviderFacts},
};

pub(super) fn check(
    engine: &Engine,
    request: &ProvisionRequest,
    provider: &ProviderFacts,
) -> Result<(), RequestRejection> {
    let providers = &engine.deps.providers;
    if claims(engine, request.instance, &provider.vendor, request.mac) {
        return Ok(());
    }
    let urls = (engine.deps.urls)(request.instance);
    let entries: Vec<String> = providers
        .names()
        .into_iter()
        .filter(|name| urls.has_app(name))
        .filter_map(|name| providers.provider(&name))
        .filter(|other| other.vendor != provider.vendor && claims(engine, request.instance, &other.vendor, request.mac))
        .map(|other| format!("\"{}\"", other.title))
        .collect();
    if entries.is_empty() {
        return Ok(());
    }
    Err(RequestRejection::OtherPrefix {
        mac: request.mac,
        entries: entries.join(" or "),
        vendor: provider.vendor.clone(),
        prefix: request.mac.oui(),
    })
}

/// Whether the vendor's manifest or the setting `extra_ouis` assigns the first half of the MAC to the vendor.
fn claims(engine: &Engine, instance: InstanceId, vendor: &str, mac: Mac) -> bool {
    let oui = mac.oui();
    let settings = engine.deps.vendor_settings(instance, vendor);
    engine.deps.providers.claims(vendor, mac) || settings.text("extra_ouis").split(' ').any(|known| known == oui)
}
