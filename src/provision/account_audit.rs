//! The daily audit: asks the PBX whether every account's user still exists and still has the device. Users and devices
//! can be deleted without notice to the gateway. Each account has its own time of day, which spreads the requests over
//! the day.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{engine::Engine, transitions};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    pbx::user_objects::{PbxError, UserKey},
    phone::{
        facet::Wanted,
        record::{Account, Gone, Phone, PhoneId},
    },
    store::StoreError,
};

const DAY: i64 = 86_400;
/// A phone that is added in the meantime is noticed after at most this time.
const RECHECK_PAUSE: Duration = Duration::from_secs(600);

/// The first slot of this account after `after`.
fn slot(phone: PhoneId, line: u16, after: Timestamp) -> Timestamp {
    // A multiplier coprime to the day spreads consecutive ids over it.
    let place = phone.0.wrapping_mul(31).wrapping_add(i64::from(line)).wrapping_mul(39_119).rem_euclid(DAY);
    let day = after.as_second().div_euclid(DAY);
    let at = |day: i64| Timestamp::from_second(day.saturating_mul(DAY).saturating_add(place)).unwrap_or(Timestamp::MAX);
    let today = at(day);
    if today > after { today } else { at(day.saturating_add(1)) }
}

/// Whether the audit covers the phone: it is in service, so an account may be removed without a notification.
fn is_checked(phone: &Phone) -> bool {
    phone.removed_at.is_none() && phone.wanted == Wanted::Active
}

/// The accounts whose slot lies in `(after, until]`, and the time of the first later slot.
fn due(phones: &[Arc<Phone>], after: Timestamp, until: Timestamp) -> (Vec<(PhoneId, u16)>, Option<Timestamp>) {
    let mut due = Vec::new();
    let mut next: Option<Timestamp> = None;
    for phone in phones.iter().filter(|phone| is_checked(phone)) {
        for account in &phone.accounts {
            let at = slot(phone.id, account.line, after);
            if at <= until {
                due.push((at, phone.id, account.line));
            } else {
                next = Some(next.map_or(at, |known| known.min(at)));
            }
        }
    }
    due.sort_unstable();
    (due.into_iter().map(|(_, phone, line)| (phone, line)).collect(), next)
}

/// Audits every account once a day, one after another, until the gateway stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut after = engine.deps.now();
    loop {
        let now = engine.deps.now();
        let (accounts, next) = due(&engine.deps.store.phones().all(), after, now);
        for (phone, line) in accounts {
            let look = check(&engine, phone, line);
            tokio::select! {
                biased;
                () = engine.tasks.stopping() => return,
                result = look => if let Err(error) = result {
                    tracing::error!(phone = phone.0, "what the PBX says of an account cannot be stored: {error}");
                }
            }
        }
        after = now;
        let again = now.saturating_add(RECHECK_PAUSE).unwrap_or(Timestamp::MAX);
        let sleep = engine.deps.clock.sleep_until(next.map_or(again, |next| next.min(again)));
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return,
            () = sleep => {}
        }
    }
}

async fn check(engine: &Engine, id: PhoneId, line: u16) -> Result<(), StoreError> {
    let Some(phone) = engine.deps.store.phones().get(id).filter(|phone| is_checked(phone)) else { return Ok(()) };
    let Some(account) = phone.account(line) else { return Ok(()) };
    let key = UserKey { guid: account.user_guid.clone(), h323: account.username.clone() };
    let (guid, name, gone) = match engine.deps.pbx.user(phone.instance, key).await {
        Ok(user) => {
            let name = user.device(&account.hwid).map(|device| device.name.clone());
            let gone = name.is_none().then_some(Gone::Entry);
            (user.guid, name, gone)
        }
        Err(PbxError::UserNotFound) => (String::new(), None, Some(Gone::User)),
        // Treat errors as unknown; retry at the next daily check.
        Err(error) => {
            tracing::debug!(mac = %phone.mac, line, "the PBX cannot tell whether the account is still there: {error}");
            return Ok(());
        }
    };
    failpoint(Failpoint::PresenceAnswered).await;
    let is_news = match gone {
        Some(gone) => account.orphaned.is_none_or(|orphaned| orphaned.gone != gone),
        None if name != account.device_name => true,
        None => account.user_guid.is_none() || account.orphaned.is_some_and(|known| known.gone != Gone::Device),
    };
    if !is_news {
        return Ok(());
    }
    let now = engine.deps.now();
    let same = |current: &Account| {
        current.hwid == account.hwid
            && current.username == account.username
            && current.provisioning == account.provisioning
    };
    engine
        .deps
        .store
        .phones()
        .change(id, |phone, events| {
            // The account may have been provisioned again in the meantime.
            if !phone.account(line).is_some_and(same) {
                return;
            }
            if let (Some(name), Some(current)) = (name, phone.accounts.iter_mut().find(|current| current.line == line))
            {
                current.device_name = Some(name);
            }
            match gone {
                Some(gone) => transitions::absent(phone, line, gone, now, events),
                None => transitions::present(phone, line, &guid, events),
            }
        })
        .await?;
    failpoint(Failpoint::PresenceWritten).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn phones(count: i64) -> Vec<Arc<Phone>> {
        let phone = |id| {
            let mut phone = Phone::sample_base(&["anna", "berta"], at(0));
            phone.id = PhoneId(id);
            Arc::new(phone)
        };
        (1..=count).map(phone).collect()
    }

    #[test]
    fn every_account_comes_once_a_day_whenever_it_is_asked() {
        let phones = phones(200);
        let (start, mut seen) = (1_000_000_123_i64, std::collections::HashMap::<(PhoneId, u16), u32>::new());
        let mut after = at(start);
        // Uneven steps: between two checks no account is skipped or checked twice.
        for step in [1, 599, 7_200, 40_000, 600, 38_000] {
            let until = after.saturating_add(Duration::from_secs(step)).unwrap();
            for account in due(&phones, after, until).0 {
                *seen.entry(account).or_default() += 1;
            }
            after = until;
        }
        assert_eq!(after, at(start + DAY));
        assert_eq!(seen.len(), 400);
        assert!(seen.values().all(|times| *times == 1));
    }

    #[test]
    fn the_looks_are_spread_over_the_day() {
        let phones = phones(500);
        for hour in 0..24 {
            let (from, until) = (at(hour * 3600), at((hour + 1) * 3600));
            let count = due(&phones, from, until).0.len();
            assert!((20..=70).contains(&count), "hour {hour}: {count} of 1000");
        }
    }

    #[test]
    fn a_phone_that_is_not_in_service_is_left_alone() {
        let mut phone = Phone::sample_base(&["anna"], at(0));
        phone.wanted = Wanted::Released;
        assert_eq!(due(&[Arc::new(phone)], at(0), at(DAY)), (Vec::new(), None));
    }
}
