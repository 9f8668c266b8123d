//! The gateway, its vendors and its user: what a caller asks first.

use gangway_wire::appws::LoginKind;

use super::{
    ServiceDependencies, audit,
    caller::{Caller, CallerKind},
    import,
    list_view::WINDOW,
    types::{
        Info, InfoInstance, InfoToken, PageLimits, PersonInfo, ProviderInfo, ProviderList, ProviderTitle, SessionInfo,
        VendorSummary,
    },
};
use crate::{catalog::Vendor, store::ApiToken};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn instance(caller: &Caller) -> InfoInstance {
    InfoInstance { domain: caller.instance.domain.clone(), name: caller.instance.name.clone() }
}

/// Returns the gateway and the token with which it is asked.
#[must_use]
pub fn info(deps: &ServiceDependencies, caller: &Caller, token: &ApiToken) -> Info {
    Info {
        version: VERSION.to_owned(),
        now: deps.clock.now().into(),
        instance: instance(caller),
        token: InfoToken {
            name: token.name.clone(),
            scope: token.scope.as_str().to_owned(),
            expires: token.expires.map(Into::into),
        },
    }
}

/// Returns what a page needs to start: gateway, user, vendors, and limits.
#[must_use]
pub fn session_info(deps: &ServiceDependencies, caller: &Caller) -> SessionInfo {
    let (sip, login) = match &caller.who {
        CallerKind::Page(identity) if identity.kind == LoginKind::PasswordLogin => (&identity.sip, "password"),
        CallerKind::Page(identity) => (&identity.sip, "pbx"),
        CallerKind::Token(name) => (name, "token"),
        CallerKind::Command(user) => (user, "command"),
    };
    SessionInfo {
        version: VERSION.to_owned(),
        build: deps.build.to_owned(),
        now: deps.clock.now().into(),
        instance: instance(caller),
        person: PersonInfo { name: audit::name(caller), sip: sip.clone(), login: login.to_owned() },
        vendors: deps.registry.load().vendors().map(summary).collect(),
        limits: PageLimits { window: WINDOW, import_bytes: import::MOST_BYTES },
    }
}

fn summary(vendor: &Vendor) -> VendorSummary {
    let providers = vendor.providers.iter();
    VendorSummary {
        name: vendor.name.to_string(),
        title: vendor.title.clone(),
        providers: providers.map(|one| ProviderTitle { name: one.name.clone(), title: one.title.clone() }).collect(),
        protocols: vendor.redirect.protocols.clone(),
        default_protocol: vendor.redirect.default.clone(),
        demo_accounts: vendor.redirect.demo_accounts.clone(),
        models: vendor.manifest.models.iter().map(|model| model.name.clone()).collect(),
    }
}

/// Returns the ways phones are provisioned by.
#[must_use]
pub fn providers(deps: &ServiceDependencies) -> ProviderList {
    let registry = deps.registry.load();
    let providers = registry.vendors().flat_map(|vendor| {
        vendor.providers.iter().map(|provider| ProviderInfo {
            name: provider.name.clone(),
            title: provider.title.clone(),
            vendor: vendor.name.to_string(),
        })
    });
    ProviderList { providers: providers.collect() }
}
