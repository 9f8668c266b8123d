//! Tests which sources are frozen, and for what.

use proptest::prelude::*;

use super::*;

const HERE: InstanceId = InstanceId(1);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn mac(number: u32) -> Mac {
    let [_, d, e, f] = number.to_be_bytes();
    Mac::new([0x80, 0x5e, 0xc0, d, e, f]).unwrap()
}

fn source(host: u8) -> IpAddr {
    [192, 0, 2, host].into()
}

fn scanners() -> ScanDetector {
    ScanDetector::new(&[7; 32])
}

/// A request that does not look like one from a phone.
fn ask(scanners: &ScanDetector, address: IpAddr, mac: Mac, now: Timestamp) {
    scanners.saw(HERE, CountedSource::source(address), ScanAttempt { mac, reads_like_phone: false }, now);
}

/// A request of an unknown phone for its own file.
fn boot(scanners: &ScanDetector, origin: CountedSource, mac: Mac, now: Timestamp) {
    scanners.saw(HERE, origin, ScanAttempt { mac, reads_like_phone: true }, now);
}

/// Whether the source is frozen for a window that was open before.
fn is_frozen(scanners: &ScanDetector, address: IpAddr, now: Timestamp) -> bool {
    scanners.is_frozen(HERE, CountedSource::source(address), Some(at(-1)), now)
}

#[test]
fn neighbours_in_a_row_freeze_their_source_for_a_while() {
    for step in [1_i64, -1, 3] {
        let scanners = scanners();
        for n in 0..i64::from(IN_A_ROW) {
            assert!(!is_frozen(&scanners, source(1), at(n)));
            // Requesting several files of each phone changes nothing.
            for _ in 0..3 {
                ask(&scanners, source(1), mac(u32::try_from(5_000 + n * step).unwrap()), at(n));
            }
        }
        assert!(is_frozen(&scanners, source(1), at(8)), "step {step}");
        assert_eq!(scanners.frozen(HERE, at(8))[0].sign, ScanSign::Sequence);
        assert!(!is_frozen(&scanners, source(2), at(8)), "nobody else");
        assert!(!scanners.is_frozen(InstanceId(2), CountedSource::source(source(1)), None, at(8)), "no other tenant");
        assert!(!is_frozen(&scanners, source(1), at(8 + 1800)));
        assert!(!is_frozen(&scanners, source(1), at(-86_400)), "a clock set back ends it");
        assert!(scanners.frozen(HERE, at(2000)).is_empty());
    }
}

#[test]
fn going_on_prolongs_it() {
    let scanners = scanners();
    for n in 0..100 {
        ask(&scanners, source(1), mac(n), at(i64::from(n) * 60));
    }
    assert!(is_frozen(&scanners, source(1), at(99 * 60 + 1700)));
    assert_eq!(scanners.frozen(HERE, at(99 * 60))[0].since, at(7 * 60));
}

#[test]
fn very_many_unknown_ones_do_as_well() {
    let scanners = scanners();
    let far_apart = |n: u32| mac(n.wrapping_mul(2_654_435_761) % 0xff_ffff);
    for n in 0..u32::try_from(MANY).unwrap() {
        assert!(!is_frozen(&scanners, source(1), at(0)), "{n}");
        ask(&scanners, source(1), far_apart(n), at(0));
    }
    assert_eq!(scanners.frozen(HERE, at(0))[0].sign, ScanSign::Many);
    let slow = super::ScanDetector::new(&[7; 32]);
    for n in 0..500 {
        ask(&slow, source(1), far_apart(n), at(i64::from(n) * 10));
    }
    assert!(!is_frozen(&slow, source(1), at(5_000)), "as a large site does in an hour");
}

#[test]
fn a_decoy_is_enough() {
    let scanners = scanners();
    let decoy = scanners.decoys.beside(HERE, mac(1))[0];
    ask(&scanners, "2001:db8::1".parse().unwrap(), decoy, at(0));
    assert!(is_frozen(&scanners, "2001:db8::2".parse().unwrap(), at(1)), "one IPv6 network is one source");
    assert_eq!(scanners.frozen(HERE, at(1))[0].sign, ScanSign::Decoy);
}

#[test]
fn a_phone_that_asks_again_and_again_is_none() {
    let scanners = scanners();
    for n in 0..10_000 {
        ask(&scanners, source(1), mac(100 + n % 7 * 1000), at(i64::from(n)));
    }
    assert!(scanners.frozen(HERE, at(10_000)).is_empty());
}

#[test]
fn whatever_strangers_do_the_tables_stay_bounded() {
    let scanners = scanners();
    for host in 0..20_000_u32 {
        for n in 0..IN_A_ROW {
            ask(&scanners, IpAddr::V4(host.into()), mac(n), at(i64::from(host / 100)));
        }
    }
    let sources: usize = scanners.parts.iter().map(|part| part.lock().unwrap().len()).sum();
    assert!(sources <= SOURCES);
    assert!(scanners.frozen.load().len() <= FROZEN);
}

proptest! {
    /// Simulates unknown phones of a site: each requests its own file, in any order, at every boot.
    #[test]
    fn fewer_phones_than_many_in_random_order_freeze_nobody(
        macs in prop::collection::hash_set((0..0x0f_ffff_u32).prop_map(|n| n * 8), 1..MANY),
        times in prop::collection::vec(0..600_i64, 200),
    ) {
        let scanners = scanners();
        let macs: Vec<_> = macs.into_iter().filter(|n| !scanners.decoys.holds(HERE, mac(*n))).collect();
        let mut times = times;
        times.sort_unstable();
        for (n, second) in times.into_iter().enumerate() {
            if let Some(one) = macs.get(n % macs.len().max(1)) {
                ask(&scanners, source(1), mac(*one), at(second));
            }
        }
        prop_assert!(!is_frozen(&scanners, source(1), at(600)));
    }
}

