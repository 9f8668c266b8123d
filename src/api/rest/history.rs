//! The history of redirect services, and the audit.

use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    Problem,
    request::{RestRequest, limit},
    response::RestResponse,
};
use crate::service::{
    audit,
    history::{self, CallFilter, CallQuery},
    types::{AuditPage, HistoryPage, Pruned},
};

/// Maximum number of rows in one response.
const ROWS: u32 = 500;

/// Which calls.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct HistoryQuery {
    /// Of this phone; every usual spelling does.
    #[param(pattern = "^(?!0{12}$)[0-9a-fA-F][02468aceACE][0-9a-fA-F]{10}$")]
    mac: Option<String>,
    /// At this vendor's service.
    vendor: Option<String>,
    /// With this command.
    command: Option<String>,
    /// In which this occurs.
    search: Option<String>,
    /// From this time on.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<Timestamp>,
    /// Older than this row.
    before: Option<i64>,
    /// Rows of the answer.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
}

/// Calls to redirect services, newest first.
#[utoipa::path(get, path = "/history", tag = "history", params(HistoryQuery), responses((status = 200, body = HistoryPage, description = "The calls")))]
pub async fn list(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: HistoryQuery = call.query()?;
    let count = limit(query.limit, 100, ROWS)?;
    if query.mac.as_deref().is_some_and(|mac| mac.trim().is_empty()) {
        return Err(Problem::unreadable("query", "mac is empty"));
    }
    let filter = CallFilter {
        mac: query.mac.unwrap_or_default(),
        vendor: query.vendor.unwrap_or_default(),
        command: query.command.unwrap_or_default(),
        search: query.search.unwrap_or_default(),
        from: query.from,
        to: query.to,
    };
    let calls = CallQuery { filter, before: query.before, count: usize::try_from(count).unwrap_or(usize::MAX) };
    let page = history::history(call.service.deps(), call.caller.instance.id, calls).await?;
    RestResponse::json(&page)
}

/// What is dropped.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PruneQuery {
    /// Calls older than so many days.
    #[param(maximum = 36_500)]
    older_than_days: u32,
}

/// Drops old calls.
#[utoipa::path(delete, path = "/history", tag = "history", params(PruneQuery), responses((status = 200, body = Pruned, description = "They are gone")))]
pub async fn prune(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: PruneQuery = call.query()?;
    if query.older_than_days > 36_500 {
        return Err(Problem::unreadable("query", "olderThanDays is beyond 36500"));
    }
    let pruned = history::prune(call.service.deps(), &call.caller, query.older_than_days).await?;
    RestResponse::json(&pruned)
}

/// Which deeds.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// Older than this row.
    before: Option<i64>,
    /// Rows of the answer.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<u32>,
}

/// Who changed what or had a secret shown, newest first.
#[utoipa::path(get, path = "/audit", tag = "history", params(AuditQuery), responses((status = 200, body = AuditPage, description = "The deeds")))]
pub async fn audit(call: RestRequest) -> Result<RestResponse, Problem> {
    let query: AuditQuery = call.query()?;
    let count = limit(query.limit, 100, ROWS)?;
    let page = audit::audit(call.service.deps(), call.caller.instance.id, query.before, count).await?;
    RestResponse::json(&page)
}
