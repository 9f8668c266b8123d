//! Receives the Devices app's indications that concern the gateway's phones.

use tokio::sync::mpsc;

use super::AppWebsocketContext;
use crate::devices::client::DevicesEvent;

/// Passes events from Devices on until the gateway stops.
pub async fn watch(mut events: mpsc::Receiver<DevicesEvent>, apis: AppWebsocketContext) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = apis.tasks.stopping() => return,
        };
        match event {
            Some(DevicesEvent::Removed { instance, hw_id }) => apis.provisioning.device_removed(instance, hw_id),
            Some(DevicesEvent::Listed(instance)) => apis.provisioning.devices_changed(instance),
            Some(DevicesEvent::Memberships { instance, memberships }) => {
                apis.provisioning.memberships_read(instance, memberships);
            }
            None => return,
        }
    }
}
