//! A snapshot of all connections to services, displayed and logged once.

use gangway_wire::appws::services;

use super::{
    Inner, audit,
    clip::clip,
    types::{Connection, Connections},
};
use crate::{
    phone::{facet::DevicesState, instance::InstanceId},
    service::caller::Caller,
};

/// Returns all current connections, and logs them once.
pub fn snapshot(inner: &Inner, person: &Caller) -> Connections {
    let connections = rows(inner, person.instance.id);
    let line = |row: &Connection| {
        let Connection { kind, name, state, since, error, detail } = row;
        let since = since.as_ref().map_or("-", |at| at.0.as_str());
        let (error, detail) = (error.as_deref().unwrap_or("-"), detail.as_deref().unwrap_or("-"));
        format!("{kind} {name}: {state} since {since} ({error}; {detail})")
    };
    let text: Vec<String> = connections.iter().map(line).collect();
    tracing::info!(instance = %person.instance.label(), person = %audit::name(person), "service connections: {}", text.join(" | "));
    Connections { connections }
}

fn connection(kind: &str, name: impl Into<String>, state: &str, detail: impl Into<String>) -> Connection {
    Connection {
        kind: kind.to_owned(),
        name: name.into(),
        state: state.to_owned(),
        since: None,
        error: None,
        detail: Some(detail.into()),
    }
}

/// Returns all current connections.
#[must_use]
pub fn rows(inner: &Inner, instance: InstanceId) -> Vec<Connection> {
    let mut rows = Vec::new();
    for session in inner.deps.sessions.of(instance) {
        let identity = &session.identity;
        let detail = format!("{} {}, grants {}", session.dns, session.version, session.apis.join(" "));
        rows.push(Connection {
            since: Some(session.since.into()),
            ..connection("pbx", format!("{} at {}", identity.appobj, identity.pbx), "up", detail)
        });
    }
    let known = inner.deps.devices.status(instance);
    for (service, _) in inner.deps.sessions.services(instance, services::DEVICES_API) {
        if !known.iter().any(|devices| devices.url == service.url) {
            rows.push(connection("devices", service.url, "connecting", "announced by a PBX"));
        }
    }
    for devices in known {
        let state = if devices.up.is_some() { "up" } else { "down" };
        rows.push(Connection {
            since: devices.up.map(Into::into),
            error: devices.error.map(|error| clip(&error, 400)),
            ..connection("devices", devices.url, state, format!("{} devices", devices.devices))
        });
    }
    let phones = inner.index.rows(instance);
    let alive: Vec<_> = phones.iter().filter(|row| row.phone.removed_at.is_none()).collect();
    let up = alive.iter().filter(|row| row.phone.devices.state == DevicesState::Received).count();
    let state = if up == alive.len() { "up" } else { "partly" };
    rows.push(connection("sysclients", "sysclients", state, format!("{up} of {}", alive.len())));
    let registry = inner.deps.registry.load();
    for vendor in registry.vendors() {
        let configured = inner.deps.provisioning.has_redirect_account(instance, &vendor.name);
        let state = if configured { "configured" } else { "not configured" };
        rows.push(connection("redirect", vendor.title.as_str(), state, vendor.redirect.default.as_str()));
    }
    rows
}
