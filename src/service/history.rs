//! The tab "RPS history": calls to redirect services and their responses.

use gangway_base::mac::Mac;
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    ServiceDependencies,
    actions::mac,
    audit,
    clip::clip,
    csv,
    device_row::time,
    error::ServiceError,
    types::{HistoryInfo, HistoryPage, Pruned},
};
use crate::{
    phone::instance::InstanceId,
    service::caller::Caller,
    store::{HistoryFilter, HistoryRow},
};

/// Number of rows read from the store at once.
const PAGE: u32 = 500;
/// Maximum number of rows searched for one answer. If not enough match, the next request continues from there.
const LOOKED_AT: usize = 50_000;
/// Maximum number of rows in one answer.
const MOST: usize = 500;
/// Maximum length of a service's response in an answer, in characters.
const ANSWER: usize = 4_096;

/// Which calls.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CallFilter {
    /// Of this phone, in any usual spelling; empty = all.
    pub mac: String,
    /// At this vendor's service; empty = all.
    pub vendor: String,
    /// With this command; empty = all.
    pub command: String,
    /// Text that occurs in the call; empty = all.
    pub search: String,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
}

/// A request for calls to redirect services.
#[derive(Debug, Deserialize)]
pub struct CallQuery {
    /// Which calls.
    #[serde(default)]
    pub filter: CallFilter,
    /// Older than this row.
    #[serde(default)]
    pub before: Option<i64>,
    /// Rows of the answer, at most 500.
    #[serde(default = "usual")]
    pub count: usize,
}

fn usual() -> usize {
    100
}

struct Ready {
    filter: CallFilter,
    mac: Option<Mac>,
    search: String,
}

impl Ready {
    fn new(filter: CallFilter) -> Result<Self, ServiceError> {
        let mac = match filter.mac.trim() {
            "" => None,
            typed => Some(mac(typed)?),
        };
        let search = filter.search.to_lowercase();
        Ok(Self { filter, mac, search })
    }

    fn matches(&self, row: &HistoryRow) -> bool {
        let (filter, entry) = (&self.filter, &row.entry);
        let same = |wanted: &str, there: &str| wanted.is_empty() || wanted.eq_ignore_ascii_case(there);
        same(&filter.vendor, &entry.vendor)
            && same(&filter.command, &entry.command)
            && filter.from.is_none_or(|from| entry.at >= from)
            && filter.to.is_none_or(|to| entry.at < to)
            && (self.search.is_empty()
                || entry.outcome.to_lowercase().contains(&self.search)
                || entry.answer.to_lowercase().contains(&self.search)
                || entry.command.to_lowercase().contains(&self.search)
                || entry.mac.is_some_and(|mac| mac.to_string().contains(&self.search)))
    }
}

/// Returns matching rows, newest first, and where to continue.
async fn search(
    deps: &ServiceDependencies,
    instance: InstanceId,
    ready: &Ready,
    mut before: Option<i64>,
    count: usize,
) -> Result<(Vec<HistoryRow>, Option<i64>), ServiceError> {
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        let page = deps
            .store
            .redirect_history()
            .entries(HistoryFilter { instance, mac: ready.mac, before, limit: PAGE })
            .await?;
        let is_last = page.len() < PAGE as usize;
        for row in page {
            if found.len() == count || looked_at == LOOKED_AT {
                return Ok((found, before));
            }
            looked_at += 1;
            before = Some(row.id);
            // Entries are stored in the order of their calls, except for a few concurrent ones.
            if ready.matches(&row) {
                found.push(row);
            }
        }
        if is_last {
            return Ok((found, None));
        }
    }
}

fn info(row: &HistoryRow) -> HistoryInfo {
    let entry = &row.entry;
    HistoryInfo {
        id: row.id,
        at: entry.at.into(),
        mac: entry.mac.map(|mac| mac.to_string()),
        vendor: entry.vendor.clone(),
        command: entry.command.clone(),
        outcome: clip(&entry.outcome, ANSWER),
        answer: clip(&entry.answer, ANSWER),
        took: u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Returns calls to redirect services, newest first.
///
/// # Errors
/// If the filter is invalid or the store cannot be read.
pub async fn history(
    deps: &ServiceDependencies,
    instance: InstanceId,
    query: CallQuery,
) -> Result<HistoryPage, ServiceError> {
    let ready = Ready::new(query.filter)?;
    let (rows, more) = search(deps, instance, &ready, query.before, query.count.min(MOST)).await?;
    Ok(HistoryPage { rows: rows.iter().map(info).collect(), more })
}

/// Returns the number of the newest entry, or 0 if there is none.
///
/// # Errors
/// If the store cannot be read.
pub async fn newest(deps: &ServiceDependencies, instance: InstanceId) -> Result<i64, ServiceError> {
    let rows =
        deps.store.redirect_history().entries(HistoryFilter { instance, mac: None, before: None, limit: 1 }).await?;
    Ok(rows.first().map_or(0, |row| row.id))
}

/// Returns all matching calls as CSV.
///
/// # Errors
/// If the filter is invalid or the store cannot be read.
pub async fn export(
    deps: &ServiceDependencies,
    instance: InstanceId,
    filter: CallFilter,
) -> Result<String, ServiceError> {
    let ready = Ready::new(filter)?;
    let mut text = String::new();
    csv::write(&mut text, &["time", "mac", "vendor", "command", "outcome", "took_ms", "answer"]);
    let mut before = None;
    loop {
        let (rows, more) = search(deps, instance, &ready, before, MOST).await?;
        for row in &rows {
            let entry = &row.entry;
            let (at, mac) = (time(entry.at), entry.mac.map(|mac| mac.to_string()).unwrap_or_default());
            let took = entry.took.as_millis().to_string();
            let answer = clip(&entry.answer, ANSWER);
            csv::write(&mut text, &[&at, &mac, &entry.vendor, &entry.command, &entry.outcome, &took, &answer]);
        }
        match more {
            Some(_) => before = more,
            None => return Ok(text),
        }
    }
}

/// Deletes calls older than `days` days.
///
/// # Errors
/// If the store cannot be written.
pub async fn prune(deps: &ServiceDependencies, person: &Caller, days: u32) -> Result<Pruned, ServiceError> {
    audit::entry(&deps.store, person, "", &format!("drop the redirect history older than {days} days")).await?;
    Ok(Pruned { pruned: deps.store.redirect_history().prune(person.instance.id, days).await? })
}
