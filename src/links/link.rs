//! A `Send` handle on one AppWebsocket: requests get a `src`, answers find their asker.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

/// How long an answer may take.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// Messages waiting to be written on one link before askers wait.
const OUT_QUEUE: usize = 256;
/// Rows one list answer may have; more means that the peer has gone mad.
const LIST_ROWS: usize = 200_000;
/// Requests one link may have open.
const PENDING: usize = 1024;

/// Why a question over a link got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The socket is gone.
    #[error("the connection was closed before the answer came")]
    Closed,
    /// Nothing came in time.
    #[error("no answer within {} s", ANSWER_PATIENCE.as_secs())]
    Timeout,
    /// The answer carries `error`.
    #[error("{0}")]
    Refused(String),
    /// Too many questions are open.
    #[error("too many requests are open on this connection")]
    Busy,
}

enum Outgoing {
    Text(String),
    Request { body: Map<String, Value>, waiting: Waiting },
}

enum Waiting {
    One(oneshot::Sender<Result<Value, LinkError>>),
    Many { rows: Vec<Value>, answer: oneshot::Sender<Result<Vec<Value>, LinkError>> },
}

/// The asking side. Cheap to clone, usable from any thread.
#[derive(Debug, Clone)]
pub struct Link {
    id: u64,
    out: mpsc::Sender<Outgoing>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text",
            Self::Request { .. } => "Request",
        })
    }
}

/// The socket's side of a link.
pub struct LinkEnd {
    out: mpsc::Receiver<Outgoing>,
    pending: HashMap<String, (String, Waiting)>,
    next_src: u64,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A new link: the handle for askers and the end for the socket's loop.
#[must_use]
pub fn link() -> (Link, LinkEnd) {
    let (sender, out) = mpsc::channel(OUT_QUEUE);
    let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    (Link { id, out: sender }, LinkEnd { out, pending: HashMap::new(), next_src: 1 })
}

impl Link {
    /// Unlike any other link of this process; a late goodbye is told from a newer connection by it.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// True when the socket is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.out.is_closed()
    }

    /// Sends a ready message text, no answer expected. Waits while the socket's queue is full.
    pub async fn send(&self, text: String) -> Result<(), LinkError> {
        self.out.send(Outgoing::Text(text)).await.map_err(|_gone| LinkError::Closed)
    }

    /// Asks and waits for the one answer. `body` holds everything but `src`.
    pub async fn request(&self, body: Map<String, Value>) -> Result<Value, LinkError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Outgoing::Request { body, waiting: Waiting::One(sender) }, answer).await
    }

    /// Asks for a list that comes in several messages, the final one with `last`.
    pub async fn request_list(&self, body: Map<String, Value>) -> Result<Vec<Value>, LinkError> {
        let (sender, answer) = oneshot::channel();
        self.ask(Outgoing::Request { body, waiting: Waiting::Many { rows: Vec::new(), answer: sender } }, answer).await
    }

    async fn ask<T>(&self, out: Outgoing, answer: oneshot::Receiver<Result<T, LinkError>>) -> Result<T, LinkError> {
        let asked = async {
            self.out.send(out).await.map_err(|_gone| LinkError::Closed)?;
            answer.await.map_err(|_gone| LinkError::Closed)?
        };
        tokio::time::timeout(ANSWER_PATIENCE, asked).await.map_err(|_elapsed| LinkError::Timeout)?
    }
}