#[test]
fn a_carton_does_not_freeze_its_source_and_very_many_phones_do() {
    // Ten in a row, or base stations in steps of four. Each requests repeatedly, in the order in which they boot.
    for (count, step) in [(10_u32, 1_u32), (8, 4), (48, 1)] {
        let scanners = scanners();
        for round in 0..5_u32 {
            for n in 0..count {
                boot(
                    &scanners,
                    CountedSource::source(source(1)),
                    mac(5_000 + n * step),
                    at(i64::from(round * 30 + n % 7)),
                );
            }
        }
        assert!(!is_frozen(&scanners, source(1), at(200)), "{count} in steps of {step}");
    }
    // For a scanner that imitates phones' User-Agents, the limit for all sources applies.
    let scanners = scanners();
    for n in 0..u32::try_from(MANY).unwrap() {
        assert!(!is_frozen(&scanners, source(1), at(0)), "{n}");
        boot(&scanners, CountedSource::source(source(1)), mac(n), at(0));
    }
    assert_eq!(scanners.frozen(HERE, at(0))[0].sign, ScanSign::Many);
}

#[test]
fn phones_in_between_hide_no_scanner() {
    let scanners = scanners();
    for n in 0..IN_A_ROW {
        boot(&scanners, CountedSource::source(source(1)), mac(90_000 + n * 50), at(0));
        ask(&scanners, source(1), mac(n), at(0));
    }
    assert_eq!(scanners.frozen(HERE, at(0))[0].sign, ScanSign::Sequence);
}

#[test]
fn a_window_opened_later_is_shut_by_the_next_sign_only() {
    let scanners = scanners();
    let origin = CountedSource::source(source(1));
    let shuts = |opened: i64, now: i64| scanners.is_frozen(HERE, origin, Some(at(opened)), at(now));
    for n in 0..IN_A_ROW {
        ask(&scanners, source(1), mac(n), at(10));
    }
    assert!(shuts(0, 20) && shuts(10, 20), "what was open before");
    assert!(!shuts(15, 20), "a click");
    // Fewer requests than a second sign needs: the freeze is extended, but the window that the administrator opened
    // stays usable.
    for n in 0..IN_A_ROW - 1 {
        ask(&scanners, source(1), mac(5_000 + n), at(100));
    }
    assert!(!shuts(15, 101) && shuts(10, 101));
    ask(&scanners, source(1), mac(5_000 + IN_A_ROW - 1), at(100));
    assert!(shuts(15, 101), "it goes on scanning");
    assert!(!shuts(105, 106), "another click");
    // Regardless of when a window is opened, a source has only this many guesses against it.
    let mut guesses = 0;
    while !shuts(105, 200) {
        guesses += 1;
        boot(&scanners, origin, mac(70_000 + guesses * 9), at(150));
    }
    assert!(guesses <= u32::try_from(MANY).unwrap(), "{guesses}");
}

#[test]
fn an_administrator_thaws_one_address_or_a_network() {
    let scanners = scanners();
    for host in [1, 2, 3] {
        for n in 0..IN_A_ROW {
            ask(&scanners, source(host), mac(n), at(10));
        }
    }
    assert!(!scanners.thaw(InstanceId(2), source(1)), "no other tenant's");
    assert!(scanners.thaw(HERE, source(1)) && !scanners.thaw(HERE, source(1)));
    assert!(!is_frozen(&scanners, source(1), at(11)) && is_frozen(&scanners, source(2), at(11)));
    // The network of a window that was opened before the source was detected is not a reason to trust the source.
    let lower: IpNet = "192.0.2.0/29".parse().unwrap();
    assert!(!scanners.thaw_network(HERE, lower, at(10)));
    assert!(!scanners.thaw_network(HERE, "198.51.100.0/24".parse().unwrap(), at(12)));
    assert!(scanners.thaw_network(HERE, lower, at(12)));
    assert!(scanners.frozen(HERE, at(12)).is_empty());
    for n in 0..IN_A_ROW {
        ask(&scanners, "2001:db8::7".parse().unwrap(), mac(n), at(20));
    }
    assert!(scanners.thaw_network(HERE, "2001:db8::7/128".parse().unwrap(), at(21)), "one of its /64");
}

#[test]
fn behind_a_proxy_each_client_has_limits_and_all_together_have_higher_ones() {
    let scanners = scanners();
    let proxy = source(9);
    let client = |n: u32| CountedSource::behind(proxy, IpAddr::V4((0x0a00_0000 + n).into()));
    let frozen = |n: u32| scanners.is_frozen(HERE, client(n), None, at(1));
    for n in 0..IN_A_ROW {
        scanners.saw(HERE, client(1), ScanAttempt { mac: mac(n), reads_like_phone: false }, at(0));
    }
    assert!(frozen(1) && !frozen(2), "only the client that scans");
    assert!(
        !scanners.is_frozen(HERE, CountedSource::source([10, 0, 0, 1].into()), None, at(1)),
        "nor who has its address"
    );
    // A client that invents a different client address for each attempt is frozen together with all of them.
    let mut attempts = 0;
    while !frozen(2) {
        attempts += 1;
        let attempt = ScanAttempt { mac: mac(100 + attempts * 9), reads_like_phone: false };
        scanners.saw(HERE, client(1000 + attempts), attempt, at(0));
    }
    assert!(attempts <= u32::try_from(MANY).unwrap() * CountedSource::Proxy(proxy).share(), "{attempts}");
    let sources: usize = scanners.parts.iter().map(|part| part.lock().unwrap().len()).sum();
    assert!(sources <= attempts as usize + 2);
}
