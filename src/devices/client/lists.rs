//! What a link reads from Devices: rights, domains, devices and their categories, and the changes that Devices reports.

use std::time::Duration;

use gangway_wire::appws::{
    Envelope,
    devices::{DevicesMessage, get_devices, get_domains, get_login_info, get_user_info},
};
use jiff::Timestamp;

use super::{DevicesEvent, LinkSupervisor, membership};
use crate::net::appwebsocket::{Link, LinkError};

/// Time for more devices to appear or move before the categories are read again.
const SOON: Duration = Duration::from_millis(300);
/// Shortest time between two readings of the categories: each requests all devices of every category.
const REFRESH_GAP: Duration = Duration::from_secs(5);

impl LinkSupervisor {
    /// The time at which the categories are read again: soon after a device appeared or moved, else `latest`.
    pub(super) fn refresh_at(&self, latest: Timestamp) -> Timestamp {
        self.state(|state| state.refresh_from).map_or(latest, |from| from.min(latest))
    }

    /// Loads rights, domains and devices. Devices reports later changes unasked. A Devices app that does not tell our
    /// rights is used all the same.
    pub(super) async fn load(&self, link: Link) -> Result<(), LinkError> {
        let (rights, lists) = futures_util::future::join(self.load_rights(&link), self.load_lists(&link)).await;
        rights?;
        lists?;
        self.state(|state| state.is_listed = true);
        let _ = self.shared.events.send(DevicesEvent::Listed(self.instance)).await;
        self.publish_memberships().await;
        self.load_categories(&link).await
    }

    async fn load_rights(&self, link: &Link) -> Result<(), LinkError> {
        let rights = match link.request("GetUserInfo", get_user_info).await {
            Err(LinkError::Timeout | LinkError::Refused(_)) => link.request("GetLoginInfo", get_login_info).await,
            other => other,
        };
        match rights {
            Ok(rights) => {
                if let Some(DevicesMessage::UserInfo { admin, .. }) = DevicesMessage::parse(&rights) {
                    self.state(|state| state.admin = admin);
                }
                Ok(())
            }
            Err(error @ (LinkError::Timeout | LinkError::Refused(_))) => {
                tracing::info!(service = %self.service.name, %error, "Devices does not tell which rights its login has");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn load_lists(&self, link: &Link) -> Result<(), LinkError> {
        let domains = link.request_list("GetDomains", |src| get_domains(src, true)).await?;
        let devices = link.request_list("GetDevices", |src| get_devices(src, true, &[])).await?;
        self.state(|state| {
            state.domains.clear();
            state.devices.clear();
            for message in domains.iter().chain(&devices).filter_map(DevicesMessage::parse) {
                match message {
                    DevicesMessage::Domains { domains, .. } => {
                        state.domains.extend(domains.into_iter().map(|domain| (domain.id, domain)));
                    }
                    DevicesMessage::Devices { devices, .. } => {
                        devices.into_iter().for_each(|device| state.keep(device));
                    }
                    _ => {}
                }
            }
        });
        Ok(())
    }

    /// Reads the categories of the devices. They are of use, but not needed: a Devices app that does not answer keeps its
    /// link.
    pub(super) async fn load_categories(&self, link: &Link) -> Result<(), LinkError> {
        let now = self.shared.clock.now();
        let domains: Vec<u64> = self.state(|state| {
            state.refreshed = Some(now);
            state.domains.keys().copied().collect()
        });
        match membership::categories(link, &domains).await {
            Ok(categories) => self.state(|state| state.categories = categories),
            Err(error @ (LinkError::Closed | LinkError::Busy)) => return Err(error),
            Err(error) => {
                tracing::info!(service = %self.service.name, %error, "Devices does not tell the categories of devices");
            }
        }
        self.publish_memberships().await;
        Ok(())
    }

    async fn publish_memberships(&self) {
        let memberships = self.state(|state| state.memberships());
        let _ = self.shared.events.send(DevicesEvent::Memberships { instance: self.instance, memberships }).await;
    }

    pub(super) async fn indication(&self, message: &Envelope) {
        let instance = self.instance;
        match DevicesMessage::parse(message) {
            Some(DevicesMessage::DeviceRemoved(device)) => {
                self.state(|state| state.devices.remove(&device.hw_id.to_ascii_lowercase()));
                let _ = self.shared.events.send(DevicesEvent::Removed { instance, hw_id: device.hw_id }).await;
            }
            Some(DevicesMessage::DeviceChanged(device) | DevicesMessage::DeviceProvisioned(Some(device))) => {
                let later = |at: Timestamp, by| at.saturating_add(by).unwrap_or(Timestamp::MAX);
                let soon = later(self.shared.clock.now(), SOON);
                let membership = self.state(|state| {
                    let soon = state.refreshed.map_or(soon, |at| soon.max(later(at, REFRESH_GAP)));
                    let known = state.devices.get(&device.hw_id.to_ascii_lowercase());
                    // A change of the category changes nothing that the message shows.
                    if known.is_none_or(|known| known.domain_id != device.domain_id || *known == device) {
                        state.refresh_from.get_or_insert(soon);
                    }
                    state.keep(device.clone());
                    state.membership(&device)
                });
                if let Some(membership) = membership {
                    let memberships = vec![membership];
                    let _ = self.shared.events.send(DevicesEvent::Memberships { instance, memberships }).await;
                }
            }
            Some(DevicesMessage::DomainChanged(domain)) => {
                self.state(|state| state.domains.insert(domain.id, domain));
                self.publish_memberships().await;
            }
            Some(DevicesMessage::DomainRemoved(id)) => {
                self.state(|state| state.domains.remove(&id));
                self.publish_memberships().await;
            }
            _ => {}
        }
    }
}
