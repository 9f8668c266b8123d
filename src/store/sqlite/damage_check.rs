//! Looks for damage of the database file.

use std::time::Duration;

use gangway_base::periodic::{PeriodicTask, RunResult};

use super::{Sqlite, degraded::condition};
use crate::store::api::{error::StoreError, health::Health};

/// Pause between two checks of the whole file.
const CHECKED_EVERY: Duration = Duration::from_secs(3600);
/// Time limit of one check.
const WITHIN: Duration = Duration::from_secs(600);

/// Reads the whole database at the start and every hour: damage must be known before a backup is needed.
pub(in crate::store) struct CheckDatabase(pub(in crate::store) Sqlite);

impl PeriodicTask for CheckDatabase {
    const NAME: &'static str = "check database";
    const AT_START: bool = true;

    fn period(&self) -> Duration {
        CHECKED_EVERY
    }

    async fn run(&mut self) -> RunResult {
        let store = &self.0;
        match store.look_for_damage(WITHIN).await {
            Ok(()) => Ok(()),
            Err(cause @ StoreError::Corrupt { .. })
                if !matches!(store.inner.memory.health.get(), Health::Lost { .. }) =>
            {
                store.inner.memory.health.set(&condition(&cause));
                Err(cause.to_string())
            }
            Err(error) => {
                tracing::debug!(%error, "the database cannot be checked");
                Err(error.to_string())
            }
        }
    }
}
