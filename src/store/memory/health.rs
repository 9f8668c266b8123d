//! The current health of the database.

use std::sync::{Mutex, PoisonError};

use crate::store::api::health::Health;

/// The current health, shared with all readers.
#[derive(Debug, Default)]
pub(in crate::store) struct PublishedHealth(Mutex<Health>);

impl PublishedHealth {
    pub(in crate::store) fn get(&self) -> Health {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the health and logs the change, if any.
    pub(in crate::store) fn set(&self, now: &Health) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), now.clone());
        if before == *now {
            return;
        }
        match now.message() {
            // The code that noticed the loss has logged it already.
            Some(_) if matches!(now, Health::Lost { .. }) => {}
            Some(sentence) => tracing::warn!("the database is not well: {sentence}"),
            None => tracing::info!("the database is written again"),
        }
    }
}
