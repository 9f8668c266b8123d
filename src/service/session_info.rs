//! The first message of a session: gateway, user, and vendors.

use gangway_wire::appws::{Envelope, LoginKind};
use serde_json::{Value, json};

use super::{
    ServiceDependencies, audit,
    device_row::time,
    import,
    list_view::WINDOW,
    response::{MessageResult, one, result},
};
use crate::service::caller::{Caller, CallerKind};

/// Answers `Hello`.
///
/// # Errors
/// Never fails.
pub fn hello(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let registry = deps.registry.load();
    let vendors: Vec<Value> = registry
        .vendors()
        .map(|vendor| {
            let providers =
                vendor.providers.iter().map(|provider| json!({ "name": provider.name, "title": provider.title }));
            json!({
                "name": &*vendor.name,
                "title": vendor.title,
                "providers": providers.collect::<Vec<_>>(),
                "protocols": vendor.redirect.protocols,
                "defaultProtocol": vendor.redirect.default,
                "demoAccounts": vendor.redirect.demo_accounts,
                "models": vendor.manifest.models.iter().map(|model| &model.name).collect::<Vec<_>>(),
            })
        })
        .collect();
    let (sip, login) = match &person.who {
        CallerKind::Page(identity) if identity.kind == LoginKind::PasswordLogin => (identity.sip.as_str(), "password"),
        CallerKind::Page(identity) => (identity.sip.as_str(), "pbx"),
        CallerKind::Token(name) => (name.as_str(), "token"),
        CallerKind::Command(user) => (user.as_str(), "command"),
    };
    one(result(message)
        .field("version", env!("CARGO_PKG_VERSION"))
        .field("build", deps.build)
        .field("now", time(deps.clock.now()))
        .field("instance", json!({ "domain": person.instance.domain, "name": person.instance.name }))
        .field("person", json!({ "name": audit::name(person), "sip": sip, "login": login }))
        .field("vendors", vendors)
        .field("limits", json!({ "window": WINDOW, "importBytes": import::MOST_BYTES })))
}
