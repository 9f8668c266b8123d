//! The history of calls to redirect services and their answers.

use std::time::Duration;

use gangway_base::mac::Mac;
use jiff::Timestamp;

use super::result::RedirectResult;
use crate::phone::{instance::InstanceId, record::PhoneId};

/// One call and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeRecord {
    /// The tenant.
    pub instance: InstanceId,
    /// The phone's record, if the call was for a phone.
    pub phone: Option<PhoneId>,
    /// The phone's MAC, if the call was for a phone.
    pub mac: Option<Mac>,
    /// The vendor of the service.
    pub vendor: String,
    /// `CHECK DEVICE`, `ADD SERVER`, `REDIRECT DEVICE`, `DEREGISTER DEVICE`.
    pub command: &'static str,
    /// When the call was sent.
    pub at: Timestamp,
    /// How long the answer took.
    pub took: Duration,
    /// The result of this answer alone.
    pub outcome: RedirectResult,
    /// The raw answer, at most 4 KiB, with secrets masked; the text of the error if there was no answer.
    pub answer: String,
}

/// Receives history entries. `record` must not block: it is called on the arbiter of all outgoing connections.
pub trait HistorySink: Send + Sync + 'static {
    /// Records one entry.
    fn record(&self, entry: ExchangeRecord);
}
