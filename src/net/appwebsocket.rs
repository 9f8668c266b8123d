//! A `Send` handle for one AppWebsocket. It assigns a `src` to each request and passes answers to the matching request.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gangway_wire::appws::{Envelope, envelope::Outgoing};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// Time limit for an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages queued for writing on one link before callers wait.
const OUT_QUEUE: usize = 256;
/// Maximum number of messages in one list answer.
const LIST_MESSAGES: usize = 100_000;
/// Maximum memory of one list answer: about 30,000 devices with all data from Devices.
const LIST_BYTES: usize = 128 << 20;
/// Memory overhead of one object member, besides its name and value.
const MEMBER: usize = 48;
/// Maximum number of open requests on one link.
const PENDING: usize = 1024;

/// Why a request over a link got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The socket is closed.
    #[error("the connection was closed before the answer came")]
    Closed,
    /// No answer within the time limit.
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout,
    /// The answer contains `error`.
    #[error("{0}")]
    Refused(String),
    /// The list is too long.
    #[error("the list in the answer takes more than {} MB or {LIST_MESSAGES} messages, and was given up", LIST_BYTES >> 20)]
    TooLong,
    /// Too many requests are open.
    #[error("too many requests are open on this connection")]
    Busy,
}

struct Job {
    text: String,
    asks: Option<LinkRequests>,
}

struct LinkRequests {
    src: String,
    mt: &'static str,
    list: bool,
    answers: Vec<Envelope>,
    /// Approximate memory of the answers.
    bytes: usize,
    reply: oneshot::Sender<Result<Vec<Envelope>, LinkError>>,
}

/// The side that sends requests. Cheap to clone, usable from any thread.
#[derive(Clone)]
pub struct Link {
    id: u64,
    next_src: Arc<AtomicU64>,
    out: mpsc::Sender<Job>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Link").field(&self.id).finish()
    }
}

/// The socket's side of a link.
pub struct LinkDriver {
    out: mpsc::Receiver<Job>,
    pending: HashMap<String, LinkRequests>,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// Creates a link: the handle for callers and the driver for the socket's loop.
#[must_use]
pub fn link() -> (Link, LinkDriver) {
    let (sender, out) = mpsc::channel(OUT_QUEUE);
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    (Link { id, next_src: Arc::new(AtomicU64::new(1)), out: sender }, LinkDriver { out, pending: HashMap::new() })
}

impl Link {
    /// Returns an id that is unique in this process. It distinguishes the late close of an old connection from a newer
    /// connection.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Returns true if the socket is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    /// Sends a message that expects no answer. Waits while the socket's queue is full.
    pub async fn send(&self, text: String) -> Result<(), LinkError> {
        self.out.send(Job { text, asks: None }).await.map_err(|_gone| LinkError::Closed)
    }

    /// Sends the request `mt` and waits for its answer. `message` creates the request with the given `src`.
    pub async fn request(
        &self,
        mt: &'static str,
        message: impl FnOnce(&str) -> Outgoing,
    ) -> Result<Envelope, LinkError> {
        self.ask(mt, false, message).await?.pop().ok_or(LinkError::Closed)
    }

    /// Requests a list that arrives in several messages; the final one has `last`.
    pub async fn request_list(
        &self,
        mt: &'static str,
        message: impl FnOnce(&str) -> Outgoing,
    ) -> Result<Vec<Envelope>, LinkError> {
        self.ask(mt, true, message).await
    }

    async fn ask(
        &self,
        mt: &'static str,
        list: bool,
        message: impl FnOnce(&str) -> Outgoing,
    ) -> Result<Vec<Envelope>, LinkError> {
        let src = format!("g{}", self.next_src.fetch_add(1, Ordering::Relaxed));
        let text = message(&src).text();
        let (reply, answer) = oneshot::channel();
        let asks = LinkRequests { src, mt, list, answers: Vec::new(), bytes: 0, reply };
        let request = async {
            self.out.send(Job { text, asks: Some(asks) }).await.map_err(|_gone| LinkError::Closed)?;
            answer.await.map_err(|_gone| LinkError::Closed)?
        };
        tokio::time::timeout(ANSWER_TIMEOUT, request).await.map_err(|_elapsed| LinkError::Timeout)?
    }
}

impl LinkDriver {
    /// Returns the next text to write to the socket, or `None` if all handles have been dropped.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let job = self.out.recv().await?;
            let Some(asks) = job.asks else { return Some(job.text) };
            self.pending.retain(|_, open| !open.reply.is_closed());
            if self.pending.len() >= PENDING {
                let _ = asks.reply.send(Err(LinkError::Busy));
                continue;
            }
            self.pending.insert(asks.src.clone(), asks);
            return Some(job.text);
        }
    }

    /// Passes an incoming message to the matching request, or returns it if there is none. An answer without `src` is
    /// passed to an open request of that type, because not every peer echoes `src`.
    pub fn answer(&mut self, message: Envelope) -> Option<Envelope> {
        let src = match message.src_text() {
            Some(src) => src,
            None => match message.mt.strip_suffix("Result") {
                Some(request) => match self.pending.iter().find(|(_, open)| open.mt == request) {
                    Some((src, _)) => src.clone(),
                    None => return Some(message),
                },
                None => return Some(message),
            },
        };
        let Some(open) = self.pending.get_mut(&src) else { return Some(message) };
        // Indications of a subscription have its `src` too, but only results are answers. Some documents show the
        // result of a list under the name of its request.
        if message.mt != open.mt && message.mt.strip_suffix("Result") != Some(open.mt) {
            return Some(message);
        }
        let error = message.error();
        let last = error.is_some() || !open.list || is_last(&message);
        open.bytes += if last { 0 } else { weight(&message.body) };
        let is_too_long = open.bytes > LIST_BYTES || open.answers.len() >= LIST_MESSAGES;
        // Store nothing if the caller no longer waits.
        if open.reply.is_closed() || is_too_long {
            open.answers = Vec::new();
        } else {
            // For lists the raw text is not needed in addition to the parsed message.
            open.answers.push(Envelope { raw: if open.list { String::new() } else { message.raw }, ..message });
        }
        if (last || is_too_long)
            && let Some(open) = self.pending.remove(&src)
        {
            let _ = open.reply.send(match error {
                Some(error) => Err(LinkError::Refused(error)),
                None if is_too_long => Err(LinkError::TooLong),
                None => Ok(open.answers),
            });
        }
        None
    }
}

