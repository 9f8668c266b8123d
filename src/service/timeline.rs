//! The page of one phone: its state, the diagnosis, and a timeline of all events.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ServiceDependencies, audit_texts,
    device_index::{DeviceIndex, knows_model},
    device_row::{facet, time},
    diagnosis_facts::DiagnosisInputs,
    diagnosis_text::{DiagnosisText, describe},
    render_preview,
    response::clip,
};
use crate::{
    base::i18n::Message,
    phone::{
        admission::Reason,
        record::{FirstContact, Phone},
    },
    store::{EVENTS_KEPT, EventRow, HistoryFilter, HistoryRow, RequestFacts, StoreError},
};

/// Maximum number of calls to redirect services in one timeline.
const CALLS: u32 = 200;
/// Maximum number of users shown for one phone; a DECT base may have hundreds.
const ACCOUNTS: usize = 50;
/// Maximum length of a response, in characters.
const ANSWER: usize = 4_096;

/// One entry in the timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    at: Timestamp,
    json: Value,
}

/// The position up to which a timeline has been sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimelinePosition {
    event: i64,
    call: i64,
    requests: u64,
}

/// Returns the state of the phone for its page.
#[must_use]
pub fn details(
    deps: &ServiceDependencies,
    shelf: &DeviceIndex,
    phone: &std::sync::Arc<Phone>,
) -> (Value, DiagnosisText) {
    let around = shelf.around(phone.instance);
    let now = deps.clock.now();
    let row = shelf.row(std::sync::Arc::clone(phone), &around, now);
    let urls = (deps.urls)(phone.instance);
    let scheme = deps.store.settings().layers(phone.instance).scheme_of(phone);
    let manual = urls.base(&phone.provider, scheme).ok();
    let known_model = knows_model(deps, phone);
    let facts =
        DiagnosisInputs { around: &around, request: row.last.as_ref(), known_model, manual_url: manual.as_deref() };
    let sentence = describe(phone, &facts, now);
    let mut details = row.json();
    if let (Some(members), Value::Object(more)) =
        (details.as_object_mut(), more(phone, row.last.as_ref(), manual.as_deref(), known_model))
    {
        members.extend(more);
        members.insert("urlProblem".to_owned(), json!(urls.problem(&phone.provider, scheme)));
        members.insert("holdsCurrentFile".to_owned(), json!(render_preview::holds_current(deps, phone)));
    }
    (details, sentence)
}

fn more(phone: &Phone, last: Option<&RequestFacts>, manual: Option<&str>, known_model: bool) -> Value {
    let accounts = phone.accounts.iter().take(ACCOUNTS).map(|account| {
        json!({
            "line": account.line,
            "hwid": account.hwid,
            "user": account.username,
            "name": account.cn,
            "pbx": account.dns,
            "domain": account.domain,
            "flags": facet(&account.user_object, account.user_object.state.as_str()),
            "registered": facet(&account.registration, account.registration.state.as_str()),
            "registeredAddress": account.registered_address,
            "orphanedSince": account.orphaned.map(|orphaned| time(orphaned.since)),
            "gone": account.orphaned.map(|orphaned| orphaned.gone.as_str()),
            "withheldSince": account.withheld.map(time),
        })
    });
    let window = &phone.window;
    let first_contact = match window.first_contact {
        FirstContact::Refused => Value::Null,
        FirstContact::Allowed(None) => json!(true),
        FirstContact::Allowed(Some(network)) => json!(network.to_string()),
    };
    json!({
        "accounts": accounts.collect::<Vec<_>>(),
        "accountCount": phone.accounts.len(),
        "revision": phone.revision,
        "deliveredRevision": phone.delivery.as_ref().map(|delivery| delivery.revision),
        "provisionings": phone.provisioning,
        "window": {
            "opened": window.opened.map(time),
            "until": window.until.map(time),
            "firstDelivery": window.first_delivery.map(time),
            "source": window.bound.as_ref().map(|bound| bound.source.to_string()),
            "closed": window.closed.map(time),
            "firstContact": first_contact,
        },
        "ownProven": phone.own.proven.map(time),
        "credentialsChanging": phone.former.is_some(),
        "redirectEntry": phone.redirect_entry.as_ref().map(|entry| json!({
            "at": time(entry.at), "serverName": entry.server_name,
        })),
        "configReceived": phone.device_config.received.map(time),
        "sysclient": { "product": phone.sysclient.product, "version": phone.sysclient.version },
        "lastRequest": last.map(|last| json!({
            "at": time(last.at), "address": last.address, "userAgent": last.user_agent, "file": last.file,
            "outcome": last.outcome, "requests": last.requests,
        })),
        "manualUrl": manual,
        "knownModel": known_model,
    })
}

