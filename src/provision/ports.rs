//! The interfaces that provisioning needs, defined from its point of view. The modules with sockets implement them;
//! tests implement them in memory.

use futures_util::future::BoxFuture;
use gangway_base::mac::Mac;
use url::Url;

use crate::{
    catalog::ReprovisionPolicy,
    devices::sysclients::SysclientSpec,
    phone::record::PhoneId,
    redirect::{Operation, RedirectAccount, RedirectResult},
};

/// The sysclient pool. It reopens sockets automatically, at a limited rate.
pub trait Sysclients: Send + Sync {
    /// Opens or replaces the phone's sysclient; has no effect if it is already held with this specification.
    fn hold(&self, hold: SysclientSpec);
    /// Closes the phone's sysclient.
    fn drop_phone(&self, phone: PhoneId);
    /// Whether the host of this URL could not be reached at the last attempt.
    fn is_away(&self, url: &Url) -> bool;
}

/// Carries operations out at redirect services.
pub trait RedirectService: Send + Sync {
    /// Runs an operation and returns its result.
    fn run(
        &self,
        account: RedirectAccount,
        operation: Operation,
        phone: Option<(PhoneId, Mac)>,
    ) -> BoxFuture<'static, RedirectResult>;
}

/// The parts of a provider that provisioning uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderFacts {
    /// The vendor folder.
    pub vendor: String,
    /// The manufacturer entry shown in Users: the title of the provider.
    pub title: String,
    /// The policy for a MAC that is provisioned again.
    pub same_mac: ReprovisionPolicy,
}

/// The providers and vendors in the manifests.
pub trait ProviderCatalog: Send + Sync {
    /// The provider with this name.
    fn provider(&self, name: &str) -> Option<ProviderFacts>;
    /// Every vendor with the redirect protocol of its manifest (empty or `none` if it has none).
    fn vendors(&self) -> Vec<(String, String)>;
    /// The names of all providers.
    fn names(&self) -> Vec<String>;
    /// The number of accounts of a phone of this model. For an unknown model of a provider that adds accounts, that of
    /// the vendor's largest base.
    fn accounts(&self, provider: &str, model: Option<&str>) -> u16;
    /// What the files of this vendor's phones cannot contain, if they cannot contain this value exactly.
    fn cannot_carry(&self, vendor: &str, value: &str) -> Option<&'static str>;
    /// Whether the vendor's manifest lists the first half (OUI) of this MAC. Only a hint.
    fn claims(&self, vendor: &str, mac: Mac) -> bool;
}
