//! The session of one page: its requests and subscriptions. Requests that wait for other components run concurrently.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use gangway_wire::appws::Envelope;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{broadcast::error::RecvError, mpsc};

use super::{
    AdminService, Inner, ServiceDependencies, actions, activity_chart, audit, config_diff, connections,
    device_index::{DeviceIndex, RowBatch},
    frozen_sources, history,
    import::{self, Upload},
    line_keys,
    list_query::{ListParams, PhoneCounts, Sort},
    list_view::{Delta, ListView},
    methods::{MessageEffect, Method},
    notices, rendered_config,
    response::{MessageResult, RequestError, read, refusal, result},
    session_info, settings, settings_write,
    text::Text,
    timeline::{self, TimelinePosition},
    tokens, vendors,
};
use crate::{
    base::telemetry::metric::{Metric, increment},
    net::appwebsocket::Link,
    phone::record::PhoneId,
    service::caller::Caller,
};

/// Maximum number of open requests.
const OPEN: usize = 32;
/// Interval for checking subscriptions that have no notifications.
const LOOK: Duration = Duration::from_secs(1);

/// A request that waits for another component.
type Open = Pin<Box<dyn Future<Output = (Envelope, MessageResult)> + Send>>;

/// One page.
pub struct AdminSession {
    desk: AdminService,
    person: Arc<Caller>,
    out: Link,
    list: Option<(Envelope, ListView)>,
    phone: Option<OpenTimeline>,
    notices: Option<(Envelope, Vec<Value>)>,
    settings: Option<(Envelope, u64)>,
    history: Option<(Envelope, i64)>,
    import: Option<(Envelope, Value)>,
    upload: Upload,
}

/// An open phone page, which is updated on changes.
struct OpenTimeline {
    message: Envelope,
    phone: PhoneId,
    told: TimelinePosition,
    /// The state that the page has.
    shown: (Value, Value),
}

#[derive(Deserialize)]
struct ListRequest {
    #[serde(default)]
    query: ListParams,
    #[serde(default)]
    sort: Sort,
    #[serde(default)]
    offset: usize,
    #[serde(default = "window")]
    count: usize,
    #[serde(default)]
    subscribe: bool,
}

fn window() -> usize {
    50
}

#[derive(Deserialize)]
struct PhoneRequest {
    mac: String,
    #[serde(default)]
    subscribe: bool,
}

impl AdminSession {
    /// Creates the session of a user who has just logged in.
    #[must_use]
    pub fn new(desk: AdminService, person: Caller, out: Link) -> Self {
        Self {
            desk,
            person: Arc::new(person),
            out,
            list: None,
            phone: None,
            notices: None,
            settings: None,
            history: None,
            import: None,
            upload: Upload::default(),
        }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.desk.0
    }

    fn deps(&self) -> &ServiceDependencies {
        &self.desk.0.deps
    }

    fn shelf(&self) -> &DeviceIndex {
        &self.desk.0.shelf
    }

    /// Runs the session until the socket closes.
    pub async fn serve(mut self, mut messages: mpsc::Receiver<Envelope>) {
        let mut open: FuturesUnordered<Open> = FuturesUnordered::new();
        let mut batches = self.shelf().batches();
        let inner = Arc::clone(self.inner());
        let (clock, tasks) = (&inner.deps.clock, &inner.deps.tasks);
        let mut look = clock.now();
        loop {
            let watches = self.watches();
            let sent = tokio::select! {
                () = tasks.stopping() => return,
                message = messages.recv() => match message {
                    Some(message) if open.len() >= OPEN => {
                        self.send(vec![refusal(&message, &Text::new("busy").into())]).await
                    }
                    Some(message) => self.message(message, &mut open).await,
                    None => return,
                },
                Some((message, answer)) = open.next(), if !open.is_empty() => self.answer(&message, answer).await,
                batch = batches.recv() => match batch {
                    Ok(batch) => self.changed(&batch).await,
                    Err(RecvError::Lagged(_)) => self.catch_up().await,
                    Err(RecvError::Closed) => return,
                },
                () = clock.sleep_until(look), if watches => {
                    look = clock.now().saturating_add(LOOK).unwrap_or(Timestamp::MAX);
                    self.look().await
                }
            };
            if sent.is_none() {
                return;
            }
        }
    }

