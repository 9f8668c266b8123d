//! The tab "RPS history": calls to redirect services and their responses.

use gangway_base::mac::Mac;
use gangway_wire::appws::{Envelope, envelope::OUT_LIMIT};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ServiceDependencies, audit, csv,
    device_row::time,
    response::{MessageResult, RequestError, clip, mac, one, read, result},
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

#[derive(Deserialize, Default)]
#[serde(default)]
struct Filter {
    mac: String,
    vendor: String,
    command: String,
    search: String,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    filter: Filter,
    before: Option<i64>,
    #[serde(default = "usual")]
    count: usize,
}

fn usual() -> usize {
    100
}

#[derive(Deserialize)]
struct Prune {
    days: u32,
}

struct Ready {
    filter: Filter,
    mac: Option<Mac>,
    search: String,
}

impl Ready {
    fn new(filter: Filter) -> Result<Self, RequestError> {
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
) -> Result<(Vec<HistoryRow>, Option<i64>), RequestError> {
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

fn json(row: &HistoryRow) -> Value {
    let entry = &row.entry;
    json!({
        "id": row.id,
        "at": time(entry.at),
        "mac": entry.mac,
        "vendor": entry.vendor,
        "command": entry.command,
        "outcome": clip(&entry.outcome, ANSWER),
        "answer": clip(&entry.answer, ANSWER),
        "took": u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Answers `History`.
///
/// # Errors
/// If the request or the store cannot be read.
pub async fn history(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let request: Request = read(message)?;
    let ready = Ready::new(request.filter)?;
    let (rows, more) = search(deps, instance, &ready, request.before, request.count.min(MOST)).await?;
    let rows: Vec<Value> = rows.iter().map(json).collect();
    super::response::list(result(message).field("more", more), "rows", &rows)
}

/// Returns the number of the newest entry, or 0 if there is none.
///
/// # Errors
/// If the store cannot be read.
pub async fn newest(deps: &ServiceDependencies, instance: InstanceId) -> Result<i64, RequestError> {
    let rows =
        deps.store.redirect_history().entries(HistoryFilter { instance, mac: None, before: None, limit: 1 }).await?;
    Ok(rows.first().map_or(0, |row| row.id))
}

/// Answers `HistoryExport`: one text in pieces.
///
/// # Errors
/// If the request or the store cannot be read.
pub async fn export(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    /// A character takes at most six bytes in JSON; the rest of the message is short.
    const PIECE: usize = OUT_LIMIT / 6 - 512;
    let request: Request = read(message)?;
    let ready = Ready::new(request.filter)?;
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
            None => break,
        }
    }
    let mut texts = Vec::new();
    let mut rest = text.as_str();
    loop {
        let cut = rest.floor_char_boundary(PIECE.min(rest.len()));
        let (piece, after) = rest.split_at(cut);
        texts.push(
            result(message).field("text", piece).field(if after.is_empty() { "last" } else { "part" }, true).text(),
        );
        if after.is_empty() {
            return Ok(texts);
        }
        rest = after;
    }
}

/// Answers `HistoryPrune`.
///
/// # Errors
/// If the request cannot be read or the store cannot be written.
pub async fn prune(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let request: Prune = read(message)?;
    let deed = format!("drop the redirect history older than {} days", request.days);
    audit::entry(&deps.store, person, "", &deed).await?;
    let pruned = deps.store.redirect_history().prune(person.instance.id, request.days).await?;
    one(result(message).field("pruned", pruned))
}
