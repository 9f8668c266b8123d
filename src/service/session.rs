//! One page: its requests, and what it has subscribed to. Requests that wait for somebody else run beside the others.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use gangway_wire::appws::Envelope;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::{broadcast::error::RecvError, mpsc};

use super::{
    Deps, Desk, Inner, actions, activity_chart, audit, config_diff, connections,
    device_index::{Batch, Shelf},
    frozen_sources, history,
    import::{self, Upload},
    line_keys,
    list_query::{Counts, Sort, Wish},
    list_view::{Delta, View},
    methods::{Effect, Message},
    notices, rendered_config,
    response::{Answer, Problem, read, refusal, result},
    session_info, settings, settings_write,
    text::Text,
    timeline::{self, Told},
    tokens, vendors,
};
use crate::{
    base::telemetry::metric::{Metric, increment},
    net::appwebsocket::Link,
    phone::record::PhoneId,
    service::caller::Person,
};

/// Requests that may be open at once.
const OPEN: usize = 32;
/// How often a page's subscriptions are looked at that no announcement serves.
const LOOK: Duration = Duration::from_secs(1);

/// A request that waits for somebody else.
type Open = Pin<Box<dyn Future<Output = (Envelope, Answer)> + Send>>;

/// One page.
pub struct Session {
    desk: Desk,
    person: Arc<Person>,
    out: Link,
    list: Option<(Envelope, View)>,
    phone: Option<Recording>,
    notices: Option<(Envelope, Vec<Value>)>,
    settings: Option<(Envelope, u64)>,
    history: Option<(Envelope, i64)>,
    import: Option<(Envelope, Value)>,
    upload: Upload,
}

/// A phone's page that is kept up to date.
struct Recording {
    message: Envelope,
    phone: PhoneId,
    told: Told,
    /// What the page has.
    shown: (Value, Value),
}