impl LinkEnd {
    /// The next text to write to the socket; `None` when every handle is gone.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            match self.out.recv().await? {
                Outgoing::Text(text) => return Some(text),
                Outgoing::Request { mut body, waiting } => {
                    self.forget_abandoned();
                    if self.pending.len() >= PENDING {
                        waiting.finish(Err(LinkError::Busy));
                        continue;
                    }
                    let src = format!("g{}", self.next_src);
                    self.next_src += 1;
                    let mt = body.get("mt").and_then(Value::as_str).unwrap_or_default().to_owned();
                    body.insert("src".to_owned(), Value::String(src.clone()));
                    self.pending.insert(src, (mt, waiting));
                    return Some(Value::Object(body).to_string());
                }
            }
        }
    }

    /// Hands an incoming message to whoever asked for it; `false` when nobody did. An answer without `src` goes to
    /// the only open request of that type, since not every peer echoes it.
    pub fn answer(&mut self, mt: &str, src: Option<&str>, message: &Value) -> bool {
        let src = match src {
            Some(src) if self.pending.contains_key(src) => src.to_owned(),
            Some(_) => return false,
            None => {
                let Some(asked) = mt.strip_suffix("Result") else { return false };
                let Some(src) = self.pending.iter().find(|(_, (mt, _))| mt == asked).map(|(src, _)| src.clone()) else {
                    return false;
                };
                src
            }
        };
        let Some((asked, mut waiting)) = self.pending.remove(&src) else { return false };
        // Indications of a subscription carry its src too; only results answer (some documents print the result of a
        // list under the name of its request).
        if !mt.ends_with("Result") && mt != asked {
            self.pending.insert(src, (asked, waiting));
            return false;
        }
        if let Some(error) = error_text(message) {
            waiting.finish(Err(LinkError::Refused(error)));
            return true;
        }
        if let Waiting::Many { rows, .. } = &mut waiting {
            rows.push(message.clone());
            if !is_last(message) && rows.len() < LIST_ROWS {
                self.pending.insert(src, (asked, waiting));
                return true;
            }
        }
        waiting.finish(Ok(message.clone()));
        true
    }

    fn forget_abandoned(&mut self) {
        self.pending.retain(|_, (_, waiting)| !waiting.is_abandoned());
    }
}

impl Waiting {
    fn finish(self, result: Result<Value, LinkError>) {
        match self {
            Self::One(answer) => drop(answer.send(result)),
            Self::Many { rows, answer } => drop(answer.send(result.map(|_| rows))),
        }
    }

    fn is_abandoned(&self) -> bool {
        match self {
            Self::One(answer) => answer.is_closed(),
            Self::Many { answer, .. } => answer.is_closed(),
        }
    }
}

/// `last` is true, or absent altogether (a list in one message).
fn is_last(message: &Value) -> bool {
    message.get("last").is_none_or(|last| last.as_bool().unwrap_or(true))
}

/// The text of a present, non-empty `error` member; any such member marks a failed result.
fn error_text(message: &Value) -> Option<String> {
    match message.get("error")? {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[tokio::test]
    async fn answers_find_their_askers_in_any_order() {
        let (link, mut end) = link();
        let socket = async {
            let first: Value = serde_json::from_str(&end.next().await.unwrap()).unwrap();
            let second: Value = serde_json::from_str(&end.next().await.unwrap()).unwrap();
            for (sent, n) in [(second, 2), (first, 1)] {
                let answer = json!({"mt": "AskResult", "src": sent["src"], "n": n});
                assert!(end.answer("AskResult", sent["src"].as_str(), &answer));
            }
            assert!(!end.answer("AskResult", Some("g9"), &json!({})));
        };
        let (first, second, ()) =
            tokio::join!(link.request(body(json!({"mt": "Ask"}))), link.request(body(json!({"mt": "Ask"}))), socket);
        assert_eq!((first.unwrap()["n"].clone(), second.unwrap()["n"].clone()), (json!(1), json!(2)));
    }

    #[tokio::test]
    async fn a_list_ends_with_last_and_an_error_ends_it_at_once() {
        let (link, mut end) = link();
        let socket = async {
            end.next().await.unwrap();
            assert!(end.answer("RowsResult", Some("g1"), &json!({"rows": [1], "last": false})));
            assert!(!end.answer("RowAdded", Some("g1"), &json!({"row": 7})));
            assert!(end.answer("RowsResult", Some("g1"), &json!({"rows": [2], "last": true})));
            end.next().await.unwrap();
            assert!(end.answer("RowsResult", None, &json!({"error": "no rights"})));
        };
        let asker = async {
            let rows = link.request_list(body(json!({"mt": "Rows"}))).await.unwrap();
            assert_eq!(rows.len(), 2);
            let refused = link.request_list(body(json!({"mt": "Rows"}))).await.unwrap_err();
            assert_eq!(refused, LinkError::Refused("no rights".to_owned()));
        };
        tokio::join!(asker, socket);
    }

    #[tokio::test]
    async fn a_closed_socket_answers_every_open_question() {
        let (link, mut end) = link();
        let (answer, ()) = tokio::join!(link.request(body(json!({"mt": "Ask"}))), async {
            end.next().await.unwrap();
            drop(end);
        });
        assert_eq!(answer.unwrap_err(), LinkError::Closed);
        assert!(link.is_closed());
    }
}
