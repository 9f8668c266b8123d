//! The Devices app's indications, as far as they concern our phones.

use tokio::sync::mpsc;

use super::AppWebsocketContext;
use crate::devices::client::DevicesEvent;

/// Passes on what Devices tells until the gateway stops.
pub async fn watch(mut events: mpsc::Receiver<DevicesEvent>, apis: AppWebsocketContext) {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            () = apis.tasks.stopping() => return,
        };
        match event {
            Some(DevicesEvent::Removed { instance, hw_id }) => apis.provisioning.device_removed(instance, hw_id),
            Some(DevicesEvent::Listed(instance)) => apis.provisioning.devices_changed(instance),
            // Categories and codes are of use to the admin app; a phone's own state comes over its sysclient.
            Some(DevicesEvent::Changed { .. }) => {}
            None => return,
        }
    }
}
