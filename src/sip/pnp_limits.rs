//! Limits how many PnP subscriptions are answered. The limit is shared fairly: a source that floods uses up only its
//! own share.

use std::{collections::HashMap, net::IpAddr};

use jiff::Timestamp;

use crate::phone::request_evidence::network;

/// Answers per second over all sources. After a power cut, a building full of phones asks within a minute or two.
const PER_SECOND: u32 = 50;
/// Answers per second to one source. A phone needs one, and a few more to make up for lost datagrams.
const PER_SOURCE: u32 = 10;
/// A source without an answer in the current second gets one even beyond [`PER_SECOND`], up to this total.
const MOST: u32 = 500;

/// Counts the answers of the current second. Only answers are counted, so [`MOST`] bounds the memory.
#[derive(Debug, Default)]
pub struct PnpLimits {
    second: i64,
    answered: u32,
    sources: HashMap<IpAddr, u32>,
}

impl PnpLimits {
    /// Returns whether this source gets an answer now, and counts the answer if so.
    pub fn take(&mut self, source: IpAddr, now: Timestamp) -> bool {
        if self.second != now.as_second() {
            (self.second, self.answered) = (now.as_second(), 0);
            self.sources.clear();
        }
        let own = self.sources.get(&network(source)).copied().unwrap_or_default();
        let gets = own < PER_SOURCE && (self.answered < PER_SECOND || (own == 0 && self.answered < MOST));
        if gets {
            self.answered += 1;
            self.sources.insert(network(source), own + 1);
        }
        gets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn source(number: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + number).into())
    }

    #[test]
    fn a_source_that_floods_leaves_the_others_their_answers() {
        let mut shares = PnpLimits::default();
        let flood = (0..10_000).filter(|_| shares.take(source(1), at(0))).count();
        assert_eq!(flood, PER_SOURCE as usize);
        for phone in 2..400 {
            assert!(shares.take(source(phone), at(0)), "{phone}");
        }
        assert!(shares.take(source(1), at(1)), "the next second");
    }

    #[test]
    fn many_flooding_sources_leave_each_newcomer_one_and_memory_stays_bounded() {
        let mut shares = PnpLimits::default();
        for round in 0..20_u32 {
            for number in 0..100 {
                let _ = shares.take(source(number), at(i64::from(round) / 20));
            }
        }
        assert!(shares.take(source(1000), at(0)) && !shares.take(source(1000), at(0)));
        let answered = (0..100_000).filter(|number| shares.take(source(2000 + number), at(0))).count();
        assert!(answered < MOST as usize && shares.sources.len() <= MOST as usize, "{answered}");
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let mut shares = PnpLimits::default();
        let answered = (0..1000_u128).filter(|host| shares.take(IpAddr::V6((0x2001_0db8 << 96 | host).into()), at(0)));
        assert_eq!(answered.count(), PER_SOURCE as usize);
    }
}
