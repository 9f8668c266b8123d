//! Compares the entries of phones at the redirect service with the expected ones.

use std::{sync::Arc, time::Duration};

use gangway_base::mac::Mac;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{CommandError, CommandService, Replies, phones::PATIENCE};
use crate::{
    phone::{
        facet::{RedirectState, Wanted},
        record::Phone,
    },
    provision::{commands, transitions::is_checked},
    service::{audit, caller::Caller},
};

/// Interval at which the progress is counted.
const INTERVAL: Duration = Duration::from_millis(100);

/// The result of one phone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectCheckRow {
    /// The phone.
    pub mac: Mac,
    /// The state of the facet "Redirect".
    pub state: String,
    /// Its error.
    pub error: Option<String>,
    /// Whether the entry is as it should be.
    pub fine: bool,
}

impl RedirectCheckRow {
    fn of(phone: &Phone) -> Self {
        let is_settled = matches!(phone.redirect.state, RedirectState::Redirected | RedirectState::NotConfigured);
        Self {
            mac: phone.mac,
            state: phone.redirect.state.text().to_owned(),
            error: phone.redirect.error.clone(),
            fine: is_settled && phone.redirect.error.is_none(),
        }
    }
}

impl CommandService {
    pub(super) async fn check_redirect(
        &self,
        caller: &Caller,
        mac: Option<Mac>,
        repair: bool,
        wait: bool,
        replies: &Replies,
    ) -> Result<usize, CommandError> {
        let phones = self.phones_to_check(caller, mac)?;
        let asked = self.clock.now();
        let target = mac.map(|mac| mac.to_string()).unwrap_or_default();
        let deed = match repair {
            true => "Register at the redirect service what differs there",
            false => "Compare with the redirect service",
        };
        audit::entry(&self.store, caller, &target, deed).await?;
        for phone in &phones {
            commands::check_redirect(&self.store, phone.id, repair, asked).await.map_err(|error| {
                CommandError::caused(format!("the record of {} cannot be changed", phone.mac), &error)
            })?;
        }
        self.note_migration(caller, replies).await;
        if wait {
            self.require_gateway_for_written()?;
            self.wait_checked(&phones, asked, replies).await?;
            let roster = self.store.phones();
            let now = phones.iter().filter_map(|phone| roster.get(phone.id));
            replies.rows(now.map(|phone| json!(RedirectCheckRow::of(&phone)))).await;
        }
        Ok(phones.len())
    }

    fn phones_to_check(&self, caller: &Caller, mac: Option<Mac>) -> Result<Vec<Arc<Phone>>, CommandError> {
        let Some(mac) = mac else {
            let mut phones = self.store.phones().in_instance(caller.instance.id);
            phones.sort_by_key(|phone| phone.mac);
            phones.retain(|phone| phone.removed_at.is_none() && phone.wanted == Wanted::Active);
            return Ok(phones);
        };
        let label = caller.instance.label();
        let phone = self.find(caller, mac)?;
        if phone.removed_at.is_some() {
            return Err(CommandError::rejected(format!(
                "no phone {mac} in {label}: `gangway phones list` shows what there is"
            )));
        }
        if phone.wanted != Wanted::Active {
            return Err(CommandError::rejected(format!(
                "{mac} is not in service ({}), so nothing is kept for it",
                phone.wanted.text()
            )));
        }
        Ok(vec![phone])
    }

    /// Waits as long as there is progress within a minute.
    async fn wait_checked(
        &self,
        phones: &[Arc<Phone>],
        asked: Timestamp,
        replies: &Replies,
    ) -> Result<(), CommandError> {
        let (mut last, mut since) = (usize::MAX, self.clock.now());
        loop {
            let roster = self.store.phones();
            let is_open = |phone: &&Arc<Phone>| roster.get(phone.id).is_some_and(|now| !is_checked(&now, asked));
            let open = phones.iter().filter(is_open).count();
            replies.progress(phones.len().saturating_sub(open) as u64, phones.len() as u64);
            if open == 0 {
                return Ok(());
            }
            let now = self.clock.now();
            if open < last {
                (last, since) = (open, now);
            }
            if now.duration_since(since).unsigned_abs() > PATIENCE {
                return Err(CommandError::failed(format!(
                    "{open} of {} phones were not compared within a minute: does the redirect service answer?",
                    phones.len()
                )));
            }
            tokio::select! {
                () = self.clock.sleep_until(now.saturating_add(INTERVAL).unwrap_or(Timestamp::MAX)) => {}
                () = replies.closed() => return Err(CommandError::failed("the command has ended")),
            }
        }
    }
}
