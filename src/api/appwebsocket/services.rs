//! The PBX's api `Services`: the available services, and the address of Devices.

use std::sync::Arc;

use gangway_wire::appws::services::{self, DEVICES_API, ServicesInfo};

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
    let sysclients = info.find(DEVICES_API).and_then(services::Service::sysclients);
    match &sysclients {
        Some(url) => {
            tracing::info!(instance = %instance.label(), url = %url, "Devices announced");
            let (store, id, url) = (apis.store.clone(), instance.id, url.to_string());
            apis.tasks.spawn_local("remember-devices", async move {
                if let Err(error) = devices_address::store_announced(&store, id, &url).await {
                    tracing::error!(%error, "the address of Devices could not be stored");
                }
            });
        }
        None => {
            tracing::warn!(instance = %instance.label(), services = info.services.len(), "the PBX announces no Devices service: tick the Devices API object in the Apps tab of our app object");
        }
    }
    apis.sessions.announce(link.id(), info.services);
}