/// Returns the entries since `told`, oldest first, and advances `told`.
///
/// # Errors
/// If the store cannot be read.
pub async fn happened(
    deps: &ServiceDependencies,
    phone: &Phone,
    told: &mut TimelinePosition,
) -> Result<Vec<Entry>, StoreError> {
    let mut entries = Vec::new();
    for event in newest_events(deps, phone, told.event).await? {
        told.event = told.event.max(event.id);
        entries.push(of_event(event));
    }
    for call in newest_calls(deps, phone, told.call).await? {
        told.call = told.call.max(call.id);
        entries.push(of_call(call));
    }
    if let Some(last) = deps.store.requests().last(phone.id)
        && last.requests != told.requests
    {
        told.requests = last.requests;
        entries.push(of_request(&last));
    }
    // The sources are ordered newest first. Entries with the same time keep the order in which they were written.
    entries.reverse();
    entries.sort_by_key(|entry| entry.at);
    Ok(entries)
}

/// Number of rows read first if a part of the timeline has been sent already, because there are usually few new
/// entries.
const FEW: u32 = 16;

async fn newest_calls(deps: &ServiceDependencies, phone: &Phone, told: i64) -> Result<Vec<HistoryRow>, StoreError> {
    let filter = |limit| HistoryFilter { instance: phone.instance, mac: Some(phone.mac), before: None, limit };
    let mut rows = deps.store.redirect_history().entries(filter(if told == 0 { CALLS } else { FEW })).await?;
    if told != 0 && rows.len() == FEW as usize && rows.last().is_some_and(|oldest| oldest.id > told) {
        rows = deps.store.redirect_history().entries(filter(CALLS)).await?;
    }
    rows.retain(|row| row.id > told);
    Ok(rows)
}

async fn newest_events(deps: &ServiceDependencies, phone: &Phone, told: i64) -> Result<Vec<EventRow>, StoreError> {
    let mut rows = deps.store.phones().events(phone.id, if told == 0 { EVENTS_KEPT } else { FEW }).await?;
    if told != 0 && rows.len() == FEW as usize && rows.last().is_some_and(|oldest| oldest.id > told) {
        rows = deps.store.phones().events(phone.id, EVENTS_KEPT).await?;
    }
    rows.retain(|row| row.id > told);
    Ok(rows)
}

fn of_event(event: EventRow) -> Entry {
    let json = json!({
        "at": time(event.at), "source": "event", "kind": event.kind, "text": clip(&event.text, ANSWER),
        "detail": event.detail.map(|detail| clip(&detail, ANSWER)),
        "said": event.said.and_then(|said| serde_json::from_str::<Value>(&said).ok()),
    });
    Entry { at: event.at, json }
}

fn of_call(call: HistoryRow) -> Entry {
    let call = call.entry;
    let json = json!({
        "at": time(call.at), "source": "redirect", "kind": "redirect-call",
        "text": clip(&format!("{}: {}", call.command, call.outcome), ANSWER),
        "detail": {
            "command": call.command, "outcome": clip(&call.outcome, ANSWER), "answer": clip(&call.answer, ANSWER),
            "took": u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX),
        },
    });
    Entry { at: call.at, json }
}

fn of_request(last: &RequestFacts) -> Entry {
    let reason = Reason::ALL.iter().find(|reason| reason.as_str() == last.outcome.as_str());
    let outcome = reason.map_or_else(|| Message::plain(last.outcome.clone()), |reason| reason.message());
    let said = audit_texts::ASKED.with("address", last.address.as_str()).with("file", last.file.as_str());
    let said = said.with("outcome", outcome.nested());
    let json = json!({
        "at": time(last.at), "source": "request", "kind": "last-request",
        "text": said.line(), "said": said.nested(),
        "detail": {
            "address": last.address, "userAgent": last.user_agent, "file": last.file, "outcome": last.outcome,
            "requests": last.requests,
        },
    });
    Entry { at: last.at, json }
}

/// Serialises the entries for the page.
#[must_use]
pub fn json(entries: Vec<Entry>) -> Vec<Value> {
    entries.into_iter().map(|entry| entry.json).collect()
}
