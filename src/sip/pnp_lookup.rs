//! Decides which phone gets which URL by SIP PnP. A subscription proves nothing, so it is treated like a lookup at a
//! redirect service: it yields the bootstrap URL only, and only while the phone's bootstrap window is open.

use std::{net::IpAddr, sync::Arc};

use gangway_base::{mac::Mac, secret::Secret};
use gangway_wire::sip::ProfileSubscription;
use jiff::Timestamp;

use crate::{
    phone::{
        facet::Wanted,
        instance::{InstanceId, Instances},
        record::Phone,
    },
    provision::UrlOf,
    store::Store,
};

/// Detects sources that try one MAC address after another, by whichever protocol.
pub trait ScanWatch: Send + Sync {
    /// Reports that a source asked for an unknown phone. `reads_like_phone` is set when the request contained vendor,
    /// model and version, as requests of phones do.
    fn saw(&self, instance: InstanceId, source: IpAddr, mac: Mac, reads_like_phone: bool, now: Timestamp);
    /// Whether the source is frozen as a scanner, for a phone whose bootstrap window was opened at `opened`.
    fn is_frozen(&self, instance: InstanceId, source: IpAddr, opened: Option<Timestamp>, now: Timestamp) -> bool;
}

/// Looks up phones for SIP PnP.
#[derive(Clone)]
pub struct PnpLookup {
    /// The store with the phones.
    pub store: Store,
    /// The instances (tenants).
    pub instances: Instances,
    /// Returns the URL of a phone.
    pub url_of: UrlOf,
    /// Detects scanners, which get no URL even for an expected phone.
    pub watch: Arc<dyn ScanWatch>,
}

impl PnpLookup {
    /// Returns the phone with this MAC and its URL, or `None` when this source gets no URL now.
    #[must_use]
    pub fn look_up(
        &self,
        subscription: &ProfileSubscription,
        source: IpAddr,
        now: Timestamp,
    ) -> Option<(Arc<Phone>, Secret)> {
        let (roster, mac) = (self.store.phones(), subscription.mac);
        if self.instances.iter().all(|instance| roster.by_mac(instance.id, mac).is_none()) {
            let reads_like_phone =
                subscription.vendor.is_some() && subscription.model.is_some() && subscription.version.is_some();
            self.instances.iter().for_each(|instance| self.watch.saw(instance.id, source, mac, reads_like_phone, now));
            return None;
        }
        let is_frozen = |phone: &Phone| self.watch.is_frozen(phone.instance, source, phone.window.opened, now);
        let mut expected = self
            .instances
            .iter()
            .filter_map(|instance| roster.by_mac(instance.id, mac))
            .filter(|phone| is_expected(phone, source, now) && !is_frozen(phone));
        let phone = expected.next()?;
        if expected.next().is_some() {
            // The MAC does not show which instance the phone belongs to.
            tracing::warn!(%mac, "several instances expect this phone; it is told nothing by multicast");
            return None;
        }
        let url = (self.url_of)(&phone)?;
        Some((phone, url))
    }
}

/// Whether a bootstrap delivery to this source would be admitted: the first delivery binds the bootstrap window to its
/// source.
fn is_expected(phone: &Phone, source: IpAddr, now: Timestamp) -> bool {
    let window = &phone.window;
    phone.wanted == Wanted::Active
        && phone.removed_at.is_none()
        && window.is_open(now)
        && window.bound.as_ref().is_none_or(|bound| bound.source == source)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{phone::record::WindowBinding, provision::sample};

    #[test]
    fn only_an_open_window_tells_and_only_its_own_source() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let (here, there): (IpAddr, IpAddr) = ("10.0.0.7".parse().unwrap(), "10.0.0.8".parse().unwrap());
        let mut phone = sample::phone(now);
        phone.window.open(now, 7);
        assert!(is_expected(&phone, here, now));
        phone.window.bound = Some(WindowBinding { source: here, family: "x".into() });
        assert!(is_expected(&phone, here, now) && !is_expected(&phone, there, now));
        let late = now.saturating_add(Duration::from_secs(8 * 86_400)).unwrap();
        assert!(!is_expected(&phone, here, late));
        for wanted in [Wanted::Blocked, Wanted::Released, Wanted::Removed] {
            phone.wanted = wanted;
            assert!(!is_expected(&phone, here, now), "{wanted:?}");
        }
        phone.wanted = Wanted::Active;
        phone.window.closed = Some(now);
        assert!(!is_expected(&phone, here, now));
    }
}
