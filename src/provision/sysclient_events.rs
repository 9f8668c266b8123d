//! Writes the events of the sysclient pool into records: a password before the pool continues, a burst of items as one
//! change, and later items after one second without further items.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use gangway_base::secret::Secret;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::{
    engine::Engine,
    flow::{self, SysclientTarget},
    transitions,
};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    devices::sysclients::{SysclientEvent, SysclientEventKind},
    phone::{
        facet::DevicesState,
        record::{Phone, PhoneId},
    },
    store::{NewEvent, StoreError},
};

/// Time without further items before a single item is written.
const DEBOUNCE: Duration = Duration::from_secs(1);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(5);

/// Number of connections that end without any message after the code was sent, after which the code counts as rejected.
/// A restart of Devices ends fewer connections.
const HANG_UPS: u32 = 3;

/// Items that are not written to the record yet.
#[derive(Default)]
struct Burst {
    conn: u64,
    items: BTreeMap<String, Value>,
    complete: bool,
    write_at: Option<Timestamp>,
    /// The end of a burst and the administrative password, if the store could not write them; retried with the items.
    last: Option<Option<Secret>>,
    admin: Option<Secret>,
}

pub(super) struct SysclientEventWriter {
    engine: Arc<Engine>,
    bursts: HashMap<PhoneId, Burst>,
    /// Number of consecutive connections that sent the code and received nothing.
    unanswered_codes: HashMap<PhoneId, u32>,
}

