//! The values of some scopes as they would be after a change, and the scopes that apply to a scope.

use gangway_base::secret::Secret;

use super::{
    layers::Layers,
    scope::{PhoneCategory, Scope},
};
use crate::phone::record::Phone;

/// Values to set or to remove in one scope.
pub type Changes = [(String, Option<Secret>)];

/// The properties of a phone that determine its layers.
#[derive(Debug, Clone, Default)]
pub struct LayerMembership {
    /// Vendor folder.
    pub vendor: String,
    /// Model without the vendor.
    pub model: Option<String>,
    /// Name of the domain of the Devices category.
    pub domain: Option<String>,
    /// Devices category.
    pub category: Option<String>,
}

impl LayerMembership {
    /// The category, if known.
    #[must_use]
    pub fn category(&self) -> Option<PhoneCategory<'_>> {
        Some(PhoneCategory { domain: self.domain.as_deref(), name: self.category.as_deref()? })
    }
}

impl From<&Phone> for LayerMembership {
    fn from(phone: &Phone) -> Self {
        Self {
            vendor: phone.vendor.clone(),
            model: phone.model.clone(),
            domain: phone.devices_domain.clone(),
            category: phone.category.clone(),
        }
    }
}

/// The layers in their current state, or as they would be after changes in one scope.
#[derive(Clone, Copy)]
pub(super) struct LayersView<'a> {
    pub(super) layers: &'a Layers,
    pub(super) changed: Option<(&'a Scope, &'a Changes)>,
}

impl<'a> LayersView<'a> {
    /// The value set in a scope.
    pub(super) fn at(&self, scope: &Scope, name: &str) -> Option<&'a str> {
        if let Some((changed, changes)) = self.changed
            && changed == scope
            && let Some((_, value)) = changes.iter().rev().find(|(changed, _)| changed == name)
        {
            return value.as_ref().map(Secret::expose);
        }
        self.layers.row(scope, name).map(|row| row.value.expose())
    }

    /// The value set in the narrowest of these scopes.
    pub(super) fn set(&self, chain: &[Scope], name: &str) -> Option<&'a str> {
        chain.iter().rev().find_map(|scope| self.at(scope, name))
    }
}

/// The known scopes whose values apply to a scope, widest first.
pub(super) fn chain(scope: &Scope, phone: Option<&LayerMembership>) -> Vec<Scope> {
    let mut chain = vec![Scope::Instance];
    match scope {
        Scope::Instance => return chain,
        Scope::Model(name) => {
            chain.extend(name.split_once('/').map(|(vendor, _)| Scope::Vendor(vendor.to_owned())));
        }
        Scope::Phone(_) => {
            if let Some(of @ LayerMembership { vendor, model, .. }) = phone {
                chain.push(Scope::Vendor(vendor.clone()));
                chain.extend(model.as_ref().map(|model| Scope::Model(format!("{vendor}/{model}"))));
                chain.extend(of.category().into_iter().flat_map(PhoneCategory::scopes));
            }
        }
        Scope::Category(text) => {
            let category = PhoneCategory::parse(text);
            chain.extend(category.domain.map(|_| Scope::Category(category.name.to_owned())));
        }
        Scope::Vendor(_) => {}
    }
    chain.push(scope.clone());
    chain
}