    fn watches(&self) -> bool {
        self.phone.is_some()
            || self.notices.is_some()
            || self.settings.is_some()
            || self.history.is_some()
            || self.import.is_some()
    }

    /// Returns `None` if the page is closed.
    async fn send(&self, texts: Vec<String>) -> Option<()> {
        for text in texts {
            self.out.send(text).await.ok()?;
        }
        Some(())
    }

    async fn answer(&self, message: &Envelope, answer: MessageResult) -> Option<()> {
        match answer {
            Ok(texts) => self.send(texts).await,
            Err(problem) => self.send(vec![refusal(message, &problem)]).await,
        }
    }

    async fn message(&mut self, message: Envelope, open: &mut FuturesUnordered<Open>) -> Option<()> {
        let Some(kind) = Method::named(&message.mt) else {
            increment(Metric::MessagesIgnored, &[("reason", "unknown")]);
            return Some(());
        };
        if let Some(problem) = self.passive(kind) {
            return self.answer(&message, Err(problem)).await;
        }
        if let Some(answer) = self.at_once(kind, &message).await {
            return self.answer(&message, answer).await;
        }
        open.extend(beside(Arc::clone(self.inner()), Arc::clone(&self.person), kind, message));
        Some(())
    }

    /// Answers one request and waits for the answer. Returns `None` if the message is unknown.
    pub async fn answer_of(&mut self, message: Envelope) -> Option<MessageResult> {
        let kind = Method::named(&message.mt)?;
        if let Some(problem) = self.passive(kind) {
            return Some(Err(problem));
        }
        if let Some(answer) = self.at_once(kind, &message).await {
            return Some(answer);
        }
        let work = beside(Arc::clone(self.inner()), Arc::clone(&self.person), kind, message)?;
        Some(work.await.1)
    }

    /// Rejects actions on phones if this gateway was restored and has not taken over.
    fn passive(&self, kind: Method) -> Option<RequestError> {
        let sentence = self.deps().store.restoration()?.passive_sentence()?;
        (kind.effect() == MessageEffect::Acts).then(|| Text::new("passive").with("sentence", sentence).into())
    }

    /// Receives a complete import file and checks it.
    ///
    /// # Errors
    /// If it is too long.
    pub fn check_file(&mut self, bytes: &[u8]) -> MessageResult {
        let message = Envelope { mt: "ImportData".into(), api: None, src: None, body: Value::Null, raw: String::new() };
        let inner = Arc::clone(self.inner());
        self.upload.whole(&inner.deps, self.person.instance.id, bytes, &message)
    }

    /// Answers requests from memory, and requests that change subscriptions.
    async fn at_once(&mut self, kind: Method, message: &Envelope) -> Option<MessageResult> {
        let inner = Arc::clone(self.inner());
        let person = Arc::clone(&self.person);
        let instance = person.instance.id;
        Some(match kind {
            Method::Hello => session_info::hello(self.deps(), &person, message),
            Method::Devices => self.devices(message),
            Method::DevicesStop => {
                self.list = None;
                Ok(vec![result(message).text()])
            }
            Method::Phone => self.show_phone(message).await,
            Method::PhoneStop => {
                self.phone = None;
                Ok(vec![result(message).text()])
            }
            Method::Notices => {
                let now = notices::notices(&inner, instance);
                let answer = result(message).field("notices", &now).text();
                self.notices = Some((message.clone(), now));
                Ok(vec![answer])
            }
            Method::Tokens => tokens::tokens(self.deps(), instance, message),
            Method::Vendors => vendors::vendors(self.deps(), instance, message),
            Method::LineKeys => line_keys::line_keys(self.deps(), instance, message),
            Method::Settings => {
                self.settings = Some((message.clone(), self.deps().store.settings().layers(instance).revision()));
                settings::settings(self.deps(), instance, message)
            }
            Method::HistorySubscribe => match history::newest(self.deps(), instance).await {
                Ok(newest) => {
                    self.history = Some((message.clone(), newest));
                    Ok(vec![result(message).text()])
                }
                Err(problem) => Err(problem),
            },
            Method::ImportData => self.upload.take(&inner.deps, instance, message),
            Method::ImportStart => match import::start(&self.desk, &person, &mut self.upload, message).await {
                Ok(answer) => {
                    self.import = Some((message.clone(), Value::Null));
                    Ok(vec![answer])
                }
                Err(problem) => Err(problem),
            },
            Method::ImportState => {
                let state = inner.imports.state(instance);
                self.import = Some((message.clone(), state.clone()));
                Ok(vec![import::progress(result(message), &state)])
            }
            Method::ImportStop => match import::stop(&self.desk, &person).await {
                Ok(()) => Ok(vec![result(message).text()]),
                Err(problem) => Err(problem),
            },
            _ => return None,
        })
    }