impl SysclientEventWriter {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine, bursts: HashMap::new(), unanswered_codes: HashMap::new() }
    }

    /// Runs until the gateway stops or the pool ends.
    pub(super) async fn run(mut self, mut events: mpsc::Receiver<SysclientEvent>) {
        loop {
            let next = self.bursts.values().filter_map(|burst| burst.write_at).min();
            let timer = self.engine.deps.clock.sleep_until(next.unwrap_or(Timestamp::MAX));
            let event = tokio::select! {
                biased;
                () = self.engine.tasks.stopping() => return,
                event = events.recv() => match event {
                    Some(event) => Some(event),
                    None => return,
                },
                () = timer, if next.is_some() => None,
            };
            match event {
                Some(event) => {
                    let (phone, label) = (event.phone, event.kind.label());
                    if let Err(error) = self.take(event).await {
                        tracing::error!(phone = phone.0, event = label, "what Devices sent cannot be stored: {error}");
                    }
                }
                None => self.flush().await,
            }
        }
    }

    async fn take(&mut self, event: SysclientEvent) -> Result<(), StoreError> {
        let SysclientEvent { phone: id, conn, kind } = event;
        let Some(target) = self.engine.current_spec(id) else {
            // The sysclient was dropped in the meantime.
            self.bursts.remove(&id);
            self.unanswered_codes.remove(&id);
            return Ok(());
        };
        let burst = self.bursts.entry(id).or_default();
        if conn < burst.conn {
            return Ok(());
        }
        if conn > burst.conn {
            *burst = Burst { conn, ..Burst::default() };
        }
        let (store, now) = (self.engine.deps.store.clone(), self.engine.deps.now());
        match kind {
            SysclientEventKind::Connected if target.credential.code().is_some() => {
                *self.unanswered_codes.entry(id).or_default() += 1;
            }
            SysclientEventKind::Password { .. }
            | SysclientEventKind::AdminPassword(_)
            | SysclientEventKind::Item(_)
            | SysclientEventKind::Last { .. }
            | SysclientEventKind::Silence { .. } => {
                self.unanswered_codes.remove(&id);
            }
            _ => {}
        }
        match kind {
            // The record has been `Connecting` since the sysclient was requested.
            SysclientEventKind::Connecting => {}
            SysclientEventKind::Connected => {
                failpoint(Failpoint::LineNewsCame).await;
                self.change(id, |phone| transitions::connected(phone, now)).await?;
                failpoint(Failpoint::LineNewsWritten).await;
            }
            SysclientEventKind::Password { password, sent, stored } => {
                return self.password(id, target, password, sent, stored).await;
            }
            SysclientEventKind::AdminPassword(password) => {
                let copy = password.clone();
                failpoint(Failpoint::AdminPasswordCame).await;
                let written = self.change(id, |phone| phone.device_config.admin_password = Some(password)).await;
                if let (Err(_), Some(burst)) = (&written, self.bursts.get_mut(&id)) {
                    burst.admin = Some(copy);
                    burst.write_at = now.saturating_add(STORE_PAUSE).ok();
                }
                written?;
                failpoint(Failpoint::AdminPasswordWritten).await;
            }
            SysclientEventKind::Item(item) => self.item(id, item, now),
            SysclientEventKind::Last { opened_with } => return self.last(id, target, opened_with, now).await,
            SysclientEventKind::Silence { sent } => return self.silence(id, &target.url, sent, now).await,
            SysclientEventKind::Closed { reason } => {
                self.bursts.remove(&id);
                if self.unanswered_codes.get(&id).is_some_and(|count| *count >= HANG_UPS) {
                    self.unanswered_codes.remove(&id);
                    self.silence(id, &target.url, target.credential.code().cloned(), now).await?;
                }
                if let Some(phone) = store.phones().get(id)
                    && phone.devices.state == DevicesState::NotInDomain
                    && flow::credential(&phone).is_none()
                {
                    // The phone has no credential to reconnect with, because the code is spent.
                    self.engine.fleet.drop_phone(id);
                    self.engine.set_current_spec(id, None);
                    return Ok(());
                }
                failpoint(Failpoint::LineNewsCame).await;
                self.change(id, |phone| transitions::closed(phone, &reason, now)).await?;
                failpoint(Failpoint::LineNewsWritten).await;
            }
            SysclientEventKind::NoDescriptor => self.change(id, |phone| transitions::no_descriptor(phone, now)).await?,
            SysclientEventKind::EndpointAway { reason, .. } => {
                failpoint(Failpoint::LineNewsCame).await;
                store.phones().change(id, |phone, events| transitions::away(phone, &reason, now, events)).await?;
                failpoint(Failpoint::LineNewsWritten).await;
            }
        }
        Ok(())
    }

    async fn change(&self, id: PhoneId, change: impl FnOnce(&mut Phone)) -> Result<(), StoreError> {
        self.engine.deps.store.phones().change(id, |phone, _| change(phone)).await?;
        Ok(())
    }

    async fn password(
        &self,
        id: PhoneId,
        target: SysclientTarget,
        password: Secret,
        sent: Option<Secret>,
        stored: oneshot::Sender<()>,
    ) -> Result<(), StoreError> {
        let store = &self.engine.deps.store;
        let now = self.engine.deps.now();
        failpoint(Failpoint::PasswordCame).await;
        let (phone, ()) = store
            .phones()
            .change(id, |phone, events| {
                transitions::password(phone, password, target.url.as_str(), sent.as_ref(), now, events);
            })
            .await?;
        failpoint(Failpoint::PasswordWritten).await;
        // A code that arrived in the meantime has not been sent; because of it, the record requires another connection.
        if phone.code.is_none() {
            self.identifies_as(&phone, target);
        }
        // Ignore the error: the pool may have closed the socket in the meantime, but the password is on disk.
        let _ = stored.send(());
        Ok(())
    }

    /// Marks the held connection as identifying with the record's current credential, so that it is not reopened.
    fn identifies_as(&self, phone: &Phone, target: SysclientTarget) {
        if let Some(credential) = flow::credential(phone) {
            self.engine.set_current_spec(phone.id, Some(SysclientTarget { credential, ..target }));
        }
    }

    fn item(&mut self, id: PhoneId, item: Value, now: Timestamp) {
        let Some(kind) = item.get("type").and_then(Value::as_str).map(str::to_owned) else { return };
        let burst = self.bursts.entry(id).or_default();
        if !transitions::add_item(&mut burst.items, kind, item) {
            tracing::warn!(phone = id.0, "Devices sends more configuration for this phone than is kept");
            return;
        }
        if burst.complete {
            burst.write_at = now.saturating_add(DEBOUNCE).ok();
        }
    }

    async fn last(
        &mut self,
        id: PhoneId,
        target: SysclientTarget,
        opened_with: Option<Secret>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let burst = self.bursts.entry(id).or_default();
        let items = std::mem::take(&mut burst.items);
        let is_first = !std::mem::replace(&mut burst.complete, true);
        let copy = items.clone();
        // If the password still has to be written, keep the timer.
        let again = now.saturating_add(STORE_PAUSE).ok();
        burst.write_at = again.filter(|_| burst.admin.is_some());
        failpoint(Failpoint::ConfigCame).await;
        let store = &self.engine.deps.store;
        let written = store
            .phones()
            .change(id, |phone, events| {
                if is_first {
                    transitions::burst(phone, items, opened_with.as_ref(), now, events);
                } else {
                    // A later item marked as last is a change, not a complete configuration.
                    transitions::items_changed(phone, items, events);
                }
            })
            .await;
        let (phone, ()) = match written {
            Ok(written) => written,
            Err(error) => {
                // Devices does not send it again while the connection lasts.
                if let Some(burst) = self.bursts.get_mut(&id) {
                    burst.items = copy;
                    burst.complete = !is_first;
                    burst.last = Some(opened_with);
                    burst.write_at = now.saturating_add(STORE_PAUSE).ok();
                }
                return Err(error);
            }
        };
        failpoint(Failpoint::ConfigWritten).await;
        // As after a password: a code that arrived in the meantime requires another connection.
        if phone.code.is_none() {
            self.identifies_as(&phone, target);
        }
        Ok(())
    }

    async fn silence(&self, id: PhoneId, url: &Url, sent: Option<Secret>, now: Timestamp) -> Result<(), StoreError> {
        let deps = &self.engine.deps;
        failpoint(Failpoint::LineNewsCame).await;
        let change = |phone: &mut Phone, events: &mut Vec<NewEvent>| {
            let others = deps.devices(phone);
            transitions::silence(phone, sent.as_ref(), url, &others, now, events);
        };
        deps.store.phones().change(id, change).await?;
        failpoint(Failpoint::LineNewsWritten).await;
        Ok(())
    }

    /// Retries an event that could not be written.
    async fn again(&mut self, event: SysclientEvent) {
        let (phone, label) = (event.phone, event.kind.label());
        if let Err(error) = Box::pin(self.take(event)).await {
            tracing::warn!(phone = phone.0, event = label, "what Devices sent still cannot be stored: {error}");
        }
    }

    async fn flush(&mut self) {
        let now = self.engine.deps.now();
        let due: Vec<PhoneId> = self
            .bursts
            .iter()
            .filter(|(_, burst)| burst.write_at.is_some_and(|at| at <= now))
            .map(|(id, _)| *id)
            .collect();
        for id in due {
            let Some(burst) = self.bursts.get_mut(&id) else { continue };
            burst.write_at = None;
            if let Some(password) = burst.admin.take() {
                let event =
                    SysclientEvent { phone: id, conn: burst.conn, kind: SysclientEventKind::AdminPassword(password) };
                self.again(event).await;
            }
            let Some(burst) = self.bursts.get_mut(&id) else { continue };
            if let Some(opened_with) = burst.last.take() {
                let event =
                    SysclientEvent { phone: id, conn: burst.conn, kind: SysclientEventKind::Last { opened_with } };
                self.again(event).await;
                continue;
            }
            let items = std::mem::take(&mut burst.items);
            if items.is_empty() {
                continue;
            }
            let copy = items.clone();
            failpoint(Failpoint::ItemCame).await;
            let written = self
                .engine
                .deps
                .store
                .phones()
                .change(id, |phone, events| transitions::items_changed(phone, items, events))
                .await;
            if let Err(error) = written {
                tracing::error!(phone = id.0, "changed items cannot be stored, tried again: {error}");
                if let Some(burst) = self.bursts.get_mut(&id) {
                    burst.items = copy;
                    burst.write_at = now.saturating_add(DEBOUNCE).ok();
                }
            }
            failpoint(Failpoint::ItemWritten).await;
        }
    }
}
