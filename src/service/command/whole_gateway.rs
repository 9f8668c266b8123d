//! Requests that concern the gateway as a whole: its state, the audit, the sealing key.

use gangway_base::{mac::Mac, periodic::PeriodicStatus};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, CommandService, Replies};
use crate::{
    service::{
        audit,
        caller::{Caller, CallerKind},
        connections, notices,
        types::{Connection, Notice},
    },
    store::{AuditEntry, RotationStep},
};

/// The current state of the running gateway, of one instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// The notices.
    pub notices: Vec<Notice>,
    /// The connections.
    pub connections: Vec<Connection>,
    /// The periodic tasks with the results of their last runs.
    pub periodic: Vec<PeriodicStatus>,
}

/// The sealing key was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRotation {
    /// The number of the key that seals now.
    pub key: u8,
    /// How many values were sealed again.
    pub resealed: u64,
    /// Whether an earlier rotation was interrupted. This one has completed it.
    pub was_interrupted: bool,
    /// The old key is in a systemd credential, from which an administrator has to remove it.
    pub old_key_stays: bool,
}

impl CommandService {
    pub(super) fn status(&self, caller: &Caller) -> Result<GatewayStatus, CommandError> {
        let gateway = self.gateway("connections are not known")?;
        let instance = caller.instance.id;
        Ok(GatewayStatus {
            notices: notices::notices(&gateway.0, instance),
            connections: connections::rows(&gateway.0, instance),
            periodic: gateway.0.deps.tasks.periodic(),
        })
    }

    /// Sends the newest entries, newest first.
    pub(super) async fn list_audit(&self, caller: &Caller, count: u32, replies: &Replies) -> Result<(), CommandError> {
        let rows = self.store.audit_log().entries(caller.instance.id, None, count).await?;
        let rows = rows.iter().map(|row| {
            json!({
                "at": row.at.to_string(), "who": row.who, "way": row.way, "source": row.source,
                "target": row.target, "deed": row.deed,
            })
        });
        replies.rows(rows).await;
        Ok(())
    }

    pub(super) async fn record_diagnostics(
        &self,
        caller: &Caller,
        phone: Option<Mac>,
        deed: String,
    ) -> Result<(), CommandError> {
        let who = match &caller.who {
            CallerKind::Command(user) => user.clone(),
            CallerKind::Page(_) | CallerKind::Token(_) => audit::name(caller),
        };
        let entry = AuditEntry {
            instance: caller.instance.id,
            who,
            way: "command",
            source: String::new(),
            target: phone.map(|mac| mac.to_string()).unwrap_or_default(),
            deed,
        };
        Ok(self.store.audit_log().add(&entry).await?)
    }

    /// A backup contains every secret, so the attempt alone is recorded.
    pub(super) async fn record_backup(&self, user: &str, file: &str) -> Result<(), CommandError> {
        let deed = format!("write everything into the backup {file}");
        Ok(self.store.audit_log().add_everywhere(user, &deed).await?)
    }

    pub(super) async fn rotate_keys(&self, user: &str, replies: &Replies) -> Result<KeyRotation, CommandError> {
        self.store.audit_log().add_everywhere(user, "make a new sealing key").await?;
        let rotation = self.store.rotate_keys(|step| {
            if let RotationStep::Resealed(done, total) = step {
                replies.progress(done, total);
            }
        });
        let rotation = rotation.await.map_err(|error| {
            CommandError::caused("the sealing key is not rotated; call `gangway keys rotate` again to go on", &error)
        })?;
        Ok(KeyRotation {
            key: rotation.key,
            resealed: rotation.resealed,
            was_interrupted: rotation.was_interrupted,
            old_key_stays: rotation.old_key_stays,
        })
    }
}
