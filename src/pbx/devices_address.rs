//! The addresses of the Devices apps. The PBX announces each as the URL of its app; an instance may override it, because
//! the announced name may lead somewhere else inside the network of the gateway (split DNS). The announced addresses are
//! stored, so that a restart does not have to wait for the PBX.

use gangway_wire::appws::services::{DEVICES_API, Service};
use url::Url;

use super::sessions::PbxSessions;
use crate::{
    phone::instance::InstanceId,
    store::{Store, StoreError},
};

/// A Devices app that the PBXs of an instance grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantedDevices {
    /// Its sysclient websocket URL (`.../sysclients`).
    pub url: Url,
    /// The app objects that are granted it (`gangway-yealink`).
    pub apps: Vec<String>,
}

/// The Devices apps of an instance in the order of their announcement. Before a PBX connects, those that were announced
/// last, without app objects.
#[must_use]
pub fn granted(sessions: &PbxSessions, store: &Store, instance: InstanceId) -> Vec<GrantedDevices> {
    let announced = announced(sessions, instance);
    if !announced.is_empty() {
        return announced;
    }
    let stored = store.learned().devices_addresses(instance);
    stored.iter().filter_map(|url| Some(GrantedDevices { url: url.parse().ok()?, apps: Vec::new() })).collect()
}

fn announced(sessions: &PbxSessions, instance: InstanceId) -> Vec<GrantedDevices> {
    let mut all: Vec<GrantedDevices> = Vec::new();
    for (service, apps) in sessions.service_apps(instance, DEVICES_API) {
        let Some(url) = service.sysclients() else { continue };
        match all.iter_mut().find(|known| known.url == url) {
            Some(known) => known.apps.extend(apps),
            None => all.push(GrantedDevices { url, apps }),
        }
    }
    all
}

/// Stores the addresses that the PBXs announce now. Nothing is stored while none is announced.
///
/// # Errors
/// When the store cannot write.
pub async fn store_announced(sessions: &PbxSessions, store: &Store, instance: InstanceId) -> Result<(), StoreError> {
    let urls: Vec<String> = announced(sessions, instance).into_iter().map(|devices| devices.url.into()).collect();
    if urls.is_empty() {
        return Ok(());
    }
    store.learned().set_devices_addresses(instance, urls).await
}

/// Replaces the announced addresses of the Devices apps by the configured one. Without a path (`https://10.0.0.5`), it
/// replaces scheme, host and port of every Devices app. With a path, it is the address of one Devices instance
/// (`https://10.0.0.5/example.com/devices`): of the only one announced, else of the one with the same path.
pub fn override_addresses(services: &mut [Service], configured: &Url) {
    let base = configured.path().trim_end_matches('/').to_owned();
    let is_devices = |service: &&mut Service| service.model(DEVICES_API).is_some();
    let count = services.iter_mut().filter(is_devices).count();
    for service in services.iter_mut().filter(is_devices) {
        let Ok(announced) = Url::parse(service.url.trim()) else { continue };
        let path = announced.path();
        let (instance, app) = path.rsplit_once('/').unwrap_or(("", path));
        if !base.is_empty() && count > 1 && base != instance {
            continue;
        }
        let mut address = configured.clone();
        address.set_query(None);
        address.set_fragment(None);
        address.set_path(&format!("{}/{app}", if base.is_empty() { instance } else { &base }));
        service.url = address.into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn devices(url: &str) -> Service {
        let info = json!({ "apis": { DEVICES_API: {} } });
        Service { name: "devices-api".into(), title: String::new(), url: url.into(), info }
    }

    fn overridden(announced: &[&str], configured: &str) -> Vec<String> {
        let mut services: Vec<Service> = announced.iter().map(|url| devices(url)).collect();
        override_addresses(&mut services, &configured.parse().unwrap());
        services.into_iter().map(|service| service.url).collect()
    }

    #[test]
    fn a_host_alone_replaces_the_host_of_every_devices() {
        let announced =
            ["https://ap.example.com/example.com/devices/innovaphone-devices-api", "http://b:8080/b/dev/api"];
        assert_eq!(
            overridden(&announced, "https://10.0.0.5:8443"),
            ["https://10.0.0.5:8443/example.com/devices/innovaphone-devices-api", "https://10.0.0.5:8443/b/dev/api"]
        );
    }

    #[test]
    fn an_address_with_a_path_is_that_of_one_devices() {
        let (one, other) = ("https://ap.example.com/example.com/devices/api", "https://ap.example.com/b/devices/api");
        for configured in ["https://10.0.0.5/example.com/devices", "https://10.0.0.5/example.com/devices/"] {
            assert_eq!(overridden(&[one, other], configured), ["https://10.0.0.5/example.com/devices/api", other]);
        }
        assert_eq!(overridden(&[one], "https://10.0.0.5/elsewhere"), ["https://10.0.0.5/elsewhere/api"]);
    }

    #[test]
    fn other_services_keep_their_address() {
        let mut users = devices("https://ap.example.com/example.com/users/api");
        users.info = json!({ "apis": { "com.innovaphone.users": {} } });
        let mut services = [users.clone()];
        override_addresses(&mut services, &"https://10.0.0.5".parse().unwrap());
        assert_eq!(services, [users]);
    }
}