#[derive(Deserialize)]
struct ListRequest {
    #[serde(default)]
    query: Wish,
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

impl Session {
    /// Somebody who has just logged in.
    #[must_use]
    pub fn new(desk: Desk, person: Person, out: Link) -> Self {
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

    fn deps(&self) -> &Deps {
        &self.desk.0.deps
    }

    fn shelf(&self) -> &Shelf {
        &self.desk.0.shelf
    }

    /// Serves until the socket ends.
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

    /// `None` when the page is gone.
    async fn send(&self, texts: Vec<String>) -> Option<()> {
        for text in texts {
            self.out.send(text).await.ok()?;
        }
        Some(())
    }

    async fn answer(&self, message: &Envelope, answer: Answer) -> Option<()> {
        match answer {
            Ok(texts) => self.send(texts).await,
            Err(problem) => self.send(vec![refusal(message, &problem)]).await,
        }
    }

    async fn message(&mut self, message: Envelope, open: &mut FuturesUnordered<Open>) -> Option<()> {
        let Some(kind) = Message::named(&message.mt) else {
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

    /// The answer to one question, for somebody who waits for it; `None` when nobody knows the message.
    pub async fn answer_of(&mut self, message: Envelope) -> Option<Answer> {
        let kind = Message::named(&message.mt)?;
        if let Some(problem) = self.passive(kind) {
            return Some(Err(problem));
        }
        if let Some(answer) = self.at_once(kind, &message).await {
            return Some(answer);
        }
        let work = beside(Arc::clone(self.inner()), Arc::clone(&self.person), kind, message)?;
        Some(work.await.1)
    }

    /// Why nothing is done to phones by a gateway that was restored and has not taken over.
    fn passive(&self, kind: Message) -> Option<Problem> {
        let sentence = self.deps().store.restoration()?.passive_sentence()?;
        (kind.effect() == Effect::Acts).then(|| Text::new("passive").with("sentence", sentence).into())
    }

    /// Takes a whole file for an import and checks it.
    ///
    /// # Errors
    /// When it is too long.
    pub fn check_file(&mut self, bytes: &[u8]) -> Answer {
        let message = Envelope { mt: "ImportData".into(), api: None, src: None, body: Value::Null, raw: String::new() };
        let inner = Arc::clone(self.inner());
        self.upload.whole(&inner.deps, self.person.instance.id, bytes, &message)
    }

    /// Requests that are answered from memory, or that change what the page follows.
    async fn at_once(&mut self, kind: Message, message: &Envelope) -> Option<Answer> {
        let inner = Arc::clone(self.inner());
        let person = Arc::clone(&self.person);
        let instance = person.instance.id;
        Some(match kind {
            Message::Hello => session_info::hello(self.deps(), &person, message),
            Message::Devices => self.devices(message),
            Message::DevicesStop => {
                self.list = None;
                Ok(vec![result(message).text()])
            }
            Message::Phone => self.show_phone(message).await,
            Message::PhoneStop => {
                self.phone = None;
                Ok(vec![result(message).text()])
            }
            Message::Notices => {
                let now = notices::notices(&inner, instance);
                let answer = result(message).field("notices", &now).text();
                self.notices = Some((message.clone(), now));
                Ok(vec![answer])
            }
            Message::Tokens => tokens::tokens(self.deps(), instance, message),
            Message::Vendors => vendors::vendors(self.deps(), instance, message),
            Message::LineKeys => line_keys::line_keys(self.deps(), instance, message),
            Message::Settings => {
                self.settings = Some((message.clone(), self.deps().store.layers(instance).revision()));
                settings::settings(self.deps(), instance, message)
            }
            Message::HistorySubscribe => match history::newest(self.deps(), instance).await {
                Ok(newest) => {
                    self.history = Some((message.clone(), newest));
                    Ok(vec![result(message).text()])
                }
                Err(problem) => Err(problem),
            },
            Message::ImportData => self.upload.take(&inner.deps, instance, message),
            Message::ImportStart => match import::start(&self.desk, &person, &mut self.upload, message).await {
                Ok(answer) => {
                    self.import = Some((message.clone(), Value::Null));
                    Ok(vec![answer])
                }
                Err(problem) => Err(problem),
            },
            Message::ImportState => {
                let state = inner.imports.state(instance);
                self.import = Some((message.clone(), state.clone()));
                Ok(vec![import::progress(result(message), &state)])
            }
            Message::ImportStop => match import::stop(&self.desk, &person).await {
                Ok(()) => Ok(vec![result(message).text()]),
                Err(problem) => Err(problem),
            },
            _ => return None,
        })
    }

    fn devices(&mut self, message: &Envelope) -> Answer {
        let request: ListRequest = read(message)?;
        let rows = self.shelf().rows(self.person.instance.id);
        let view = View::new(rows, request.query.into(), request.sort, request.offset, request.count);
        let rows: Vec<Value> = view.rows().iter().map(|row| row.json()).collect();
        let answer = result(message)
            .field("offset", view.offset())
            .field("total", view.total())
            .field("all", view.counts().all())
            .field("counts", view.counts());
        self.list = request.subscribe.then(|| (message.clone(), view));
        super::response::list(answer, "rows", &rows)
    }

    async fn show_phone(&mut self, message: &Envelope) -> Answer {
        let request: PhoneRequest = read(message)?;
        let phone = actions::find(self.deps(), self.person.instance.id, &request.mac)?;
        let mut told = Told::default();
        let entries = timeline::happened(self.deps(), &phone, &mut told).await?;
        let (details, sentence) = timeline::details(self.deps(), self.shelf(), &phone);
        let sentence = serde_json::to_value(sentence).unwrap_or_default();
        let mut texts = vec![result(message).field("phone", &details).field("sentence", &sentence).text()];
        texts.extend(super::response::list(message.answer("PhoneTimeline"), "entries", &timeline::json(entries))?);
        self.phone = request.subscribe.then(|| Recording {
            message: message.clone(),
            phone: phone.id,
            told,
            shown: (details, sentence),
        });
        Ok(texts)
    }

    /// Rows have changed.
    async fn changed(&mut self, batch: &Batch) -> Option<()> {
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

    /// Changes were missed: everything is looked at anew.
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
        let Some(phone) = self.deps().store.roster().get(open.phone) else { return Some(()) };
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

    /// What is told without an announcement, once a second.
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
            let now = inner.deps.store.layers(instance).revision();
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

fn delta_texts(message: &Envelope, view: &View, delta: &Delta) -> Vec<String> {
    if delta.is_empty() {
        return Vec::new();
    }
    let ids = |ids: &[PhoneId]| ids.iter().map(|id| id.0).collect::<Vec<_>>();
    let head = message
        .answer("DevicesChanged")
        .maybe("gone", (!delta.gone.is_empty()).then(|| ids(&delta.gone)))
        .maybe("window", delta.window.as_deref().map(ids))
        .maybe("total", delta.total)
        .maybe("all", delta.counts.as_ref().map(Counts::all))
        .maybe("counts", delta.counts.as_ref().map(|_| view.counts()));
    let rows: Vec<Value> = delta.rows.iter().map(|row| row.json()).collect();
    super::response::list(head, "rows", &rows).unwrap_or_default()
}

/// Requests that wait for the store, a PBX, Devices or a redirect service.
fn beside(inner: Arc<Inner>, person: Arc<Person>, kind: Message, message: Envelope) -> Option<Open> {
    macro_rules! work {
        ($answer:expr) => {
            Some(Box::pin(async move {
                let answer: Answer = $answer.await;
                (message, answer)
            }))
        };
    }
    let instance = person.instance.id;
    match kind {
        Message::Act => work!(actions::act(&inner.deps, &person, &message)),
        Message::Categories => work!(actions::categories(&inner.deps, instance, &message)),
        Message::Chart => work!(activity_chart::chart(&inner.deps, instance, &message)),
        Message::Diff => work!(config_diff::diff(&inner.deps, instance, &message)),
        Message::Config => work!(rendered_config::config(&inner.deps, instance, &message)),
        Message::Reveal => work!(rendered_config::reveal(&inner.deps, &person, &message)),
        Message::SettingsSet => work!(settings_write::set(&inner.deps, &person, &message)),
        Message::SettingsPending => work!(settings::pending(&inner.deps, instance, &message)),
        Message::RedirectTest => work!(settings::redirect_test(&inner.deps, &person, &message)),
        Message::History => work!(history::history(&inner.deps, instance, &message)),
        Message::HistoryExport => work!(history::export(&inner.deps, instance, &message)),
        Message::HistoryPrune => work!(history::prune(&inner.deps, &person, &message)),
        Message::Audit => work!(audit::audit(&inner.deps, &person, &message)),
        Message::TokenCreate => work!(tokens::create_message(&inner.deps, &person, &message)),
        Message::TokenRevoke => work!(tokens::revoke_message(&inner.deps, &person, &message)),
        Message::Snapshot => work!(connections::snapshot(&inner, &person, &message)),
        Message::Thaw => work!(frozen_sources::thaw(&inner.deps, &person, &message)),
        // Answered at once.
        Message::Hello
        | Message::Devices
        | Message::DevicesStop
        | Message::Phone
        | Message::PhoneStop
        | Message::Notices
        | Message::Tokens
        | Message::Vendors
        | Message::LineKeys
        | Message::Settings
        | Message::HistorySubscribe
        | Message::ImportData
        | Message::ImportStart
        | Message::ImportState
        | Message::ImportStop => None,
    }
}
