//! The PBX's api `Services`: the available services, and the address of Devices.

use std::sync::Arc;

use gangway_wire::appws::services::{self, DEVICES_API, Service, ServicesInfo};

use super::AppWebsocketContext;
use crate::{net::appwebsocket::Link, pbx::devices_address, phone::instance::Instance};

/// Subscribes to the list of services and its changes.
pub fn subscribe(link: Link, instance: &Arc<Instance>, apis: &AppWebsocketContext) {
    let label = instance.label();
    apis.tasks.spawn_local("subscribe-services", async move {
        if let Err(error) = link.request("SubscribeServices", services::subscribe).await {
            tracing::warn!(instance = %label, %error, "the PBX did not accept the subscription of services");
        }
    });
}

/// Handles the PBX's announcement of its services.
pub fn announced(link: &Link, instance: &Arc<Instance>, info: ServicesInfo, apis: &AppWebsocketContext) {
    let mut services = info.services;
    if let Some(configured) = &instance.devices_url {
        devices_address::override_addresses(&mut services, configured);
    }
    let of_devices = services.iter().filter(|service| service.model(DEVICES_API).is_some());
    let urls: Vec<String> = of_devices.filter_map(Service::sysclients).map(String::from).collect();
    if urls.is_empty() {
        tracing::warn!(instance = %instance.label(), services = services.len(), "the PBX announces no Devices service: tick the Devices API object in the Apps tab of our app object");
    } else {
        tracing::info!(instance = %instance.label(), urls = urls.join(" "), "Devices announced");
    }
    apis.sessions.announce(link.id(), services);
    let (sessions, store, id) = (apis.sessions.clone(), apis.store.clone(), instance.id);
    apis.tasks.spawn_local("store-devices", async move {
        if let Err(error) = devices_address::store_announced(&sessions, &store, id).await {
            tracing::error!(%error, "the addresses of Devices could not be stored");
        }
    });
}
