//! One scan detector for all protocols, and the administrator's action that thaws a frozen network.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use gangway_base::{clock::SharedClock, mac::Mac, tasks::Tasks};
use jiff::Timestamp;
use tokio::sync::broadcast::error::RecvError;

use super::StartError;
use crate::{
    base::config::Config,
    http::auth::{
        scan_detector::{ScanAttempt, ScanDetector},
        source_prefix::CountedSource,
    },
    phone::{
        instance::{InstanceId, Instances},
        record::{FirstContact, Phone},
    },
    provision,
    sip::{PnpLookup, ScanWatch},
    store::Store,
};

impl ScanWatch for ScanDetector {
    fn saw(&self, instance: InstanceId, source: IpAddr, mac: Mac, reads_like_phone: bool, now: Timestamp) {
        self.saw(instance, CountedSource::source(source), ScanAttempt { mac, reads_like_phone }, now);
    }

    fn is_frozen(&self, instance: InstanceId, source: IpAddr, opened: Option<Timestamp>, now: Timestamp) -> bool {
        self.is_frozen(instance, CountedSource::source(source), opened, now)
    }
}

/// Starts SIP PnP (phones that ask by multicast). Returns the bound addresses.
pub(super) async fn start_pnp(
    config: &Config,
    store: &Store,
    instances: &Instances,
    watch: Arc<ScanDetector>,
    clock: &SharedClock,
    tasks: &Tasks,
) -> Result<Vec<SocketAddr>, StartError> {
    let arrivals = crate::sip::listen(&config.pnp).await?;
    let addresses = arrivals.addresses();
    let lookup = PnpLookup {
        store: store.clone(),
        instances: instances.clone(),
        url_of: provision::token_urls(store.clone(), provision::public_urls(store.clone(), instances.clone())),
        watch,
    };
    arrivals.serve(&lookup, clock, tasks);
    Ok(addresses)
}

/// Thaws the network for which an administrator opened a bootstrap window, on any interface (page, REST, command, CSV).
/// Runs until the gateway stops.
pub(super) async fn watch_unfreeze(store: Store, scanners: Arc<ScanDetector>, clock: SharedClock, tasks: Tasks) {
    let mut changes = store.phones().changes();
    loop {
        let changed = tokio::select! {
            changed = changes.recv() => changed,
            () = tasks.stopping() => return,
        };
        match changed {
            Ok(changed) => {
                if let Some(phone) = store.phones().get(changed.id) {
                    thaw(&scanners, &phone, clock.now());
                }
            }
            Err(RecvError::Lagged(_)) => {
                store.phones().all().iter().for_each(|phone| thaw(&scanners, phone, clock.now()));
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn thaw(scanners: &ScanDetector, phone: &Phone, now: Timestamp) {
    if let (FirstContact::Allowed(Some(network)), Some(opened)) = (phone.window.first_contact, phone.window.opened)
        && phone.window.is_open(now)
    {
        scanners.thaw_network(phone.instance, network, opened);
    }
}
