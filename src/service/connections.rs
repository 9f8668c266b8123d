//! A snapshot of all connections to services, displayed and logged once.

use gangway_wire::appws::{Envelope, services};
use serde_json::{Value, json};

use super::{
    Inner, audit,
    device_row::time,
    response::{MessageResult, clip, list, result},
};
use crate::{
    phone::{facet::DevicesState, instance::InstanceId},
    service::caller::Caller,
};

/// Answers `Snapshot`.
///
/// # Errors
/// Never fails.
pub async fn snapshot(inner: &Inner, person: &Caller, message: &Envelope) -> MessageResult {
    let rows = rows(inner, person.instance.id);
    let text: Vec<String> = rows
        .iter()
        .map(|row| {
            let part = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            format!(
                "{} {}: {} since {} ({}; {})",
                part("kind"),
                part("name"),
                part("state"),
                part("since"),
                part("error"),
                part("detail")
            )
        })
        .collect();
    tracing::info!(instance = %person.instance.label(), person = %audit::name(person), "service connections: {}", text.join(" | "));
    list(result(message), "connections", &rows)
}

/// Returns all current connections.
#[must_use]
pub fn rows(inner: &Inner, instance: InstanceId) -> Vec<Value> {
    let mut rows: Vec<Value> = Vec::new();
    for session in inner.deps.sessions.of(instance) {
        let identity = &session.identity;
        rows.push(json!({
            "kind": "pbx", "name": format!("{} at {}", identity.appobj, identity.pbx), "state": "up",
            "since": time(session.since), "error": Value::Null,
            "detail": format!("{} {}, grants {}", session.dns, session.version, session.apis.join(" ")),
        }));
    }
    let known = inner.deps.devices.status(instance);
    for (service, _) in inner.deps.sessions.services(instance, services::DEVICES_API) {
        if !known.iter().any(|devices| devices.url == service.url) {
            rows.push(json!({
                "kind": "devices", "name": service.url, "state": "connecting", "since": Value::Null,
                "error": Value::Null, "detail": "announced by a PBX",
            }));
        }
    }
    for devices in known {
        rows.push(json!({
            "kind": "devices", "name": devices.url, "state": if devices.up.is_some() { "up" } else { "down" },
            "since": devices.up.map(time), "error": devices.error.map(|error| clip(&error, 400)),
            "detail": format!("{} devices", devices.devices),
        }));
    }
    let phones = inner.shelf.rows(instance);
    let alive: Vec<_> = phones.iter().filter(|row| row.phone.buried.is_none()).collect();
    let up = alive.iter().filter(|row| row.phone.devices.state == DevicesState::Received).count();
    rows.push(json!({
        "kind": "sysclients", "name": "sysclients", "state": if up == alive.len() { "up" } else { "partly" },
        "since": Value::Null, "error": Value::Null, "detail": format!("{up} of {}", alive.len()),
    }));
    let registry = inner.deps.registry.load();
    for vendor in registry.vendors() {
        let configured = inner.deps.provisioning.has_redirect_account(instance, &vendor.name);
        rows.push(json!({
            "kind": "redirect", "name": vendor.title, "state": if configured { "configured" } else { "not configured" },
            "since": Value::Null, "error": Value::Null, "detail": vendor.redirect.default,
        }));
    }
    rows
}
