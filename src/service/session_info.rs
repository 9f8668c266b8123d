//! The first message: what gateway, what person, which vendors.

use gangway_wire::appws::{Envelope, LoginKind};
use serde_json::{Value, json};

use super::{
    Deps, audit,
    device_row::time,
    import,
    list_view::WINDOW,
    response::{Answer, one, result},
};
use crate::service::caller::{Person, Who};

/// The answer to `Hello`.
///
/// # Errors
/// None.
pub fn hello(deps: &Deps, person: &Person, message: &Envelope) -> Answer {
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
        Who::Page(identity) if identity.kind == LoginKind::PasswordLogin => (identity.sip.as_str(), "password"),
        Who::Page(identity) => (identity.sip.as_str(), "pbx"),
        Who::Token(name) => (name.as_str(), "token"),
        Who::Command(user) => (user.as_str(), "command"),
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
