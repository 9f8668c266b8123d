//! The page of one phone: its state, the diagnosis, and a timeline of all events.

use std::sync::Arc;

use serde_json::Value;

use super::{
    ServiceDependencies, actions, audit_texts,
    clip::clip,
    device_index::{DeviceIndex, knows_model},
    device_row::facet_info,
    diagnosis_facts::DiagnosisInputs,
    diagnosis_text::describe,
    error::ServiceError,
    render_preview,
    types::{
        AccountInfo, CodeInfo, Detail, FirstContactInfo, LastRequest, PhoneDetails, PhoneShown, RedirectEntryInfo,
        SysclientInfo, Timeline, TimelineEntry, TranslatableEntry, WindowInfo,
    },
};
use crate::{
    base::i18n::Message,
    phone::{
        admission::Reason,
        instance::InstanceId,
        record::{Account, FirstContact, Phone},
    },
    store::{EVENTS_KEPT, EventRow, HistoryFilter, HistoryRow, RequestFacts, StoreError},
};

/// Maximum number of calls to redirect services in one timeline.
const CALLS: u32 = 200;
/// Maximum number of users shown for one phone; a DECT base may have hundreds.
const ACCOUNTS: usize = 50;
/// Maximum length of a response, in characters.
const ANSWER: usize = 4_096;

/// The position up to which a timeline has been sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimelinePosition {
    event: i64,
    call: i64,
    requests: u64,
}

/// Returns everything known about a phone, and where it is stuck.
#[must_use]
pub fn shown(deps: &ServiceDependencies, index: &DeviceIndex, phone: &Arc<Phone>) -> PhoneShown {
    let instance_status = index.instance_status(phone.instance);
    let now = deps.clock.now();
    let row = index.row(Arc::clone(phone), &instance_status, now);
    let urls = (deps.urls)(phone.instance);
    let scheme = deps.store.settings().layers(phone.instance).scheme_of(phone);
    let manual_url = urls.base(&phone.provider, scheme).ok();
    let known_model = knows_model(deps, phone);
    let facts = DiagnosisInputs {
        instance_status: &instance_status,
        request: row.last.as_ref(),
        known_model,
        manual_url: manual_url.as_deref(),
    };
    let sentence = describe(phone, &facts, now).into();
    let details = PhoneDetails {
        phone: row.info(),
        accounts: phone.accounts.iter().take(ACCOUNTS).map(account).collect(),
        account_count: u64::try_from(phone.accounts.len()).unwrap_or(u64::MAX),
        revision: phone.revision,
        delivered_revision: phone.delivery.as_ref().map(|delivery| delivery.revision),
        provisionings: phone.provisioning.into(),
        window: window(phone),
        own_proven: phone.own.proven.map(Into::into),
        redirect_entry: phone
            .redirect_entry
            .as_ref()
            .map(|entry| RedirectEntryInfo { at: entry.at.into(), server_name: entry.server_name.clone() }),
        config_received: phone.device_config.received.map(Into::into),
        sysclient: SysclientInfo {
            product: phone.sysclient.product.clone(),
            version: phone.sysclient.version.clone(),
            name: Some(phone.sysclient.name.clone()).filter(|name| !name.is_empty()),
            url: phone.sysclient.url.clone(),
        },
        code: phone.code.as_ref().map(|_| CodeInfo {
            valid_until: phone.code_origin.valid_until.map(Into::into),
            refused_at: phone.code_origin.refused_at.clone(),
        }),
        request: row.last.as_ref().map(last_request),
        manual_url,
        url_problem: urls.problem(&phone.provider, scheme),
        known_model,
        holds_current_file: render_preview::holds_current(deps, phone),
    };
    PhoneShown { phone: details, sentence }
}

fn account(account: &Account) -> AccountInfo {
    AccountInfo {
        line: account.line.into(),
        user: account.username.clone(),
        name: account.cn.clone(),
        hwid: account.hwid.clone(),
        device_name: account.device_name.clone().filter(|name| !name.is_empty()),
        pbx: account.dns.clone(),
        domain: account.domain.clone(),
        flags: facet_info(account.user_object.view()),
        registered: facet_info(account.registration.view()),
        registered_address: account.registered_address.clone(),
        orphaned_since: account.orphaned.map(|orphaned| orphaned.since.into()),
        gone: account.orphaned.map(|orphaned| orphaned.gone.as_str().to_owned()),
        withheld_since: account.withheld.map(Into::into),
    }
}

fn window(phone: &Phone) -> WindowInfo {
    let window = &phone.window;
    WindowInfo {
        opened: window.opened.map(Into::into),
        until: window.until.map(Into::into),
        first_delivery: window.first_delivery.map(Into::into),
        source: window.bound.as_ref().map(|bound| bound.source.to_string()),
        closed: window.closed.map(Into::into),
        first_contact: match window.first_contact {
            FirstContact::Refused => None,
            FirstContact::Allowed(None) => Some(FirstContactInfo::Anywhere(true)),
            FirstContact::Allowed(Some(network)) => Some(FirstContactInfo::Network(network.to_string())),
        },
    }
}

