//! The production implementations of the ports.

use futures_util::future::BoxFuture;
use gangway_base::mac::Mac;
use url::Url;

use super::ports::{ProviderCatalog, ProviderFacts, RedirectService, Sysclients};
use crate::{
    catalog::SharedRegistry,
    devices::sysclients::{SysclientPool, SysclientSpec},
    phone::record::PhoneId,
    redirect::{Operation, RedirectAccount, RedirectResult, Redirects},
};

impl RedirectService for Redirects {
    fn run(
        &self,
        account: RedirectAccount,
        operation: Operation,
        phone: Option<(PhoneId, Mac)>,
    ) -> BoxFuture<'static, RedirectResult> {
        Box::pin(Self::run(self, account, operation, phone))
    }
}

impl Sysclients for SysclientPool {
    fn hold(&self, hold: SysclientSpec) {
        Self::hold(self, hold);
    }

    fn drop_phone(&self, phone: PhoneId) {
        Self::drop_phone(self, phone);
    }

    fn is_away(&self, url: &Url) -> bool {
        Self::is_away(self, url)
    }
}

/// The catalog of vendor folders for provisioning; follows reloads.
pub struct Manifests(pub SharedRegistry);

impl ProviderCatalog for Manifests {
    fn provider(&self, name: &str) -> Option<ProviderFacts> {
        let registry = self.0.load();
        let (vendor, provider) = registry.provider(name)?;
        Some(ProviderFacts {
            vendor: vendor.name.to_string(),
            title: provider.title.clone(),
            same_mac: provider.same_mac,
        })
    }

    fn vendors(&self) -> Vec<(String, String)> {
        let registry = self.0.load();
        registry.vendors().map(|vendor| (vendor.name.to_string(), vendor.redirect.default.clone())).collect()
    }

    fn names(&self) -> Vec<String> {
        let registry = self.0.load();
        registry.vendors().flat_map(|vendor| &vendor.providers).map(|provider| provider.name.clone()).collect()
    }

    fn accounts(&self, provider: &str, model: Option<&str>) -> u16 {
        let registry = self.0.load();
        let Some((vendor, provider)) = registry.provider(provider) else { return 1 };
        match model.and_then(|model| vendor.model(model)) {
            Some(model) => model.accounts,
            None if provider.same_mac == crate::catalog::ReprovisionPolicy::Add => {
                let serves =
                    |family: &str| provider.families.is_empty() || provider.families.iter().any(|one| one == family);
                let bases = vendor.manifest.models.iter().filter(|model| {
                    vendor.manifest.family(model.family.as_deref()).is_some_and(|family| serves(&family.name))
                });
                bases.map(|model| model.accounts).max().unwrap_or(vendor.manifest.unknown_model.accounts)
            }
            None => vendor.manifest.unknown_model.accounts,
        }
    }

    fn cannot_carry(&self, vendor: &str, value: &str) -> Option<&'static str> {
        self.0.load().vendor(vendor)?.cannot_carry(value)
    }

    fn claims(&self, vendor: &str, mac: Mac) -> bool {
        let registry = self.0.load();
        registry.vendor(vendor).is_some_and(|vendor| vendor.manifest.ouis.contains(&mac.oui()))
    }
}
