//! What only the serving gateway knows (who is connected, what needs an administrator), told to a command that asks.
//! Question and answer are facts, so that a command needs neither address nor token.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AdminService, connections, notices};
use crate::{
    phone::instance::InstanceId,
    store::{Store, StoreError},
};

/// What a command asks for.
const ASKED: &str = "told.asked.";
/// What it is told.
pub(super) const ANSWERED: &str = "told.answered.";

/// The moment as the serving gateway sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GatewayStatus {
    /// As `NoticesResult`.
    pub notices: Vec<Value>,
    /// As `SnapshotResult`.
    pub connections: Vec<Value>,
}

/// Asks the serving gateway.
///
/// # Errors
/// When the store cannot be written.
pub async fn ask(store: &Store, instance: InstanceId, key: &str) -> Result<(), StoreError> {
    store.set_fact(instance, &format!("{ASKED}{key}"), Some("1")).await
}

/// What it says; `None` while no gateway has taken notice.
#[must_use]
pub fn answered(store: &Store, instance: InstanceId, key: &str) -> Option<GatewayStatus> {
    serde_json::from_str(&store.fact(instance, &format!("{ANSWERED}{key}"))?).ok()
}

/// Takes question and answer back.
///
/// # Errors
/// When the store cannot be written.
pub async fn forget(store: &Store, instance: InstanceId, key: &str) -> Result<(), StoreError> {
    store.set_fact(instance, &format!("{ASKED}{key}"), None).await?;
    store.set_fact(instance, &format!("{ANSWERED}{key}"), None).await
}

/// Answers every question there is.
pub(super) async fn answer(desk: &AdminService) {
    let store = &desk.0.deps.store;
    for (instance, asked, _) in store.facts_beginning(ASKED) {
        let Some(key) = asked.strip_prefix(ASKED) else { continue };
        let told = GatewayStatus {
            notices: notices::notices(&desk.0, instance),
            connections: connections::rows(&desk.0, instance),
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
