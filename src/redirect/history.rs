//! What we said to redirect services and what they answered.

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
    /// The phone's record, where the call was for one.
    pub phone: Option<PhoneId>,
    /// The phone's MAC, where the call was for one.
    pub mac: Option<Mac>,
    /// The vendor whose service it is.
    pub vendor: String,
    /// `CHECK DEVICE`, `ADD SERVER`, `REDIRECT DEVICE`, `DEREGISTER DEVICE`.
    pub command: &'static str,
    /// When the call was sent.
    pub at: Timestamp,
    /// How long the answer took.
    pub took: Duration,
    /// What the answer meant by itself.
    pub outcome: RedirectResult,
    /// The raw answer, secrets masked, at most 4 KiB; the error's text when there was none.
    pub answer: String,
}

/// Where entries go. `record` must not block: it is called on the arbiter of all outgoing connections.
pub trait HistorySink: Send + Sync + 'static {
    /// Takes one entry.
    fn record(&self, entry: ExchangeRecord);
}
