//! What a command gets back while it is carried out.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{service::ServiceError, store::StoreError};

/// Rows are sent together until they have this many bytes.
const ROW_BYTES: usize = 128 << 10;

/// One reply. `Accepted` is the first one over the local socket; `Done` or `Failed` is the last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum CommandReply {
    /// The gateway has read the whole request and starts to carry it out. Without this reply nothing was done.
    Accepted,
    /// The gateway still carries out the request. It says so when it has sent nothing else for a while.
    Working,
    /// How far the work is.
    Progress {
        /// Parts that are done.
        done: u64,
        /// All parts; 0 if that is not known.
        of: u64,
    },
    /// A sentence for the user.
    Note {
        /// The sentence.
        text: String,
    },
    /// The next rows of a list.
    Rows {
        /// The rows.
        rows: Vec<Value>,
    },
    /// The result.
    Done {
        /// Its data; see `CommandRequest`.
        result: Value,
    },
    /// The command is rejected or failed.
    Failed {
        /// Why.
        error: CommandError,
    },
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandErrorKind {
    /// The request cannot be carried out as it is.
    Rejected,
    /// The request needs a running gateway.
    NeedsGateway,
    /// The work failed.
    Failed,
}

/// Why a command is not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{sentence}")]
pub struct CommandError {
    /// The kind.
    pub kind: CommandErrorKind,
    /// What was attempted, why it failed, and what to do.
    pub sentence: String,
    /// The causes, outermost first.
    pub causes: Vec<String>,
}

impl CommandError {
    /// An error without causes.
    #[must_use]
    pub fn new(kind: CommandErrorKind, sentence: impl Into<String>) -> Self {
        Self { kind, sentence: sentence.into(), causes: Vec::new() }
    }

    /// A request that cannot be carried out as it is.
    #[must_use]
    pub fn rejected(sentence: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Rejected, sentence)
    }

    /// Work that failed.
    #[must_use]
    pub fn failed(sentence: impl Into<String>) -> Self {
        Self::new(CommandErrorKind::Failed, sentence)
    }

    /// Work that failed, with what was attempted and why it failed.
    #[must_use]
    pub fn caused(sentence: impl Into<String>, cause: &dyn std::error::Error) -> Self {
        Self { causes: causes(Some(cause)), ..Self::failed(sentence) }
    }
}

fn causes(first: Option<&dyn std::error::Error>) -> Vec<String> {
    std::iter::successors(first, |cause| cause.source()).map(ToString::to_string).collect()
}

impl From<StoreError> for CommandError {
    fn from(error: StoreError) -> Self {
        Self { causes: causes(std::error::Error::source(&error)), ..Self::failed(error.to_string()) }
    }
}

impl From<ServiceError> for CommandError {
    fn from(error: ServiceError) -> Self {
        let fields: Vec<String> = error.fields().iter().map(|field| field.message.english()).collect();
        Self::rejected(if fields.is_empty() { error.to_string() } else { fields.join(" ") })
    }
}

/// The way of replies to the command. Replies are dropped once the command has gone.
#[derive(Debug, Clone)]
pub struct Replies(mpsc::Sender<CommandReply>);

impl Replies {
    /// Creates a channel that holds a few replies.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<CommandReply>) {
        let (sender, receiver) = mpsc::channel(8);
        (Self(sender), receiver)
    }

    /// Sends a reply; waits while the command reads slowly.
    pub async fn send(&self, reply: CommandReply) {
        // Fails only if the command has gone.
        let _ = self.0.send(reply).await;
    }

    /// Sends a sentence for the user.
    pub async fn note(&self, text: impl Into<String>) {
        self.send(CommandReply::Note { text: text.into() }).await;
    }

    /// Sends how far the work is, unless the command reads slowly.
    pub fn progress(&self, done: u64, of: u64) {
        let _ = self.0.try_send(CommandReply::Progress { done, of });
    }

    /// Sends the rows of a list, several in one reply.
    pub async fn rows(&self, rows: impl Iterator<Item = Value>) {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for row in rows {
            bytes += row.to_string().len();
            batch.push(row);
            if bytes >= ROW_BYTES {
                self.send(CommandReply::Rows { rows: std::mem::take(&mut batch) }).await;
                bytes = 0;
            }
        }
        if !batch.is_empty() {
            self.send(CommandReply::Rows { rows: batch }).await;
        }
    }

    /// Waits until the command has gone.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}
