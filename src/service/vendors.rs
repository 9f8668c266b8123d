//! The vendors of this gateway, with their models and how phones find the gateway without a redirect service.

use gangway_wire::appws::Envelope;
use serde::Deserialize;
use serde_json::Value;

use super::{
    ServiceDependencies,
    response::{MessageResult, clip, read, result},
    text::Text,
};
use crate::{catalog::Vendor, phone::instance::InstanceId, settings::Lookup};

#[derive(Deserialize)]
struct Request {
    vendor: Option<String>,
}

/// Answers `Vendors`: all of them, or the one in the request.
///
/// # Errors
/// If there is no such vendor.
pub fn vendors(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let request: Request = read(message)?;
    let urls = (deps.urls)(instance);
    let layers = deps.store.settings().layers(instance);
    let scheme = |vendor: &Vendor| layers.scheme(&Lookup { vendor: Some(&vendor.name), ..Lookup::instance() });
    let registry = deps.registry.load();
    let is_meant = |name: &str| request.vendor.as_deref().is_none_or(|wanted| wanted == name);
    let meant = registry.vendors().filter(|vendor| is_meant(&vendor.name));
    let found: Vec<Value> = meant.map(|vendor| vendor.to_json(&urls, scheme(vendor))).collect();
    match request.vendor {
        Some(vendor) if found.is_empty() => Err(Text::new("unknown-vendor").with("vendor", clip(&vendor, 60)).into()),
        _ => super::response::list(result(message), "vendors", &found),
    }
}
