//! The table of phones, and the timeline and file of each phone.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Unread;
use crate::{
    phone::record::Phone,
    render::{FileRequest, Renderer, Stage, recognition_of},
    service::{
        diagnostics::{
            BundleOptions, Sources, Tenant,
            pseudonyms::OriginalKind,
            redaction::Redaction,
            sections::{Body, BundleFile, Group},
        },
        phone_export::shown,
    },
    settings::firmware::FirmwareState,
    store::{EVENTS_KEPT, EventRow},
};

/// One phone, with secrets masked and names not yet replaced.
pub struct OfPhone {
    /// The record.
    pub phone: Arc<Phone>,
    /// Its events, newest first.
    pub events: Vec<EventRow>,
    file: String,
}

/// The phones of an instance, those with the newest events first.
fn of_tenant(sources: &Sources<'_>, options: &BundleOptions, tenant: &Tenant) -> Vec<(Timestamp, Arc<Phone>)> {
    let store = sources.store;
    let news = |phone: &Phone| {
        let last_request = store.requests().last(phone.id).map(|facts| facts.at);
        let since = [phone.created, phone.devices.since, phone.redirect.since, phone.request.since];
        since.into_iter().chain(last_request).chain(phone.window.opened).max().unwrap_or(phone.created)
    };
    let phones = store.phones().in_instance(tenant.id).into_iter();
    let mut phones: Vec<(Timestamp, Arc<Phone>)> = phones
        .filter(|phone| options.phone.is_none_or(|mac| mac == phone.mac))
        .map(|phone| (news(&phone), phone))
        .collect();
    phones.sort_by_key(|(news, _)| std::cmp::Reverse(*news));
    phones
}

/// One row per phone, not yet redacted.
pub fn table(sources: &Sources<'_>, options: &BundleOptions, tenant: &Tenant) -> Vec<Value> {
    let layers = sources.store.settings().layers(tenant.id);
    let row = |(_, phone): (Timestamp, Arc<Phone>)| {
        let last_request = sources.store.requests().last(phone.id);
        let firmware = FirmwareState::of_phone(&layers, &phone);
        let mut row = shown(&phone, &firmware, last_request.as_ref().map(|facts| (facts.at, facts.address.as_str())));
        if let (Some(row), Some(facts)) = (row.as_object_mut(), last_request) {
            let last_request = json!({
                "file": facts.file, "outcome": facts.outcome, "user_agent": facts.user_agent, "requests": facts.requests,
            });
            row.insert("last_request_was".to_owned(), last_request);
        }
        row
    };
    of_tenant(sources, options, tenant).into_iter().map(row).collect()
}

/// Reads timelines and files of the phones with the newest events, up to a size in bytes. Also returns how many were
/// not read.
pub async fn read(
    sources: &Sources<'_>,
    options: &BundleOptions,
    most: usize,
    unread: &mut Unread,
) -> (Vec<OfPhone>, usize) {
    let store = sources.store;
    let renderer =
        Renderer::new(Arc::clone(&sources.registry), store.derive_key("etag"), 0, Arc::clone(&sources.clock));
    let mut phones: Vec<(Timestamp, Arc<Phone>, &Tenant)> = Vec::new();
    for tenant in &sources.tenants {
        phones.extend(of_tenant(sources, options, tenant).into_iter().map(|(news, phone)| (news, phone, tenant)));
    }
    phones.sort_by_key(|(news, ..)| std::cmp::Reverse(*news));
    let (mut read, mut bytes) = (Vec::new(), 0);
    let all = phones.len();
    for (_, phone, tenant) in phones {
        let events = unread.taken("time lines", store.phones().events(phone.id, EVENTS_KEPT).await);
        let file = file(sources, tenant, &renderer, &phone);
        bytes += file.len() + events.iter().map(|event| event.text.len() + 48).sum::<usize>();
        if bytes > most && !read.is_empty() {
            break;
        }
        read.push(OfPhone { phone, events, file });
    }
    let left = 2 * (all - read.len());
    (read, left)
}

/// The current file with secrets masked, after a header with notes.
fn file(sources: &Sources<'_>, tenant: &Tenant, renderer: &Renderer, phone: &Phone) -> String {
    let (store, registry) = (sources.store, sources.registry.load());
    let (last_request, layers) = (store.requests().last(phone.id), store.settings().layers(phone.instance));
    let recognition = recognition_of(&registry, phone, last_request.as_ref());
    let request = FileRequest {
        phone: Some(phone),
        recognition: &recognition,
        stage: Stage::Personal,
        urls: &tenant.urls,
        token: Some(phone.token.expose()),
        layers: &layers,
    };
    let (rendered, masked) = match renderer.file(&request).and_then(|file| Ok((file, renderer.masked(&request)?))) {
        Ok(both) => both,
        Err(error) => return format!("There is no file now: {error}\n"),
    };
    let mut text = String::from("As it would be delivered now, secrets masked.\n");
    text += &match &phone.delivery {
        None => "The phone has not fetched its file yet.\n".to_owned(),
        Some(delivery) if delivery.etag == rendered.etag => {
            format!("The phone fetched the same file at {:.0}.\n", delivery.at)
        }
        Some(delivery) => format!("The phone fetched another one at {:.0}.\n", delivery.at),
    };
    for note in &rendered.notes {
        text += &format!("Not written: {note}\n");
    }
    text += "--------\n";
    masked.lines.iter().fold(text, |text, line| text + &line.text + "\n")
}

impl OfPhone {
    /// The timeline and the file as parts of the bundle.
    pub fn parts(&self, dir: &str, redaction: &Redaction) -> [BundleFile; 2] {
        let called = redaction.called(OriginalKind::Phone, &self.phone.mac.to_string());
        // The directory name starts with `phone-` with and without aliases: ticket systems drop files whose names start
        // with hex digits.
        let called = called.strip_prefix("phone-").unwrap_or(&called);
        let part = |name: &str, lines: Vec<String>| BundleFile {
            name: format!("{dir}/phone-{called}/{name}"),
            group: Group::Phones,
            body: Body::Lines(lines),
        };
        let events = self.events.iter().rev().map(|event| {
            let detail = event.detail.as_deref().map(|detail| format!(" | {detail}")).unwrap_or_default();
            redaction.text(&format!("{:.0} {}: {}{detail}", event.at, event.kind, event.text))
        });
        let file = Body::Whole(redaction.text(&self.file));
        let mut file = BundleFile { body: file, ..part("present-file.txt", Vec::new()) };
        file.group = Group::Phones;
        [part("timeline.txt", events.collect()), file]
    }
}
