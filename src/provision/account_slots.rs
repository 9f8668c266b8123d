//! Spreads periodic checks of all accounts evenly over their period: each account has its own time within it. Nothing is
//! stored; a restart continues with the same times.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::phone::record::{Account, Phone, PhoneId};

/// A phone that is added in the meantime is noticed after at most this time.
const RECHECK_PAUSE: Duration = Duration::from_secs(600);

/// The times of one kind of check.
#[derive(Debug, Clone, Copy)]
pub(super) struct AccountSlots {
    /// Time between two checks of an account, in seconds.
    pub(super) period: i64,
    /// Whether the account is checked in its present state.
    pub(super) is_checked: fn(&Phone, &Account) -> bool,
}

impl AccountSlots {
    /// The first time of this account after `after`.
    fn next(self, phone: PhoneId, line: u16, after: Timestamp) -> Timestamp {
        // A multiplier coprime to the period spreads consecutive ids over it.
        let place = phone.0.wrapping_mul(31).wrapping_add(i64::from(line)).wrapping_mul(39_119).rem_euclid(self.period);
        let round = after.as_second().div_euclid(self.period);
        let at = |round: i64| {
            Timestamp::from_second(round.saturating_mul(self.period).saturating_add(place)).unwrap_or(Timestamp::MAX)
        };
        let this = at(round);
        if this > after { this } else { at(round.saturating_add(1)) }
    }

    /// The accounts whose time lies in `(after, until]`, and when the next check is due.
    pub(super) fn due(
        self,
        phones: &[Arc<Phone>],
        after: Timestamp,
        until: Timestamp,
    ) -> (Vec<(PhoneId, u16)>, Timestamp) {
        let mut due = Vec::new();
        let mut next = until.saturating_add(RECHECK_PAUSE).unwrap_or(Timestamp::MAX);
        for phone in phones {
            for account in phone.accounts.iter().filter(|account| (self.is_checked)(phone, account)) {
                let at = self.next(phone.id, account.line, after);
                if at <= until {
                    due.push((at, phone.id, account.line));
                } else {
                    next = next.min(at);
                }
            }
        }
        due.sort_unstable();
        (due.into_iter().map(|(_, phone, line)| (phone, line)).collect(), next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::facet::Wanted;

    const DAILY: AccountSlots = AccountSlots { period: 86_400, is_checked: |phone, _| phone.wanted == Wanted::Active };

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
    fn every_account_comes_once_in_each_period_whenever_it_is_asked() {
        for period in [3_600, 86_400] {
            let slots = AccountSlots { period, ..DAILY };
            let phones = phones(200);
            let (start, mut seen) = (1_000_000_123_i64, std::collections::HashMap::<(PhoneId, u16), u32>::new());
            let mut after = at(start);
            // Uneven steps: between two checks no account is skipped or checked twice.
            for share in [1, 599, 7_200, 40_000, 600, 38_000] {
                let until =
                    after.saturating_add(Duration::from_secs(share * u64::try_from(period).unwrap() / 86_400)).unwrap();
                for account in slots.due(&phones, after, until).0 {
                    *seen.entry(account).or_default() += 1;
                }
                after = until;
            }
            let rest = at(start + period);
            for account in slots.due(&phones, after, rest).0 {
                *seen.entry(account).or_default() += 1;
            }
            assert_eq!(seen.len(), 400, "period {period}");
            assert!(seen.values().all(|times| *times == 1), "period {period}");
        }
    }

    #[test]
    fn the_checks_are_spread_over_the_period() {
        let phones = phones(500);
        for hour in 0..24 {
            let (from, until) = (at(hour * 3600), at((hour + 1) * 3600));
            let count = DAILY.due(&phones, from, until).0.len();
            assert!((20..=70).contains(&count), "hour {hour}: {count} of 1000");
        }
    }

    #[test]
    fn what_is_not_checked_is_left_alone() {
        let mut phone = Phone::sample_base(&["anna"], at(0));
        phone.wanted = Wanted::Released;
        assert_eq!(DAILY.due(&[Arc::new(phone)], at(0), at(86_400)), (Vec::new(), at(87_000)));
    }
}
