//! The audit: an entry for every change and every secret that was shown, and an entry in the phone's timeline for
//! changes to a phone.

use gangway_wire::appws::LoginKind;

use super::{
    ServiceDependencies, audit_texts,
    error::ServiceError,
    types::{AuditInfo, AuditPage},
};
use crate::{
    base::i18n::Message,
    phone::{instance::InstanceId, record::PhoneId},
    service::caller::{Caller, CallerKind},
    store::{AuditEntry, AuditRow, NewEvent, Store, StoreError},
};

/// The kind of the entries in timelines.
pub const KIND: &str = "person";
/// Maximum number of entries in one answer.
const MOST: u32 = 500;

/// The caller as text: long name and login.
fn who(person: &Caller) -> String {
    match &person.who {
        CallerKind::Page(identity) => {
            let long = identity.info.as_ref().and_then(|info| info.cn.clone()).unwrap_or_else(|| identity.dn.clone());
            let long = if long.is_empty() { identity.sip.clone() } else { long };
            let how = if identity.kind == LoginKind::PasswordLogin { ", by password" } else { "" };
            format!("{long} ({}{how})", identity.sip)
        }
        CallerKind::Token(name) => format!("token {name}"),
        CallerKind::Command(user) => user.clone(),
    }
}

/// The caller and its address, as text.
#[must_use]
pub fn name(person: &Caller) -> String {
    match &person.who {
        CallerKind::Command(user) => format!("{user} at the command line"),
        _ => format!("{} at {}", who(person), person.source.to_canonical()),
    }
}

/// Writes an entry. It is written before the action, so that no action goes unrecorded. `target` is a MAC, a scope, or
/// a name.
///
/// # Errors
/// If the store cannot be written. The action must then not be performed.
pub async fn entry(store: &Store, person: &Caller, target: &str, deed: &str) -> Result<(), StoreError> {
    let (way, source) = match &person.who {
        CallerKind::Page(_) => ("page", person.source.to_canonical().to_string()),
        CallerKind::Token(_) => ("rest", person.source.to_canonical().to_string()),
        CallerKind::Command(_) => ("command", String::new()),
    };
    tracing::info!(instance = %person.instance.label(), person = %name(person), target, deed, "a person acts");
    let entry = AuditEntry {
        instance: person.instance.id,
        who: who(person),
        way,
        source,
        target: target.to_owned(),
        deed: deed.to_owned(),
    };
    store.audit_log().add(&entry).await
}

/// The same for an action on a phone, with an entry in its timeline as well.
///
/// # Errors
/// If the store cannot be written. The action must then not be performed.
pub async fn note(store: &Store, person: &Caller, phone: PhoneId, deed: &Message) -> Result<(), StoreError> {
    let mac = store.phones().get(phone).map(|phone| phone.mac.to_string()).unwrap_or_default();
    entry(store, person, &mac, &deed.line()).await?;
    event(store, person, phone, deed).await
}

/// Writes only the entry in the phone's timeline, for actions on thousands of phones that share one audit entry.
///
/// # Errors
/// If the store cannot be written.
pub async fn event(store: &Store, person: &Caller, phone: PhoneId, deed: &Message) -> Result<(), StoreError> {
    let by = audit_texts::BY.with("deed", deed.nested()).with("name", name(person));
    let event = NewEvent { detail: Some(deed.line()), ..NewEvent::said(KIND, &by) };
    store.phones().change(phone, |_, events| events.push(event)).await?;
    Ok(())
}

/// Returns audit entries, newest first: at most `count` of those older than `before`.
///
/// # Errors
/// If the store cannot be read.
pub async fn audit(
    deps: &ServiceDependencies,
    instance: InstanceId,
    before: Option<i64>,
    count: u32,
) -> Result<AuditPage, ServiceError> {
    let count = count.min(MOST);
    let found = deps.store.audit_log().entries(instance, before, count).await?;
    let more = found.last().map(|last| last.id).filter(|_| u32::try_from(found.len()).is_ok_and(|len| len == count));
    let info = |row: AuditRow| AuditInfo {
        id: row.id,
        at: row.at.into(),
        who: row.who,
        way: row.way,
        source: row.source,
        target: row.target,
        deed: row.deed,
    };
    Ok(AuditPage { rows: found.into_iter().map(info).collect(), more })
}
