//! A simulated Yealink desk phone or DECT base: our reading of what published traces and the vendor's templates show. It boots as
//! a phone does, believes its files, and registers at the simulated PBX with exactly what they say.

mod boot;
mod credentials;
pub mod model;
mod settings;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, time::Duration};

pub use boot::{YealinkBootReport, YealinkFetch, YealinkRegistration};
use gangway_base::mac::Mac;
pub use model::YealinkModel;
pub use settings::{Handset, YealinkAccount, YealinkSettings};

use crate::{
    board::Board,
    host::{HostGone, HostHandle},
};

/// What stands for DNS and SIP: the registration URLs of the simulated PBXs by the names phones are told.
pub type SipNetwork = Board<HashMap<String, String>>;

/// A phone. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct YealinkPhone {
    host: HostHandle,
    mac: Mac,
    model: YealinkModel,
    network: SipNetwork,
    board: Board<YealinkFlash>,
}

/// What the phone keeps, and what it did.
#[derive(Debug, Clone, Default)]
pub struct YealinkFlash {
    /// Base URL of the redirection service it asks when it knows no server.
    pub rps_url: Option<String>,
    /// Where it says that it listens for SIP; the PBX sees its address when it says nothing.
    pub sip_address: Option<String>,
    /// Its settings.
    pub settings: YealinkSettings,
    /// Hashes of the last common and MAC file.
    pub(super) hashes: HashMap<String, String>,
    /// Pause between two tries of a failed transfer.
    pub(super) retry_pause: Duration,
    /// True after the phone has given up until its next boot.
    pub given_up: bool,
    /// What it did, in order.
    pub reports: Vec<YealinkBootReport>,
}

impl YealinkPhone {
    /// A factory-fresh phone in its box.
    #[must_use]
    pub fn new(host: &HostHandle, mac: Mac, model: YealinkModel, rps_url: Option<String>, network: SipNetwork) -> Self {
        let flash = YealinkFlash { rps_url, retry_pause: Duration::from_millis(20), ..YealinkFlash::default() };
        Self { host: host.clone(), mac, model, network, board: Board::new(flash) }
    }

    /// Its address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Its model.
    #[must_use]
    pub fn model(&self) -> YealinkModel {
        self.model
    }

    /// What it keeps and did; to look into and to wait on.
    #[must_use]
    pub fn board(&self) -> &Board<YealinkFlash> {
        &self.board
    }

    /// Forgets everything but the redirection service's address.
    pub fn factory_reset(&self) {
        self.board.change(|flash| {
            flash.settings = YealinkSettings::default();
            flash.hashes.clear();
            flash.given_up = false;
        });
    }

    /// A person (or DHCP) gives it a provisioning URL and, perhaps, credentials.
    pub fn set_server(&self, url: &str, credentials: Option<(&str, &str)>) {
        let old = self.model.old;
        self.board.change(|flash| {
            flash.settings.set_provisioning("server.url", url, old);
            if let Some((user, password)) = credentials {
                flash.settings.set_provisioning("server.username", user, old);
                flash.settings.set_provisioning("server.password", password, old);
            }
        });
    }

    /// Powers it on: asks the redirection service when it knows no server, fetches its files, registers.
    pub async fn boot(&self) -> Result<YealinkBootReport, HostGone> {
        self.board.change(|flash| flash.given_up = false);
        self.check(true).await
    }

    /// What it does when its interval has come; nothing when repeating is off or it has given up.
    pub async fn poll_once(&self) -> Result<YealinkBootReport, HostGone> {
        let due = self.board.read(|flash| !flash.given_up && flash.settings.repeat_minutes(self.model.old).is_some());
        if !due {
            return Ok(YealinkBootReport::default());
        }
        self.check(false).await
    }

    /// The handsets that have an account, as its settings leave them; none for a desk phone.
    #[must_use]
    pub fn handsets(&self) -> Vec<Handset> {
        self.board.read(|flash| flash.settings.handsets(&self.model))
    }

    /// True when every account that is on was registered by the last check.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.board.read(|flash| flash.reports.last().is_some_and(|report| report.registered))
    }

    async fn check(&self, powered_on: bool) -> Result<YealinkBootReport, HostGone> {
        let phone = self.clone();
        let report = self.host.run(move |_| async move { boot::check(&phone, powered_on).await }).await?;
        self.board.change(|flash| flash.reports.push(report.clone()));
        Ok(report)
    }
}
