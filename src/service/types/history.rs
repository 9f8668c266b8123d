//! The history of redirect services and the audit log.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Rfc3339Time;

/// One call to a redirect service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = HistoryRow)]
pub struct HistoryInfo {
    /// Grows with time.
    pub id: i64,
    /// When.
    pub at: Rfc3339Time,
    /// For which phone.
    pub mac: Option<String>,
    /// At which vendor's service.
    pub vendor: String,
    /// What was asked.
    pub command: String,
    /// What came of it.
    pub outcome: String,
    /// What was answered, secrets masked.
    pub answer: String,
    /// How long it took, in milliseconds.
    pub took: u64,
}

/// Calls to redirect services, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPage {
    /// The calls.
    pub rows: Vec<HistoryInfo>,
    /// Go on with `before` this; null at the end.
    pub more: Option<i64>,
}

/// Calls that were dropped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pruned {
    /// How many.
    pub pruned: u64,
}

/// Who did what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditRow)]
pub struct AuditInfo {
    /// Grows with time.
    pub id: i64,
    /// When.
    pub at: Rfc3339Time,
    /// Who.
    pub who: String,
    /// `page`, `rest` or `command`.
    pub way: String,
    /// Address of the client; empty for commands.
    pub source: String,
    /// A MAC, a scope, a name, or nothing for the whole instance.
    pub target: String,
    /// What was done.
    pub deed: String,
}

/// Who did what, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditPage {
    /// The deeds.
    pub rows: Vec<AuditInfo>,
    /// Go on with `before` this; null at the end.
    pub more: Option<i64>,
}
