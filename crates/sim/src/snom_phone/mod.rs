//! A simulated Snom desk phone or DECT base, written from the vendor's settings pages and published traces. It boots as
//! a real device does, applies its files, and registers at the simulated PBX with exactly the accounts they specify.

mod accounts;
mod boot;
pub mod model;
mod settings;
#[cfg(test)]
mod tests;
mod xml;

pub use accounts::SnomAccount;
pub use boot::SnomBootReport;
use gangway_base::mac::Mac;
pub use model::{SnomKind, SnomModel};
pub use settings::{Key, Permission, Setting, SnomSettings};

use crate::{
    board::Board,
    host::{HostGone, HostHandle},
    yealink_phone::SipNetwork,
};

/// A phone or base. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct SnomPhone {
    host: HostHandle,
    mac: Mac,
    model: SnomModel,
    network: SipNetwork,
    board: Board<SnomFlash>,
}

/// The device's persistent state and its boot reports.
#[derive(Debug, Clone, Default)]
pub struct SnomFlash {
    /// URL of the redirection service, used while the device has no settings URL.
    pub redirection_url: Option<String>,
    /// Its settings.
    pub settings: SnomSettings,
    /// Reports of all checks, in order.
    pub reports: Vec<SnomBootReport>,
}

impl SnomPhone {
    /// Creates a factory-fresh device.
    #[must_use]
    pub fn new(
        host: &HostHandle,
        mac: Mac,
        model: SnomModel,
        redirection_url: Option<String>,
        network: SipNetwork,
    ) -> Self {
        let flash = SnomFlash { redirection_url, ..SnomFlash::default() };
        Self { host: host.clone(), mac, model, network, board: Board::new(flash) }
    }

    /// The device's MAC address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// The device's model.
    #[must_use]
    pub fn model(&self) -> SnomModel {
        self.model
    }

    /// The phone's flash and boot reports. Tests can read it and wait for changes.
    #[must_use]
    pub fn board(&self) -> &Board<SnomFlash> {
        &self.board
    }

    /// Resets everything except the redirection service's address.
    pub fn factory_reset(&self) {
        self.board.change(|flash| flash.settings = SnomSettings::default());
    }

    /// Sets a settings URL, as a user or DHCP would.
    pub fn set_server(&self, url: &str) {
        let name = match self.model.kind {
            SnomKind::Desk | SnomKind::Rtx => "setting_server",
            SnomKind::Vtech => "provisioning/server_address",
        };
        self.board.change(|flash| flash.settings.set(name, url));
    }

    /// Changes a setting on the phone as a user does; returns false if the phone's files forbid it.
    #[must_use]
    pub fn change(&self, name: &str, value: &str) -> bool {
        self.board.change(|flash| flash.settings.set(name, value))
    }

    /// Parses a file as the phone would, without fetching anything, and returns the accounts it would register. An
    /// error states why the phone would ignore the file.
    pub fn read(model: SnomModel, file: &str) -> Result<(SnomSettings, Vec<SnomAccount>), String> {
        let mut settings = SnomSettings::default();
        settings.apply(file, model.kind)?;
        let found = accounts::accounts(&settings, model.kind, model.accounts);
        Ok((settings, found))
    }

    /// Powers the device on: it asks the redirection service if it has no URL, fetches its files and registers.
    pub async fn boot(&self) -> Result<SnomBootReport, HostGone> {
        self.check(true).await
    }

    /// Runs the check at the end of the polling interval. Does nothing if polling is off.
    pub async fn poll_once(&self) -> Result<SnomBootReport, HostGone> {
        if self.board.read(|flash| flash.settings.polling_seconds(self.model.kind)).is_none() {
            return Ok(SnomBootReport::default());
        }
        self.check(false).await
    }

    /// True if the last check registered every enabled account.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.board.read(|flash| flash.reports.last().is_some_and(|report| report.registered))
    }

    async fn check(&self, powered_on: bool) -> Result<SnomBootReport, HostGone> {
        let phone = self.clone();
        let report = self.host.run(move |_| async move { boot::check(&phone, powered_on).await }).await?;
        self.board.change(|flash| flash.reports.push(report.clone()));
        Ok(report)
    }
}
