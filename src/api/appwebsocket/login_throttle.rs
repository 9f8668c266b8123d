//! Counts wrong passwords per source. Admin logins, which any browser can send, are not checked during a pause that
//! doubles with every wrong password. Logins of PBXs and services are always checked, because a right one must succeed
//! regardless of other logins from its address. But the more wrong passwords a source sends, the longer each of its
//! sockets keeps its pre-login slot.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gangway_wire::appws::LoginRejection;
use jiff::Timestamp;

use crate::phone::request_evidence::network;

/// With this number of wrong passwords in admin logins, the pauses start.
const FREE: u32 = 5;
/// The first pause of a source. Each further wrong password doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Number of wrong passwords of any kind after which a socket keeps its slot twice as long.
const DOUBLES: u32 = 16;
/// Minimum and maximum time for which the socket of a wrong login keeps its slot.
const HOLD: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// A source is forgotten this long after the end of its pause.
const REMEMBERED: Duration = Duration::from_secs(3600);
/// Maximum number of sources. Beyond it, the source with the fewest wrong passwords is removed.
const SOURCES: usize = 10_000;

/// Wrong passwords of one source.
#[derive(Debug, Clone, Copy)]
struct WrongPassword {
    /// Number in admin logins.
    admin: u32,
    /// Number in all logins.
    all: u32,
    /// End of the pause, during which admin logins are not checked.
    until: Timestamp,
    /// When the entry expires.
    end: Timestamp,
}

/// The wrong passwords of all sources.
#[derive(Debug, Default)]
pub struct LoginThrottle(Mutex<HashMap<IpAddr, WrongPassword>>);

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    now.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

impl LoginThrottle {
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, WrongPassword>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an attempt. A right password in an admin login resets the count of admin logins.
    ///
    /// # Errors
    /// If this is an admin login during a pause of its source.
    pub fn attempt(
        &self,
        source: IpAddr,
        is_person: bool,
        is_proven: bool,
        now: Timestamp,
    ) -> Result<(), LoginRejection> {
        let source = network(source);
        let mut sources = self.lock();
        let known = sources.get(&source).copied().filter(|wrong| wrong.end > now);
        if is_person && known.is_some_and(|wrong| wrong.until > now) {
            return Err(LoginRejection::Pause);
        }
        if is_proven {
            if let Some(wrong) = sources.get_mut(&source).filter(|_| is_person) {
                wrong.admin = 0;
            }
            return Ok(());
        }
        let mut wrong = known.unwrap_or(WrongPassword { admin: 0, all: 0, until: now, end: now });
        wrong.all = wrong.all.saturating_add(1);
        if is_person {
            wrong.admin = wrong.admin.saturating_add(1);
            if wrong.admin >= FREE {
                let doubled = FIRST_PAUSE.saturating_mul(1 << (wrong.admin - FREE).min(16));
                wrong.until = after(now, doubled.min(LONGEST_PAUSE));
            }
        }
        wrong.end = after(wrong.until.max(now), REMEMBERED);
        if sources.len() >= SOURCES && !sources.contains_key(&source) {
            make_room(&mut sources, now);
        }
        sources.insert(source, wrong);
        Ok(())
    }

    /// Returns how long the socket of a rejected login keeps its slot.
    #[must_use]
    pub fn hold(&self, source: IpAddr, now: Timestamp) -> Duration {
        let sources = self.lock();
        let all = sources.get(&network(source)).filter(|wrong| wrong.end > now).map_or(0, |wrong| wrong.all);
        HOLD.0.saturating_mul(1 << (all.saturating_sub(1) / DOUBLES).min(16)).min(HOLD.1)
    }
}

/// Removes expired sources, or else the one with the fewest wrong passwords.
fn make_room(sources: &mut HashMap<IpAddr, WrongPassword>, now: Timestamp) {
    sources.retain(|_, wrong| wrong.end > now);
    if sources.len() < SOURCES {
        return;
    }
    let least = sources.iter().min_by_key(|(_, wrong)| (wrong.admin, wrong.all, wrong.end)).map(|(source, _)| *source);
    if let Some(least) = least {
        sources.remove(&least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_source_waits_longer_after_every_wrong_password_and_others_do_not() {
        let logins = LoginThrottle::default();
        for second in 0..5 {
            assert_eq!(logins.attempt(SOURCE, true, false, at(second)), Ok(()));
        }
        // The first minute starts with the fifth wrong password, at second 4. Attempts during a pause are neither
        // checked nor counted.
        let mut now = 4;
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            for second in [1, minutes * 60 - 1] {
                assert_eq!(
                    logins.attempt(SOURCE, true, true, at(now + second)),
                    Err(LoginRejection::Pause),
                    "{minutes}"
                );
                assert_eq!(
                    logins.attempt(SOURCE, true, false, at(now + second)),
                    Err(LoginRejection::Pause),
                    "{minutes}"
                );
            }
            now += minutes * 60;
            assert_eq!(logins.attempt(SOURCE, true, false, at(now)), Ok(()), "{minutes} minutes are over");
        }
        assert_eq!(logins.attempt(IpAddr::from([192, 0, 2, 2]), true, false, at(now + 1)), Ok(()));
        now += 3600;
        assert_eq!(logins.attempt(SOURCE, true, true, at(now)), Ok(()), "the right one, after the pause");
        for second in 1..=5 {
            assert_eq!(logins.attempt(SOURCE, true, false, at(now + second)), Ok(()), "it counts from the beginning");
        }
    }

    #[test]
    fn logins_of_pbxs_and_services_are_not_throttled_and_do_not_throttle_admins() {
        let logins = LoginThrottle::default();
        for second in 0..1000 {
            assert_eq!(logins.attempt(SOURCE, false, false, at(second)), Ok(()));
        }
        assert_eq!(logins.attempt(SOURCE, true, true, at(1000)), Ok(()));
        for second in 1000..1010 {
            let _ = logins.attempt(SOURCE, true, false, at(second));
        }
        assert_eq!(logins.attempt(SOURCE, false, true, at(1010)), Ok(()));
    }

    #[test]
    fn wrong_logins_hold_their_places_longer() {
        let logins = LoginThrottle::default();
        let mut seen = vec![logins.hold(SOURCE, at(0)).as_secs()];
        for _ in 0..100 {
            logins.attempt(SOURCE, false, false, at(0)).unwrap();
            seen.push(logins.hold(SOURCE, at(0)).as_secs());
        }
        seen.dedup();
        assert_eq!(seen, [2, 4, 8, 16, 30]);
        assert_eq!(logins.hold(SOURCE, at(3600)).as_secs(), 2, "an hour later nothing is known");
    }

    #[test]
    fn memory_is_bounded_and_the_worst_sources_stay() {
        let logins = LoginThrottle::default();
        for second in 0..5 {
            logins.attempt(SOURCE, true, false, at(second)).unwrap();
        }
        for number in 0..12_000_u32 {
            logins.attempt(IpAddr::V4((0x0a00_0000 + number).into()), true, false, at(5)).unwrap();
        }
        assert_eq!(logins.lock().len(), SOURCES);
        assert_eq!(logins.attempt(SOURCE, true, true, at(6)), Err(LoginRejection::Pause));
    }
}
