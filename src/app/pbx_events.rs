//! Notifies the provisioning engine when a PBX connects, disconnects or announces services.

use gangway_base::tasks::Tasks;

use crate::{pbx::sessions::PbxSessions, provision::Provisioning};

/// Forwards all changes of PBX sessions to the provisioning engine.
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
