//! The session of one page: its requests and subscriptions. Requests that wait for other components run concurrently.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use gangway_wire::appws::Envelope;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{broadcast::error::RecvError, mpsc};

use super::{
    answers,
    methods::Method,
    requests::{DevicesRequest, PhoneRequest, ScopeRequest},
    response::{MessageResult, read, rejection, reply, reply_list, result},
    subscriptions::Subscriptions,
    upload::Upload,
};
use crate::{
    base::telemetry::metric::{Metric, increment},
    net::appwebsocket::Link,
    service::{AdminService, ListView, ServiceError, actions, caller::Caller, import, settings, types::ImportOptions},
};

/// Maximum number of open requests.
const OPEN: usize = 32;
/// Interval for checking subscriptions that have no notifications.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A request that waits for another component.
type Open = Pin<Box<dyn Future<Output = (Envelope, MessageResult)> + Send>>;

/// `ImportStartResult`.
#[derive(Serialize)]
struct StartedLines {
    lines: u64,
}

/// One page.
pub struct AdminSession {
    service: AdminService,
    person: Arc<Caller>,
    out: Link,
    subscriptions: Subscriptions,
    upload: Upload,
}

impl AdminSession {
    /// Creates the session of a user who has just logged in.
    #[must_use]
    pub fn new(service: AdminService, person: Caller, out: Link) -> Self {
        let subscriptions = Subscriptions::new(service.clone(), person.instance.id);
        Self { service, person: Arc::new(person), out, subscriptions, upload: Upload::default() }
    }

    /// Runs the session until the socket closes.
    pub async fn serve(mut self, mut messages: mpsc::Receiver<Envelope>) {
        let mut open: FuturesUnordered<Open> = FuturesUnordered::new();
        let service = self.service.clone();
        let mut batches = service.device_changes();
        let (clock, tasks) = (&service.deps().clock, &service.deps().tasks);
        let mut look = clock.now();
        loop {
            let needs_checks = self.subscriptions.need_checks();
            let texts = tokio::select! {
                () = tasks.stopping() => return,
                message = messages.recv() => match message {
                    Some(message) if open.len() >= OPEN => vec![rejection(&message, &ServiceError::Busy)],
                    Some(message) => self.message(message, &mut open).await,
                    None => return,
                },
                Some((message, answer)) = open.next(), if !open.is_empty() => texts_of(&message, answer),
                batch = batches.recv() => match batch {
                    Ok(batch) => self.subscriptions.changed(&batch).await,
                    Err(RecvError::Lagged(_)) => self.subscriptions.catch_up().await,
                    Err(RecvError::Closed) => return,
                },
                () = clock.sleep_until(look), if needs_checks => {
                    look = clock.now().saturating_add(POLL_INTERVAL).unwrap_or(Timestamp::MAX);
                    self.subscriptions.check().await
                }
            };
            for text in texts {
                if self.out.send(text).await.is_err() {
                    return;
                }
            }
        }
    }

    /// Answers a message, or opens its request. Unknown messages are ignored and counted.
    async fn message(&mut self, message: Envelope, open: &mut FuturesUnordered<Open>) -> Vec<String> {
        let Some(kind) = Method::named(&message.mt) else {
            increment(Metric::MessagesIgnored, &[("reason", "unknown")]);
            return Vec::new();
        };
        if let Some(answer) = self.at_once(kind, &message).await {
            return texts_of(&message, answer);
        }
        let (service, person) = (self.service.clone(), Arc::clone(&self.person));
        open.push(Box::pin(async move {
            let answer = answers::answer(&service, &person, kind, &message).await;
            (message, answer)
        }));
        Vec::new()
    }

    /// Answers requests that read or change the state of the session. Returns `None` for all others.
    async fn at_once(&mut self, kind: Method, message: &Envelope) -> Option<MessageResult> {
        let empty = || Ok(vec![result(message).text()]);
        Some(match kind {
            Method::Devices => self.devices(message),
            Method::DevicesStop => {
                self.subscriptions.set_list(None);
                empty()
            }
            Method::Phone => self.phone(message).await,
            Method::PhoneStop => {
                self.subscriptions.close_phone();
                empty()
            }
            Method::Notices => {
                let notices = self.service.notices(self.person.instance.id);
                let answer = reply(message, &notices);
                self.subscriptions.follow_notices(message, notices);
                answer
            }
            Method::Settings => self.settings(message),
            Method::HistorySubscribe => match self.subscriptions.follow_history(message).await {
                Ok(()) => empty(),
                Err(error) => Err(error),
            },
            Method::ImportData => self.upload.take(self.service.deps(), self.person.instance.id, message),
            Method::ImportStart => self.start_import(message).await,
            Method::ImportState => {
                let state = self.service.import_state(self.person.instance.id);
                let answer = reply(message, &state);
                self.subscriptions.follow_import(message, Some(state));
                answer
            }
            Method::ImportStop => match import::stop(&self.service, &self.person).await {
                Ok(()) => empty(),
                Err(error) => Err(error),
            },
            _ => return None,
        })
    }

    fn devices(&mut self, message: &Envelope) -> MessageResult {
        let request: DevicesRequest = read(message)?;
        let view = ListView::of_request(self.service.device_rows(self.person.instance.id), request.list);
        let page = view.page();
        self.subscriptions.set_list(request.subscribe.then(|| (message.clone(), view)));
        reply_list(message, &page, "phones")
    }

    async fn phone(&mut self, message: &Envelope) -> MessageResult {
        let request: PhoneRequest = read(message)?;
        let phone = actions::find(self.service.deps(), self.person.instance.id, &request.mac)?;
        self.subscriptions.open_phone(message, &phone, request.subscribe).await
    }

    fn settings(&mut self, message: &Envelope) -> MessageResult {
        self.subscriptions.follow_settings(message);
        let request: ScopeRequest = read(message)?;
        let settings = settings::settings(self.service.deps(), self.person.instance.id, request.scope())?;
        reply_list(message, &settings, "settings")
    }

    async fn start_import(&mut self, message: &Envelope) -> MessageResult {
        let options: ImportOptions = read(message)?;
        let lines = import::start(&self.service, &self.person, self.upload.file(), options).await?;
        self.upload.forget();
        self.subscriptions.follow_import(message, None);
        reply(message, &StartedLines { lines })
    }
}

fn texts_of(message: &Envelope, answer: MessageResult) -> Vec<String> {
    answer.unwrap_or_else(|error| vec![rejection(message, &error)])
}