    fn devices(&mut self, message: &Envelope) -> MessageResult {
        let request: ListRequest = read(message)?;
        let rows = self.shelf().rows(self.person.instance.id);
        let view = ListView::new(rows, request.query.into(), request.sort, request.offset, request.count);
        let rows: Vec<Value> = view.rows().iter().map(|row| row.json()).collect();
        let answer = result(message)
            .field("offset", view.offset())
            .field("total", view.total())
            .field("all", view.counts().all())
            .field("counts", view.counts());
        self.list = request.subscribe.then(|| (message.clone(), view));
        super::response::list(answer, "rows", &rows)
    }

    async fn show_phone(&mut self, message: &Envelope) -> MessageResult {
        let request: PhoneRequest = read(message)?;
        let phone = actions::find(self.deps(), self.person.instance.id, &request.mac)?;
        let mut told = TimelinePosition::default();
        let entries = timeline::happened(self.deps(), &phone, &mut told).await?;
        let (details, sentence) = timeline::details(self.deps(), self.shelf(), &phone);
        let sentence = serde_json::to_value(sentence).unwrap_or_default();
        let mut texts = vec![result(message).field("phone", &details).field("sentence", &sentence).text()];
        texts.extend(super::response::list(message.answer("PhoneTimeline"), "entries", &timeline::json(entries))?);
        self.phone = request.subscribe.then(|| OpenTimeline {
            message: message.clone(),
            phone: phone.id,
            told,
            shown: (details, sentence),
        });
        Ok(texts)
    }

    /// Sends changed rows.
    async fn changed(&mut self, batch: &RowBatch) -> Option<()> {
        if batch.instance != self.person.instance.id {
            return Some(());
        }
        if let Some((message, view)) = &mut self.list {
            let delta = view.apply(&batch.rows);
            let texts = delta_texts(message, view, &delta);
            self.send(texts).await?;
        }
        if self.phone.as_ref().is_some_and(|open| batch.rows.iter().any(|row| row.phone.id == open.phone)) {
            self.refresh_phone().await?;
        }
        Some(())
    }

    /// Sends everything again after changes were missed.
    async fn catch_up(&mut self) -> Option<()> {
        if self.list.is_some() {
            let rows = self.shelf().rows(self.person.instance.id);
            if let Some((message, view)) = &mut self.list {
                let delta = view.replace(rows);
                let texts = delta_texts(message, view, &delta);
                self.send(texts).await?;
            }
        }
        self.refresh_phone().await
    }

    async fn refresh_phone(&mut self) -> Option<()> {
        let Some(mut open) = self.phone.take() else { return Some(()) };
        let Some(phone) = self.deps().store.phones().get(open.phone) else { return Some(()) };
        let entries = match timeline::happened(self.deps(), &phone, &mut open.told).await {
            Ok(entries) => timeline::json(entries),
            Err(error) => {
                tracing::warn!(%error, "the time line of a phone cannot be followed");
                Vec::new()
            }
        };
        let (details, sentence) = timeline::details(self.deps(), self.shelf(), &phone);
        let shown = (details, serde_json::to_value(sentence).unwrap_or_default());
        let is_news = !entries.is_empty() || shown != open.shown;
        let texts = match is_news {
            true => {
                let head = open.message.answer("PhoneChanged").field("phone", &shown.0).field("sentence", &shown.1);
                super::response::list(head, "entries", &entries).unwrap_or_default()
            }
            false => Vec::new(),
        };
        open.shown = shown;
        self.phone = Some(open);
        self.send(texts).await
    }

