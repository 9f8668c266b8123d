//! A simulated Yealink desk phone or DECT base, written from published traces and the vendor's templates. It boots as a
//! real phone does, applies its files, and registers at the simulated PBX with exactly the accounts they specify.

mod boot;
mod credentials;
pub mod model;
mod settings;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, time::Duration};

pub use boot::YealinkBootReport;
use gangway_base::mac::Mac;
pub use model::YealinkModel;
pub use settings::{Handset, YealinkAccount, YealinkSettings};

use crate::{
    board::Board,
    host::{HostGone, HostHandle},
};

/// Replaces DNS and SIP: maps the names given to phones to the registration URLs of the simulated PBXs.
pub type SipNetwork = Board<HashMap<String, String>>;

/// A phone. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct YealinkPhone {
    host: HostHandle,
    mac: Mac,
    model: YealinkModel,
    network: SipNetwork,
    board: Board<YealinkFlash>,
}

/// The phone's persistent state and its boot reports.
#[derive(Debug, Clone, Default)]
pub struct YealinkFlash {
    /// Base URL of the redirection service, used while the phone knows no server.
    pub rps_url: Option<String>,
    /// The SIP address that the phone reports. If unset, the PBX uses the address it sees.
    pub sip_address: Option<String>,
    /// Its settings.
    pub settings: YealinkSettings,
    /// Hashes of the last common file and MAC file.
    pub(super) hashes: HashMap<String, String>,
    /// Pause between tries of a failed transfer.
    pub(super) retry_pause: Duration,
    /// True after the phone has given up until its next boot.
    pub given_up: bool,
    /// Reports of all checks, in order.
    pub reports: Vec<YealinkBootReport>,
}

impl YealinkPhone {
    /// Creates a factory-fresh phone.
    #[must_use]
    pub fn new(host: &HostHandle, mac: Mac, model: YealinkModel, rps_url: Option<String>, network: SipNetwork) -> Self {
        let flash = YealinkFlash { rps_url, retry_pause: Duration::from_millis(20), ..YealinkFlash::default() };
        Self { host: host.clone(), mac, model, network, board: Board::new(flash) }
    }

    /// The phone's MAC address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The phone's model.
    #[must_use]
    pub fn model(&self) -> YealinkModel {
        self.model
    }

    /// The phone's flash and boot reports. Tests can read it and wait for changes.
    #[must_use]
    pub fn board(&self) -> &Board<YealinkFlash> {
        &self.board
    }

    /// Resets everything except the redirection service's address.
    pub fn factory_reset(&self) {
        self.board.change(|flash| {
            flash.settings = YealinkSettings::default();
            flash.hashes.clear();
            flash.given_up = false;
        });
    }

    /// Sets a provisioning URL and optional credentials, as a user or DHCP would.
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

    /// Powers the phone on: it asks the redirection service if it knows no server, fetches its files and registers.
    pub async fn boot(&self) -> Result<YealinkBootReport, HostGone> {
        self.board.change(|flash| flash.given_up = false);
        self.check(true).await
    }

    /// Runs the check at the end of the polling interval. Does nothing if polling is off or the phone has given up.
    pub async fn poll_once(&self) -> Result<YealinkBootReport, HostGone> {
        let due = self.board.read(|flash| !flash.given_up && flash.settings.repeat_minutes(self.model.old).is_some());
        if !due {
            return Ok(YealinkBootReport::default());
        }
        self.check(false).await
    }

    /// The handsets that have an account according to the settings; empty for a desk phone.
    #[must_use]
    pub fn handsets(&self) -> Vec<Handset> {
        self.board.read(|flash| flash.settings.handsets(&self.model))
    }

    /// True if the last check registered every enabled account.
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