/// Returns the approximate memory of a value.
fn weight(value: &Value) -> usize {
    let inside = match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(weight).sum(),
        Value::Object(members) => members.iter().map(|(name, value)| MEMBER + name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + inside
}

/// Whether `last` is true or absent (a list in one message).
fn is_last(message: &Envelope) -> bool {
    message.body.get("last").is_none_or(|last| last.as_bool().unwrap_or(true))
}

#[cfg(test)]
mod tests {
    use gangway_wire::appws::IN_LIMIT;

    use super::*;

    fn envelope(text: &str) -> Envelope {
        Envelope::parse(text, IN_LIMIT).unwrap()
    }

    fn ask(src: &str) -> Outgoing {
        Outgoing::request(None, "Ask", src)
    }

    #[tokio::test]
    async fn answers_find_their_askers_in_any_order() {
        let (link, mut end) = link();
        let socket = async {
            end.next().await.unwrap();
            end.next().await.unwrap();
            for n in [2, 1] {
                assert!(end.answer(envelope(&format!(r#"{{"mt":"AskResult","src":"g{n}","n":{n}}}"#))).is_none());
            }
            assert!(end.answer(envelope(r#"{"mt":"AskResult","src":"g9"}"#)).is_some());
        };
        let (first, second, ()) = tokio::join!(link.request("Ask", ask), link.request("Ask", ask), socket);
        assert_eq!((first.unwrap().body["n"].as_u64(), second.unwrap().body["n"].as_u64()), (Some(1), Some(2)));
    }

    #[tokio::test]
    async fn a_list_ends_with_last_and_an_error_ends_it_at_once() {
        let (link, mut end) = link();
        let socket = async {
            end.next().await.unwrap();
            assert!(end.answer(envelope(r#"{"mt":"AskResult","src":"g1","rows":[1],"last":false}"#)).is_none());
            assert!(end.answer(envelope(r#"{"mt":"RowAdded","src":"g1","row":7}"#)).is_some());
            assert!(end.answer(envelope(r#"{"mt":"AskResult","src":"g1","rows":[2],"last":true}"#)).is_none());
            end.next().await.unwrap();
            assert!(end.answer(envelope(r#"{"mt":"AskResult","error":"no rights"}"#)).is_none());
        };
        let asker = async {
            assert_eq!(link.request_list("Ask", ask).await.unwrap().len(), 2);
            let refused = link.request_list("Ask", ask).await.unwrap_err();
            assert_eq!(refused, LinkError::Refused("no rights".to_owned()));
        };
        tokio::join!(asker, socket);
    }

    #[tokio::test]
    async fn a_list_without_end_is_given_up() {
        let (link, mut end) = link();
        // A message of few bytes that needs much memory, and one with a long text.
        let nothing = format!(r#"{{"mt":"AskResult","src":"g1","rows":[{}0],"last":false}}"#, "0,".repeat(500_000));
        let text = format!(r#"{{"mt":"AskResult","src":"g2","rows":["{}"],"last":false}}"#, "x".repeat(1_000_000));
        let socket = async {
            for (message, most) in [(nothing, 10), (text, 140)] {
                end.next().await.unwrap();
                let sent = (0..1_000).take_while(|_| end.answer(envelope(&message)).is_none()).count();
                assert!(sent <= most, "{sent} messages of {} bytes were taken", message.len());
            }
        };
        let asker = async {
            for _ in 0..2 {
                assert_eq!(link.request_list("Ask", ask).await.unwrap_err(), LinkError::TooLong);
            }
        };
        tokio::join!(asker, socket);
    }

    #[tokio::test]
    async fn nothing_is_kept_for_an_asker_that_has_given_up() {
        let (link, mut end) = link();
        let mut asking = Box::pin(link.request_list("Ask", ask));
        let request = tokio::select! { biased; _ = &mut asking => None, text = end.next() => text };
        assert!(request.is_some());
        assert!(end.answer(envelope(r#"{"mt":"AskResult","src":"g1","rows":[1],"last":false}"#)).is_none());
        drop(asking);
        assert!(end.answer(envelope(r#"{"mt":"AskResult","src":"g1","rows":[2],"last":false}"#)).is_none());
        assert!(end.pending["g1"].answers.is_empty());
    }

    #[tokio::test]
    async fn a_closed_socket_answers_every_open_question() {
        let (link, mut end) = link();
        let (answer, ()) = tokio::join!(link.request("Ask", ask), async {
            end.next().await.unwrap();
            drop(end);
        });
        assert_eq!(answer.unwrap_err(), LinkError::Closed);
        assert!(link.is_closed());
    }
}
