//! A simulated Snom device, desk phone or DECT base: our reading of the vendor's settings pages and of what published
//! traces show. It boots as such a device does, believes its files, and registers at the simulated PBX with exactly
//! what they say.

mod accounts;
mod boot;
pub mod model;
mod settings;
#[cfg(test)]
mod tests;
mod xml;

pub use accounts::SnomAccount;
pub use boot::{SnomBootReport, SnomFetch, SnomRegistration};
use gangway_base::mac::Mac;
pub use model::{SnomKind, SnomModel};
pub use settings::{Key, Permission, Setting, SnomSettings};

use crate::{
    board::Board,
    host::{HostGone, HostHandle},
    yealink_phone::SipNetwork,
};

/// A phone or base. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct SnomPhone {
    host: HostHandle,
    mac: Mac,
    model: SnomModel,
    network: SipNetwork,
    board: Board<SnomFlash>,
}

/// What it keeps, and what it did.
#[derive(Debug, Clone, Default)]
pub struct SnomFlash {
    /// Where it asks while it knows no settings URL.
    pub redirection_url: Option<String>,
    /// Its settings.
    pub settings: SnomSettings,
    /// What it did, in order.
    pub reports: Vec<SnomBootReport>,
}

impl SnomPhone {
    /// A factory-fresh device in its box.
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

    /// Its address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Its model.
    #[must_use]
    pub fn model(&self) -> SnomModel {
        self.model
    }

    /// What it keeps and did; to look into and to wait on.
    #[must_use]
    pub fn board(&self) -> &Board<SnomFlash> {
        &self.board
    }

    /// Forgets everything but the redirection service's address.
    pub fn factory_reset(&self) {
        self.board.change(|flash| flash.settings = SnomSettings::default());
    }

    /// A person, or DHCP, gives it a settings URL.
    pub fn set_server(&self, url: &str) {
        let name = match self.model.kind {
            SnomKind::Desk | SnomKind::Rtx => "setting_server",
            SnomKind::Vtech => "provisioning/server_address",
        };
        self.board.change(|flash| flash.settings.set(name, url));
    }

    /// A person changes a setting on the phone; false where its files forbid it.
    #[must_use]
    pub fn change(&self, name: &str, value: &str) -> bool {
        self.board.change(|flash| flash.settings.set(name, value))
    }

    /// Reads a file as it would, without fetching anything, and tells what it would register. An error says why the
    /// file would be ignored.
    pub fn read(model: SnomModel, file: &str) -> Result<(SnomSettings, Vec<SnomAccount>), String> {
        let mut settings = SnomSettings::default();
        settings.apply(file, model.kind)?;
        let found = accounts::accounts(&settings, model.kind, model.accounts);
        Ok((settings, found))
    }

    /// Powers it on: asks the redirection service while it knows no URL, fetches its files, registers.
    pub async fn boot(&self) -> Result<SnomBootReport, HostGone> {
        self.check(true).await
    }

    /// What it does when its interval has come; nothing when it does not poll.
    pub async fn poll_once(&self) -> Result<SnomBootReport, HostGone> {
        if self.board.read(|flash| flash.settings.polling_seconds(self.model.kind)).is_none() {
            return Ok(SnomBootReport::default());
        }
        self.check(false).await
    }

    /// True when every account that is on was registered by the last check.
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