fn last_request(last: &RequestFacts) -> LastRequest {
    LastRequest {
        at: last.at.into(),
        address: last.address.clone(),
        user_agent: last.user_agent.clone(),
        file: last.file.clone(),
        outcome: last.outcome.clone(),
        requests: last.requests,
    }
}

/// Returns the entries since `position`, oldest first, and advances it.
///
/// # Errors
/// If the store cannot be read.
pub async fn happened(
    deps: &ServiceDependencies,
    phone: &Phone,
    position: &mut TimelinePosition,
) -> Result<Vec<TranslatableEntry>, StoreError> {
    let mut entries = Vec::new();
    for event in newest_events(deps, phone, position.event).await? {
        position.event = position.event.max(event.id);
        entries.push((event.at, of_event(event)));
    }
    for call in newest_calls(deps, phone, position.call).await? {
        position.call = position.call.max(call.id);
        entries.push((call.entry.at, of_call(call)));
    }
    if let Some(last) = deps.store.requests().last(phone.id)
        && last.requests != position.requests
    {
        position.requests = last.requests;
        entries.push((last.at, of_request(&last)));
    }
    // The sources are ordered newest first. Entries with the same time keep the order in which they were written.
    entries.reverse();
    entries.sort_by_key(|(at, _)| *at);
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

/// Returns everything that happened to a phone, oldest first.
///
/// # Errors
/// If there is no such phone, or the store cannot be read.
pub async fn timeline(deps: &ServiceDependencies, instance: InstanceId, mac: &str) -> Result<Timeline, ServiceError> {
    let phone = actions::find(deps, instance, mac)?;
    let entries = happened(deps, &phone, &mut TimelinePosition::default()).await?;
    Ok(Timeline { entries: entries.into_iter().map(|one| one.entry).collect() })
}

/// Number of rows read first if a part of the timeline has been sent already, because there are usually few new
/// entries.
const FEW: u32 = 16;

async fn newest_calls(deps: &ServiceDependencies, phone: &Phone, position: i64) -> Result<Vec<HistoryRow>, StoreError> {
    let filter = |limit| HistoryFilter { instance: phone.instance, mac: Some(phone.mac), before: None, limit };
    let mut rows = deps.store.redirect_history().entries(filter(if position == 0 { CALLS } else { FEW })).await?;
    if position != 0 && rows.len() == FEW as usize && rows.last().is_some_and(|oldest| oldest.id > position) {
        rows = deps.store.redirect_history().entries(filter(CALLS)).await?;
    }
    rows.retain(|row| row.id > position);
    Ok(rows)
}

async fn newest_events(deps: &ServiceDependencies, phone: &Phone, position: i64) -> Result<Vec<EventRow>, StoreError> {
    let mut rows = deps.store.phones().events(phone.id, if position == 0 { EVENTS_KEPT } else { FEW }).await?;
    if position != 0 && rows.len() == FEW as usize && rows.last().is_some_and(|oldest| oldest.id > position) {
        rows = deps.store.phones().events(phone.id, EVENTS_KEPT).await?;
    }
    rows.retain(|row| row.id > position);
    Ok(rows)
}

fn of_event(event: EventRow) -> TranslatableEntry {
    let entry = TimelineEntry {
        at: event.at.into(),
        source: "event".to_owned(),
        kind: event.kind,
        text: clip(&event.text, ANSWER),
        detail: event.detail.map(|detail| Detail::Text(clip(&detail, ANSWER))),
    };
    TranslatableEntry { entry, said: event.said.and_then(|message| serde_json::from_str(&message).ok()) }
}

fn of_call(call: HistoryRow) -> TranslatableEntry {
    let call = call.entry;
    let outcome = clip(&call.outcome, ANSWER);
    let entry = TimelineEntry {
        at: call.at.into(),
        source: "redirect".to_owned(),
        kind: "redirect-call".to_owned(),
        text: clip(&format!("{}: {}", call.command, call.outcome), ANSWER),
        detail: Some(members([
            ("command", call.command.into()),
            ("outcome", outcome.into()),
            ("answer", clip(&call.answer, ANSWER).into()),
            ("took", u64::try_from(call.took.as_millis()).unwrap_or(u64::MAX).into()),
        ])),
    };
    TranslatableEntry { entry, said: None }
}

fn of_request(last: &RequestFacts) -> TranslatableEntry {
    let reason = Reason::ALL.iter().find(|reason| reason.as_str() == last.outcome.as_str());
    let outcome = reason.map_or_else(|| Message::plain(last.outcome.clone()), |reason| reason.message());
    let message_text =
        audit_texts::FILE_REQUESTED.with("address", last.address.as_str()).with("file", last.file.as_str());
    let message_text = message_text.with("outcome", outcome.nested());
    let entry = TimelineEntry {
        at: last.at.into(),
        source: "request".to_owned(),
        kind: "last-request".to_owned(),
        text: message_text.line(),
        detail: Some(members([
            ("address", last.address.as_str().into()),
            ("userAgent", last.user_agent.as_deref().into()),
            ("file", last.file.as_str().into()),
            ("outcome", last.outcome.as_str().into()),
            ("requests", last.requests.into()),
        ])),
    };
    TranslatableEntry { entry, said: Some(message_text.nested()) }
}

fn members<const N: usize>(members: [(&str, Value); N]) -> Detail {
    Detail::Members(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
