//! An action under way, and what it learns about its endpoint.

use std::sync::Arc;

use super::{
    endpoint_queue::{EndpointHealth, EndpointKey},
    engine::Engine,
    flow::FacetTask,
    transitions::Pause,
};
use crate::phone::record::PhoneId;

/// An action under way; ends when dropped, on every exit.
pub(super) struct ActionGuard {
    engine: Arc<Engine>,
    key: (PhoneId, FacetTask),
    endpoint: Option<EndpointKey>,
    is_probe: bool,
    seen: Option<EndpointHealth>,
}

impl ActionGuard {
    /// Marks an action as begun.
    pub(super) fn new(
        engine: Arc<Engine>,
        key: (PhoneId, FacetTask),
        endpoint: Option<EndpointKey>,
        is_probe: bool,
    ) -> Self {
        Self { engine, key, endpoint, is_probe, seen: None }
    }

    /// Records what the action learned about its endpoint.
    pub(super) fn saw(&mut self, seen: EndpointHealth) {
        self.seen = Some(seen);
    }

    /// How a failure is retried.
    pub(super) fn pause(&self) -> Pause {
        Pause { is_probe: self.is_probe, random: rand::random() }
    }
}

impl Drop for ActionGuard {
    fn drop(&mut self) {
        self.engine.action_is_over(self.key, self.endpoint.as_ref(), self.seen.take());
    }
}
