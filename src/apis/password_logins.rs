//! Wrong passwords typed at the admin page. The login that needs no PBX can be tried by anybody who reaches the gateway,
//! so a source that was wrong too often has to wait. Logins made by a PBX are not looked at.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use crate::phone::identity::network;

/// Wrong passwords in a row after which a source waits.
const WRONG: u32 = 5;
/// How long it waits, and how long a wrong password is remembered.
const PAUSE: Duration = Duration::from_secs(5 * 60);
/// Sources remembered; beyond that nobody new may try until the oldest are forgotten.
const SOURCES: usize = 10_000;

/// Attempts by source.
#[derive(Debug, Default)]
pub struct PasswordLogins(Mutex<HashMap<IpAddr, (u32, Timestamp)>>);

impl PasswordLogins {
    /// Whether this source may try now. An attempt counts as wrong until [`Self::right`] takes it back.
    #[must_use]
    pub fn may_try(&self, source: IpAddr, now: Timestamp) -> bool {
        let source = network(source);
        let mut attempts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = |since: Timestamp| since.saturating_add(PAUSE).unwrap_or(Timestamp::MAX) > now;
        if attempts.len() >= SOURCES {
            attempts.retain(|_, (_, last)| is_fresh(*last));
        }
        let full = attempts.len() >= SOURCES;
        match attempts.get_mut(&source) {
            Some((count, last)) if is_fresh(*last) => {
                if *count >= WRONG {
                    return false;
                }
                (*count, *last) = (*count + 1, now);
                true
            }
            Some(stale) => {
                *stale = (1, now);
                true
            }
            None if full => false,
            None => {
                attempts.insert(source, (1, now));
                true
            }
        }
    }

    /// The password was right.
    pub fn right(&self, source: IpAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&network(source));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_waits_after_five_wrong_passwords_and_others_do_not() {
        let logins = PasswordLogins::default();
        let (source, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        for second in 0..5_i64 {
            assert!(logins.may_try(source, at(second)));
        }
        assert!(!logins.may_try(source, at(5)));
        assert!(!logins.may_try(source, at(300)));
        assert!(logins.may_try(other, at(5)));
        assert!(logins.may_try(source, at(305)), "five minutes after the last attempt that counted");
        logins.right(source);
        assert!((0..5_i64).all(|second| logins.may_try(source, at(400 + second))));
    }
}
