//! Tells provisioning when a PBX connects, leaves or announces services.

use gangway_base::tasks::Tasks;

use crate::{pbx::sessions::PbxSessions, provision::Provisioning};

/// Tells provisioning of every PBX that came, went or announced services.
pub(super) async fn watch(sessions: PbxSessions, provisioning: Provisioning, tasks: Tasks) {
    let mut changes = sessions.changes();
    loop {
        let change = tokio::select! {
            change = changes.recv() => change,
            () = tasks.stopping() => return,
        };
        match change {
            Ok(change) => {
                provisioning.pbx_changed(change.0);
                provisioning.devices_changed(change.0);
            }
            Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
            Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
        }
    }
}
