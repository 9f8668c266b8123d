//! What provisioning needs from others, named by the one who needs it. The rooms with sockets implement it, tests do
//! so with plain memory.

use gangway_base::mac::Mac;

use crate::{
    devices::sysclients::SysclientSpec,
    pbx::user_objects::PbxFuture,
    phone::record::PhoneId,
    redirect::{Operation, RedirectAccount, RedirectResult},
};

/// The fleet of sysclients. It opens sockets again by itself, at a bounded rate.
pub trait Sysclients: Send + Sync {
    /// Opens or replaces the phone's sysclient; nothing happens when it is held exactly so.
    fn hold(&self, hold: SysclientSpec);
    /// Closes it.
    fn drop_phone(&self, phone: PhoneId);
}

/// Carries operations out at redirect services.
pub trait RedirectService: Send + Sync {
    /// Runs one and tells what came of it.
    fn run(
        &self,
        account: RedirectAccount,
        operation: Operation,
        phone: Option<(PhoneId, Mac)>,
    ) -> PbxFuture<RedirectResult>;
}

/// What happens to a MAC that is provisioned for another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReprovisionPolicy {
    /// The phone goes to the other user (desk phones).
    Replace,
    /// The other user is a further account (DECT bases).
    Add,
}

/// A provider as far as provisioning looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFacts {
    /// The vendor folder.
    pub vendor: String,
    /// The manufacturer entry as people see it in Users: the title of the provider.
    pub title: String,
    /// The policy for a MAC seen again.
    pub same_mac: ReprovisionPolicy,
}

/// The providers and vendors of the manifests.
pub trait ProviderCatalog: Send + Sync {
    /// By name.
    fn provider(&self, name: &str) -> Option<ProviderFacts>;
    /// Every vendor with the redirect protocol its manifest names (empty or `none` without one).
    fn vendors(&self) -> Vec<(String, String)>;
    /// The names of all providers.
    fn names(&self) -> Vec<String>;
    /// Accounts a phone of this model has; of an unknown model of a provider that adds accounts, as many as the
    /// largest base of the vendor has.
    fn accounts(&self, provider: &str, model: Option<&str>) -> u16;
    /// What files of this vendor's phones cannot hold, where they cannot carry this value to the letter.
    fn cannot_carry(&self, vendor: &str, value: &str) -> Option<&'static str>;
    /// Whether the vendor's manifest knows the first half of this MAC as one of its own. A hint.
    fn claims(&self, vendor: &str, mac: Mac) -> bool;
}
