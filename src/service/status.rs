//! Passes the state that only the running gateway knows (connections, and problems that need an administrator) to
//! commands. Request and answer are facts, so that a command needs neither address nor token.

use gangway_base::periodic::PeriodicStatus;
use serde::{Deserialize, Serialize};

use super::{
    AdminService, connections, notices,
    types::{Connection, Notice},
};
use crate::{
    phone::instance::InstanceId,
    store::{Store, StoreError},
};

/// Prefix of a request.
const ASKED: &str = "told.asked.";
/// Prefix of an answer.
pub(super) const ANSWERED: &str = "told.answered.";

/// The current state of the running gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// As in `NoticesResult`.
    pub notices: Vec<Notice>,
    /// As in `SnapshotResult`.
    pub connections: Vec<Connection>,
    /// The periodic tasks with the results of their last runs.
    #[serde(default)]
    pub periodic: Vec<PeriodicStatus>,
}

/// Sends a request to the running gateway.
///
/// # Errors
/// If the store cannot be written.
pub async fn ask(store: &Store, instance: InstanceId, key: &str) -> Result<(), StoreError> {
    store.set_fact(instance, &format!("{ASKED}{key}"), Some("1")).await
}

/// Returns the answer, or `None` if no gateway has answered.
#[must_use]
pub fn answered(store: &Store, instance: InstanceId, key: &str) -> Option<GatewayStatus> {
    serde_json::from_str(&store.fact(instance, &format!("{ANSWERED}{key}"))?).ok()
}

/// Deletes request and answer.
///
/// # Errors
/// If the store cannot be written.
pub async fn forget(store: &Store, instance: InstanceId, key: &str) -> Result<(), StoreError> {
    store.set_fact(instance, &format!("{ASKED}{key}"), None).await?;
    store.set_fact(instance, &format!("{ANSWERED}{key}"), None).await
}

/// Answers all requests.
pub(super) async fn answer(desk: &AdminService) {
    let store = &desk.0.deps.store;
    for (instance, asked, _) in store.facts_beginning(ASKED) {
        let Some(key) = asked.strip_prefix(ASKED) else { continue };
        let told = GatewayStatus {
            notices: notices::notices(&desk.0, instance),
            connections: connections::rows(&desk.0, instance),
            periodic: desk.0.deps.tasks.periodic(),
        };
        let text = serde_json::to_string(&told).unwrap_or_default();
        let told = async {
            store.set_fact(instance, &format!("{ANSWERED}{key}"), Some(&text)).await?;
            store.set_fact(instance, &asked, None).await
        };
        if let Err(error) = told.await {
            tracing::error!(%error, "a command cannot be told how the gateway is");
        }
    }
}
