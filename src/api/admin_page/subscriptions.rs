//! What a page has open, and the messages that keep it up to date.

use std::sync::Arc;

use gangway_wire::appws::Envelope;
use serde::Serialize;
use serde_json::{Map, Value};

use super::response::{list_of, result, whole};
use crate::{
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    service::{
        AdminService, Delta, ListView, PhoneCounts, RowBatch, ServiceError, history,
        timeline::{self, TimelinePosition},
        types::{ImportInfo, Notices, PhoneInfo, PhoneShown, TranslatableEntry},
    },
};

/// `DevicesChanged`: what has changed in a list. Missing members have not.
#[derive(Serialize)]
struct ListChange {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Vec<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<Map<String, Value>>,
    phones: Vec<PhoneInfo>,
}

/// `PhoneTimeline`.
#[derive(Serialize)]
struct TimelinePart {
    entries: Vec<TranslatableEntry>,
}

/// `PhoneChanged`.
#[derive(Serialize)]
struct PhoneChange<'a> {
    #[serde(flatten)]
    shown: &'a PhoneShown,
    entries: Vec<TranslatableEntry>,
}

/// An open phone page.
struct OpenTimeline {
    message: Envelope,
    phone: PhoneId,
    position: TimelinePosition,
    /// The state that the page has.
    shown: PhoneShown,
}

/// The subscriptions of one page. Each keeps the message that began it, and what the page has.
pub struct Subscriptions {
    service: AdminService,
    instance: InstanceId,
    list: Option<(Envelope, ListView)>,
    phone: Option<OpenTimeline>,
    notices: Option<(Envelope, Notices)>,
    settings: Option<(Envelope, u64)>,
    history: Option<(Envelope, i64)>,
    import: Option<(Envelope, Option<ImportInfo>)>,
}

impl Subscriptions {
    /// Creates an empty set for a page of this instance.
    pub fn new(service: AdminService, instance: InstanceId) -> Self {
        Self { service, instance, list: None, phone: None, notices: None, settings: None, history: None, import: None }
    }

    /// Whether there is a subscription that must be checked regularly.
    pub fn need_checks(&self) -> bool {
        self.phone.is_some()
            || self.notices.is_some()
            || self.settings.is_some()
            || self.history.is_some()
            || self.import.is_some()
    }

    /// Replaces the list.
    pub fn set_list(&mut self, list: Option<(Envelope, ListView)>) {
        self.list = list;
    }

    /// Ends the subscription of a phone.
    pub fn close_phone(&mut self) {
        self.phone = None;
    }

    /// Shows a phone, and follows it if `subscribe` is set.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn open_phone(
        &mut self,
        message: &Envelope,
        phone: &Arc<Phone>,
        subscribe: bool,
    ) -> Result<Vec<String>, ServiceError> {
        let mut position = TimelinePosition::default();
        let entries = timeline::happened(self.service.deps(), phone, &mut position).await?;
        let shown = self.service.phone_shown(phone);
        let mut texts = vec![whole(result(message), &shown)?];
        texts.extend(list_of(message.answer("PhoneTimeline"), &TimelinePart { entries }, "entries")?);
        self.phone = subscribe.then(|| OpenTimeline { message: message.clone(), phone: phone.id, position, shown });
        Ok(texts)
    }

    /// Follows the notices of which the page has these.
    pub fn follow_notices(&mut self, message: &Envelope, notices: Notices) {
        self.notices = Some((message.clone(), notices));
    }

    /// Follows the settings.
    pub fn follow_settings(&mut self, message: &Envelope) {
        self.settings = Some((message.clone(), self.service.deps().store.settings().layers(self.instance).revision()));
    }

    /// Follows the history of redirect services.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn follow_history(&mut self, message: &Envelope) -> Result<(), ServiceError> {
        let newest = history::newest(self.service.deps(), self.instance).await?;
        self.history = Some((message.clone(), newest));
        Ok(())
    }

    /// Follows the import of which the page has this state, if any.
    pub fn follow_import(&mut self, message: &Envelope, known: Option<ImportInfo>) {
        self.import = Some((message.clone(), known));
    }

    /// Returns the messages about changed rows.
    pub async fn changed(&mut self, batch: &RowBatch) -> Vec<String> {
        if batch.instance != self.instance {
            return Vec::new();
        }
        let mut texts = Vec::new();
        if let Some((message, view)) = &mut self.list {
            texts = delta_texts(message, &view.apply(&batch.rows));
        }
        if self.phone.as_ref().is_some_and(|open| batch.rows.iter().any(|row| row.phone.id == open.phone)) {
            texts.extend(self.refresh_phone().await);
        }
        texts
    }

    /// Returns the messages about everything, after changes were missed.
    pub async fn catch_up(&mut self) -> Vec<String> {
        let mut texts = Vec::new();
        if let Some((message, view)) = &mut self.list {
            texts = delta_texts(message, &view.replace(self.service.device_rows(self.instance)));
        }
        texts.extend(self.refresh_phone().await);
        texts
    }

    async fn refresh_phone(&mut self) -> Vec<String> {
        let Some(open) = &mut self.phone else { return Vec::new() };
        let deps = self.service.deps();
        let Some(phone) = deps.store.phones().get(open.phone) else {
            self.phone = None;
            return Vec::new();
        };
        let entries = timeline::happened(deps, &phone, &mut open.position).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the time line of a phone cannot be followed");
            Vec::new()
        });
        let shown = self.service.phone_shown(&phone);
        if entries.is_empty() && shown == open.shown {
            return Vec::new();
        }
        open.shown = shown;
        let change = PhoneChange { shown: &open.shown, entries };
        list_of(open.message.answer("PhoneChanged"), &change, "entries").unwrap_or_default()
    }

    /// Returns the messages about what has no notifications of its own. Called once a second.
    pub async fn check(&mut self) -> Vec<String> {
        let mut texts = self.refresh_phone().await;
        let (service, instance) = (&self.service, self.instance);
        if let Some((message, shown)) = &mut self.notices {
            let now = service.notices(instance);
            if now != *shown {
                texts.extend(whole(message.answer("NoticesChanged"), &now));
                *shown = now;
            }
        }
        if let Some((message, revision)) = &mut self.settings {
            let now = service.deps().store.settings().layers(instance).revision();
            if now != *revision {
                texts.push(message.answer("SettingsChanged").text());
                *revision = now;
            }
        }
        if let Some((message, known)) = &mut self.history
            && let Ok(newest) = history::newest(service.deps(), instance).await
            && newest > *known
        {
            texts.push(message.answer("HistoryChanged").text());
            *known = newest;
        }
        if let Some((message, shown)) = &mut self.import {
            let state = Some(service.import_state(instance));
            if state != *shown {
                texts.extend(state.as_ref().and_then(|state| whole(message.answer("ImportProgress"), state).ok()));
                *shown = state;
            }
        }
        texts
    }
}

fn delta_texts(message: &Envelope, delta: &Delta) -> Vec<String> {
    if delta.is_empty() {
        return Vec::new();
    }
    let ids = |ids: &[PhoneId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    let change = ListChange {
        gone: ids(&delta.gone),
        window: delta.window.as_deref().map(ids),
        total: delta.total,
        all: delta.counts.as_ref().map(PhoneCounts::all),
        counts: delta.counts.as_ref().map(PhoneCounts::to_map),
        phones: delta.rows.iter().map(|row| row.info()).collect(),
    };
    list_of(message.answer("DevicesChanged"), &change, "phones").unwrap_or_default()
}
