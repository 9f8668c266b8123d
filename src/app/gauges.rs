//! Gauges that are updated when `/metrics` is requested.

use std::sync::Arc;

use crate::{
    base::telemetry::metric::{Metric, gauge},
    devices::sysclients::SysclientPool,
    pbx::sessions::PbxSessions,
    phone::{facet::RedirectState, instance::Instances, record::Phone},
    provision::{
        migration_progress::{MigrationProgress, moving},
        public_url::read,
    },
    render::Renderer,
    store::Store,
};

/// The sources of the gauges.
pub(super) struct GaugeSources {
    pub store: Store,
    pub instances: Instances,
    pub sessions: PbxSessions,
    pub fleet: SysclientPool,
    pub renderer: Arc<Renderer>,
}

impl GaugeSources {
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats; counts are far below 2^52")]
    /// Updates the gauges.
    pub fn set_gauges(&self) {
        gauge(Metric::Phones, &[], self.store.phones().len() as f64);
        let counts =
            self.instances.iter().map(|instance| moving(&self.store, &read(&self.store, instance), instance.id));
        let open: usize = counts.map(MigrationProgress::open).sum();
        gauge(Metric::PhonesToMove, &[], open as f64);
        for state in RedirectState::ALL {
            let phones = self.store.phones().all();
            let is_so = |phone: &&Arc<Phone>| phone.removed_at.is_none() && phone.redirect.state == *state;
            gauge(Metric::PhonesByRedirect, &[("state", state.as_str())], phones.iter().filter(is_so).count() as f64);
        }
        gauge(Metric::PbxSessions, &[], self.sessions.len() as f64);
        gauge(Metric::RenderCacheBytes, &[], self.renderer.cached_bytes() as f64);
        for (state, count) in self.fleet.counts() {
            gauge(Metric::Sysclients, &[("state", state.label())], count as f64);
        }
    }
}
