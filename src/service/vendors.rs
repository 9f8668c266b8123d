//! The vendors of this gateway, with their models and how phones find the gateway without a redirect service.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    ServiceDependencies,
    clip::clip,
    error::ServiceError,
    types::{Dhcp, VendorArrival, VendorInfo, VendorList},
};
use crate::{
    catalog::Vendor,
    phone::{
        instance::InstanceId,
        public_url::{PublicUrls, Scheme},
    },
    settings::Lookup,
};

/// Returns all vendors, or the one with this name.
///
/// # Errors
/// If there is no such vendor.
pub fn vendors(
    deps: &ServiceDependencies,
    instance: InstanceId,
    wanted: Option<&str>,
) -> Result<VendorList, ServiceError> {
    let urls = (deps.urls)(instance);
    let layers = deps.store.settings().layers(instance);
    let scheme = |vendor: &Vendor| layers.scheme(&Lookup { vendor: Some(&vendor.name), ..Lookup::instance() });
    let registry = deps.registry.load();
    let meant = registry.vendors().filter(|vendor| wanted.is_none_or(|wanted| wanted == &*vendor.name));
    let vendors: Vec<VendorInfo> = meant.map(|vendor| info(vendor, &urls, scheme(vendor))).collect();
    match wanted {
        Some(wanted) if vendors.is_empty() => Err(ServiceError::UnknownVendor(clip(wanted, 60))),
        _ => Ok(VendorList { vendors }),
    }
}

/// Describes a vendor. Each provider has the URL that its phones use, or the reason why the URL is not known.
#[must_use]
pub fn info(vendor: &Vendor, urls: &PublicUrls, scheme: Scheme) -> VendorInfo {
    let providers = vendor.providers.iter().map(|provider| {
        let mut row = members(provider);
        let base = urls.base(&provider.name, scheme);
        row.insert("urlProblem".to_owned(), base.as_ref().err().map(ToString::to_string).into());
        row.insert("url".to_owned(), base.ok().into());
        row
    });
    let arrival = vendor.manifest.arrival.at(&vendor.arrival_url(urls, scheme));
    let dhcp = arrival.dhcp.into_iter().map(|one| Dhcp {
        option: one.option,
        text: one.text,
        vendor_class: one.vendor_class,
        note: one.note,
    });
    VendorInfo {
        name: vendor.name.to_string(),
        title: vendor.title.clone(),
        auth: word(&vendor.auth),
        redirect: members(&vendor.redirect),
        arrival: VendorArrival { dhcp: dhcp.collect(), pnp: arrival.pnp, manual: arrival.manual },
        providers: providers.collect(),
        families: vendor.manifest.families.iter().map(members).collect(),
        generations: vendor.manifest.generations.iter().map(|one| one.name.clone()).collect(),
        models: vendor.manifest.models.iter().map(members).collect(),
    }
}

/// The members of a part of a manifest.
fn members(part: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(part) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

/// A word of a manifest.
fn word(part: &impl Serialize) -> String {
    serde_json::to_value(part).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