    /// Checks once a second what has no notifications.
    async fn look(&mut self) -> Option<()> {
        let (inner, instance) = (Arc::clone(self.inner()), self.person.instance.id);
        self.refresh_phone().await?;
        let mut texts = Vec::new();
        if let Some((message, shown)) = &mut self.notices {
            let now = notices::notices(&inner, instance);
            if now != *shown {
                texts.push(message.answer("NoticesChanged").field("notices", &now).text());
                *shown = now;
            }
        }
        if let Some((message, revision)) = &mut self.settings {
            let now = inner.deps.store.settings().layers(instance).revision();
            if now != *revision {
                texts.push(message.answer("SettingsChanged").text());
                *revision = now;
            }
        }
        if let Some((message, known)) = &mut self.history
            && let Ok(newest) = history::newest(&inner.deps, instance).await
            && newest > *known
        {
            texts.push(message.answer("HistoryChanged").text());
            *known = newest;
        }
        if let Some((message, shown)) = &mut self.import {
            let state = inner.imports.state(instance);
            if state != *shown {
                texts.push(import::progress(message.answer("ImportProgress"), &state));
                *shown = state;
            }
        }
        self.send(texts).await
    }
}

fn delta_texts(message: &Envelope, view: &ListView, delta: &Delta) -> Vec<String> {
    if delta.is_empty() {
        return Vec::new();
    }
    let ids = |ids: &[PhoneId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    let head = message
        .answer("DevicesChanged")
        .maybe("gone", (!delta.gone.is_empty()).then(|| ids(&delta.gone)))
        .maybe("window", delta.window.as_deref().map(ids))
        .maybe("total", delta.total)
        .maybe("all", delta.counts.as_ref().map(PhoneCounts::all))
        .maybe("counts", delta.counts.as_ref().map(|_| view.counts()));
    let rows: Vec<Value> = delta.rows.iter().map(|row| row.json()).collect();
    super::response::list(head, "rows", &rows).unwrap_or_default()
}

/// Starts requests that wait for the store, a PBX, Devices, or a redirect service.
fn beside(inner: Arc<Inner>, person: Arc<Caller>, kind: Method, message: Envelope) -> Option<Open> {
    macro_rules! work {
        ($answer:expr) => {
            Some(Box::pin(async move {
                let answer: MessageResult = $answer.await;
                (message, answer)
            }))
        };
    }
    let instance = person.instance.id;
    match kind {
        Method::Act => work!(actions::act(&inner.deps, &person, &message)),
        Method::Categories => work!(actions::categories(&inner.deps, instance, &message)),
        Method::Chart => work!(activity_chart::chart(&inner.deps, instance, &message)),
        Method::Diff => work!(config_diff::diff(&inner.deps, instance, &message)),
        Method::Config => work!(rendered_config::config(&inner.deps, instance, &message)),
        Method::Reveal => work!(rendered_config::reveal(&inner.deps, &person, &message)),
        Method::SettingsSet => work!(settings_write::set(&inner.deps, &person, &message)),
        Method::SettingsPending => work!(settings::pending(&inner.deps, instance, &message)),
        Method::RedirectTest => work!(settings::redirect_test(&inner.deps, &person, &message)),
        Method::History => work!(history::history(&inner.deps, instance, &message)),
        Method::HistoryExport => work!(history::export(&inner.deps, instance, &message)),
        Method::HistoryPrune => work!(history::prune(&inner.deps, &person, &message)),
        Method::Audit => work!(audit::audit(&inner.deps, &person, &message)),
        Method::TokenCreate => work!(tokens::create_message(&inner.deps, &person, &message)),
        Method::TokenRevoke => work!(tokens::revoke_message(&inner.deps, &person, &message)),
        Method::Snapshot => work!(connections::snapshot(&inner, &person, &message)),
        Method::Thaw => work!(frozen_sources::thaw(&inner.deps, &person, &message)),
        // Already answered.
        Method::Hello
        | Method::Devices
        | Method::DevicesStop
        | Method::Phone
        | Method::PhoneStop
        | Method::Notices
        | Method::Tokens
        | Method::Vendors
        | Method::LineKeys
        | Method::Settings
        | Method::HistorySubscribe
        | Method::ImportData
        | Method::ImportStart
        | Method::ImportState
        | Method::ImportStop => None,
    }
}
