//! The state of the server entry of each redirect account.

use std::collections::HashMap;

use jiff::Timestamp;

use super::{
    context::AccountFacts,
    endpoint_queue::{EndpointKey, EndpointQueues, Permit},
    flow::{ServerContext, ServerDecision, ServerEntryProgress, ServerReadiness, server_entry},
};
use crate::{
    phone::{instance::InstanceId, record::PhoneId},
    redirect::RedirectResult,
};

/// Instance and vendor.
type Key = (InstanceId, String);

/// The state of the entry of each account. Kept in memory only, so that a start writes the entry again.
#[derive(Default)]
pub(super) struct ServerEntryStates {
    entries: HashMap<Key, AccountEntry>,
    /// The last known serial numbers of rejected phones, to notice when an administrator changes one.
    serials: HashMap<PhoneId, String>,
}

#[derive(Default)]
struct AccountEntry {
    entry: ServerEntryProgress,
    next: Option<Timestamp>,
    busy: bool,
}

/// A server entry to write.
pub(super) struct ServerEntryJob {
    pub(super) key: Key,
    pub(super) facts: AccountFacts,
    pub(super) name: String,
    pub(super) url: String,
}

impl ServerEntryStates {
    pub(super) fn readiness(&self, facts: &AccountFacts) -> ServerReadiness {
        let key = (facts.account.instance, facts.account.vendor.clone());
        match (&facts.server, self.entries.get(&key)) {
            (Some(server), Some(account)) => account.entry.readiness(&server.name, server.url.expose()),
            _ => ServerReadiness::Pending,
        }
    }

    /// Whether the serial number of a rejected phone differs from the last known one (none before the first call).
    /// Stores the new one.
    pub(super) fn serial_is_new(&mut self, phone: PhoneId, serial: Option<String>) -> bool {
        let serial = serial.unwrap_or_default();
        let known = self.serials.insert(phone, serial.clone()).unwrap_or_default();
        known != serial
    }

    /// The earliest time at which an entry is to be decided again.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.entries.values().filter(|account| !account.busy).filter_map(|account| account.next).min()
    }

    /// An administrator changed something: entries that were rejected may be accepted now.
    pub(super) fn forget_refusals(&mut self, instance: InstanceId) {
        for ((of, _), account) in &mut self.entries {
            if *of == instance {
                account.entry.refused = None;
            }
        }
    }

    pub(super) fn decide(
        &mut self,
        instance: InstanceId,
        vendor: &str,
        facts: Option<AccountFacts>,
        endpoints: &mut EndpointQueues,
        now: Timestamp,
    ) -> Option<ServerEntryJob> {
        let account = self.entries.entry((instance, vendor.to_owned())).or_default();
        account.next = None;
        if account.busy {
            return None;
        }
        let facts = facts?;
        let context = ServerContext {
            configured: true,
            name: facts.server.as_ref().map(|server| server.name.clone()).unwrap_or_default(),
            url: facts.server.as_ref().map(|server| server.url.expose().to_owned()),
        };
        let (name, url) = match server_entry(&account.entry, &context) {
            ServerDecision::Write { name, url } => (name, url),
            ServerDecision::WaitFor(_) | ServerDecision::Settled => return None,
        };
        match endpoints.server_turn(&EndpointKey::redirect(&facts.account), now) {
            Permit::Go { .. } => {
                account.busy = true;
                Some(ServerEntryJob { key: (instance, vendor.to_owned()), facts, name, url })
            }
            Permit::Later(at) => {
                account.next = Some(at);
                None
            }
            Permit::Queued => None,
        }
    }
    /// Handles the result of writing an entry with the requested `name`; `standing` is its actual name, if it exists.
    /// A rejection counts only if the account is the same as when the call began.
    pub(super) fn answered(
        &mut self,
        key: &Key,
        name: String,
        url: String,
        standing: Option<String>,
        outcome: &RedirectResult,
        is_current: bool,
    ) {
        let account = self.entries.entry(key.clone()).or_default();
        account.busy = false;
        if let Some(standing) = standing {
            account.entry.ensured = Some((standing, url));
            account.entry.refused = None;
        } else if is_current && !outcome.is_retryable() {
            tracing::warn!(vendor = key.1, "the server entry was refused: {}", outcome.sentence());
            account.entry.refused = Some((name, url, outcome.sentence()));
        }
    }
}
