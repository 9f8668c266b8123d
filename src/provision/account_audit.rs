//! The daily look at the PBX: is every account's user still there, and the device on it? Users are deleted and devices
//! taken off without a word to us. Each account has its own time of day, so that the looks are spread over it.

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
/// A phone that comes meanwhile is noticed this late.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// The first time after `after` that is this account's.
fn slot(phone: PhoneId, line: u16, after: Timestamp) -> Timestamp {
    // A multiplier without a common divisor with the day spreads neighbours over it.
    let place = phone.0.wrapping_mul(31).wrapping_add(i64::from(line)).wrapping_mul(39_119).rem_euclid(DAY);
    let day = after.as_second().div_euclid(DAY);
    let at = |day: i64| Timestamp::from_second(day.saturating_mul(DAY).saturating_add(place)).unwrap_or(Timestamp::MAX);
    let today = at(day);
    if today > after { today } else { at(day.saturating_add(1)) }
}

/// Whether the account may be gone without our knowing: the phone is in service.
fn is_checked(phone: &Phone) -> bool {
    phone.buried.is_none() && phone.wanted == Wanted::Active
}

/// The accounts whose time lies in `(after, until]`, and the first one later.
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

/// Looks every account up once a day, one after the other, until the gateway stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut after = engine.world.now();
    loop {
        let now = engine.world.now();
        let (accounts, next) = due(&engine.world.store.roster().all(), after, now);
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
        let again = now.saturating_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
        let sleep = engine.world.clock.sleep_until(next.map_or(again, |next| next.min(again)));
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return,
            () = sleep => {}
        }
    }
}

async fn check(engine: &Engine, id: PhoneId, line: u16) -> Result<(), StoreError> {
    let Some(phone) = engine.world.store.roster().get(id).filter(|phone| is_checked(phone)) else { return Ok(()) };
    let Some(account) = phone.account(line) else { return Ok(()) };
    let key = UserKey { guid: account.user_guid.clone(), h323: account.username.clone() };
    let (guid, gone) = match engine.world.pbx.user(phone.instance, key).await {
        Ok(user) => {
            let has_device = user.hwids.iter().any(|hwid| hwid.eq_ignore_ascii_case(&account.hwid));
            (user.guid, (!has_device).then_some(Gone::Entry))
        }
        Err(PbxError::UserNotFound) => (String::new(), Some(Gone::User)),
        // Not knowing is no answer; tomorrow is another day.
        Err(error) => {
            tracing::debug!(mac = %phone.mac, line, "the PBX cannot tell whether the account is still there: {error}");
            return Ok(());
        }
    };
    failpoint(Failpoint::PresenceAnswered).await;
    let is_news = match gone {
        Some(gone) => account.orphaned.is_none_or(|orphaned| orphaned.gone != gone),
        None => account.user_guid.is_none() || account.orphaned.is_some_and(|known| known.gone != Gone::Device),
    };
    if !is_news {
        return Ok(());
    }
    let now = engine.world.now();
    let same = |current: &Account| {
        current.hwid == account.hwid
            && current.username == account.username
            && current.provisioning == account.provisioning
    };
    engine
        .world
        .store
        .change_phone(id, |phone, events| {
            // It may have been provisioned anew meanwhile.
            if !phone.account(line).is_some_and(same) {
                return;
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
        // Uneven steps: nobody is left out between two looks, nobody comes twice.
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
