use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}

fn phones(open: &[Open]) -> Vec<i64> {
    open.iter().map(|open| open.phone.0).collect()
}

#[test]
fn a_late_goodbye_of_an_old_connection_does_not_touch_the_newer_one() {
    let mut schedule = Schedule::new(50, 100_000, 0);
    schedule.hold(PhoneId(1), "a");
    let old = schedule.poll(at(0))[0].conn;
    assert_eq!(schedule.hold(PhoneId(1), "b"), Some(old));
    assert!(schedule.poll(at(100)).is_empty(), "not before the old one is closed");
    schedule.ended(PhoneId(1), old, ConnectionEnd::Lost, at(200), 0.0);
    let new = schedule.poll(at(200))[0].conn;
    assert!(new > old);
    schedule.ended(PhoneId(1), old, ConnectionEnd::Lost, at(300), 0.0);
    assert_eq!(schedule.live(), 1);
    assert_eq!(schedule.drop_phone(PhoneId(1)), Some(new));
    schedule.ended(PhoneId(1), new, ConnectionEnd::Lost, at(400), 0.0);
    assert_eq!(schedule.next_poll(at(400)), None);
}

#[test]
fn while_an_endpoint_is_away_one_phone_probes_and_others_go_on() {
    let mut schedule = Schedule::new(1000, 100_000, 0);
    (0..5).for_each(|id| assert_eq!(schedule.hold(PhoneId(id), "a"), None));
    let open = schedule.poll(at(0));
    assert_eq!(open.len(), 5);
    for one in &open {
        schedule.ended(one.phone, one.conn, ConnectionEnd::Away, at(0), 0.0);
    }
    schedule.hold(PhoneId(9), "b");
    assert_eq!(phones(&schedule.poll(at(9_999))), [9]);
    assert_eq!(schedule.next_poll(at(9_999)), Some(at(10_000)));
    let probe = schedule.poll(at(10_000));
    assert_eq!(probe.len(), 1);
    assert!(schedule.poll(at(19_999)).is_empty());
    assert!(schedule.opened(probe[0].phone, probe[0].conn, at(19_999)));
    assert_eq!(schedule.poll(at(19_999)).len(), 4);
}

#[test]
fn no_more_sockets_than_set_are_open_and_who_waits_is_named_once() {
    let mut schedule = Schedule::new(1000, 2, 0);
    (0..4).for_each(|id| assert_eq!(schedule.hold(PhoneId(id), "a"), None));
    let open = schedule.poll(at(0));
    assert_eq!(phones(&open), [0, 1]);
    assert_eq!(schedule.waiting(at(0)), [PhoneId(2), PhoneId(3)]);
    assert!(schedule.waiting(at(0)).is_empty(), "said once");
    assert_eq!(schedule.next_poll(at(0)), None, "only the end of another makes room");
    schedule.drop_phone(PhoneId(0));
    assert!(schedule.poll(at(1)).is_empty(), "its socket is still open");
    schedule.ended(PhoneId(0), open[0].conn, ConnectionEnd::Lost, at(2), 0.0);
    assert_eq!(phones(&schedule.poll(at(2))), [2]);
    assert_eq!(schedule.live(), 2);
}

#[test]
fn a_descriptor_the_system_refused_costs_the_phone_no_pause_of_its_own() {
    let mut schedule = Schedule::new(1000, 100, 0);
    (0..3).for_each(|id| assert_eq!(schedule.hold(PhoneId(id), "a"), None));
    let open = schedule.poll(at(0));
    for one in &open {
        schedule.ended(one.phone, one.conn, ConnectionEnd::NoDescriptor, at(0), 0.0);
    }
    assert_eq!(schedule.waiting(at(0)).len(), 3);
    assert!(schedule.poll(at(4_999)).is_empty());
    assert_eq!(schedule.next_poll(at(4_999)), Some(at(5_000)));
    assert_eq!(schedule.poll(at(5_000)).len(), 3);
    assert!(!schedule.is_away(PhoneId(0)));
}

#[test]
fn endpoints_take_turns() {
    let mut schedule = Schedule::new(25, 100_000, 0);
    (0..100).for_each(|id| assert_eq!(schedule.hold(PhoneId(id), "big"), None));
    schedule.hold(PhoneId(500), "small");
    let opened: Vec<i64> = (0..4).flat_map(|tick| phones(&schedule.poll(at(tick * 20)))).collect();
    assert!(opened.contains(&500), "{opened:?}");
}

#[derive(Debug, Clone)]
enum Step {
    Hold(i64, bool),
    Drop(i64),
    Open(usize),
    End(usize, bool),
    Stale(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_i64..30, any::<bool>()).prop_map(|(id, endpoint)| Step::Hold(id, endpoint)),
        1 => (0_i64..30).prop_map(Step::Drop),
        3 => any::<usize>().prop_map(Step::Open),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, away)| Step::End(which, away)),
        1 => any::<usize>().prop_map(Step::Stale),
    ]
}

proptest! {
    #[test]
    fn the_four_guarantees_hold(
        per_second in 1_u32..60, most in 1_usize..40, steps in proptest::collection::vec((step(), 0_i64..700), 0..300)
    ) {
        let mut schedule = Schedule::new(per_second, most, 0);
        let (mut now, mut log, mut live, mut old) = (0, Vec::new(), Vec::<Open>::new(), Vec::<Open>::new());
        let mut held = HashSet::new();
        for (step, pause) in steps {
            now += pause;
            match step {
                Step::Hold(id, endpoint) => {
                    schedule.hold(PhoneId(id), if endpoint { "a" } else { "b" });
                    held.insert(id);
                }
                Step::Drop(id) => { schedule.drop_phone(PhoneId(id)); held.remove(&id); }
                Step::Open(which) if !live.is_empty() => {
                    let one = live[which % live.len()];
                    schedule.opened(one.phone, one.conn, at(now));
                }
                Step::End(which, away) if !live.is_empty() => {
                    let one = live.remove(which % live.len());
                    schedule.ended(one.phone, one.conn, if away { ConnectionEnd::Away } else { ConnectionEnd::Lost }, at(now), 0.5);
                    old.push(one);
                }
                Step::Stale(which) if !old.is_empty() => {
                    let one = old[which % old.len()];
                    schedule.ended(one.phone, one.conn, ConnectionEnd::Lost, at(now), 0.5);
                }
                _ => {}
            }
            for one in schedule.poll(at(now)) {
                prop_assert!(live.iter().all(|other| other.phone != one.phone), "two sockets for {:?}", one.phone);
                log.push(now);
                live.push(one);
            }
            prop_assert_eq!(schedule.live(), live.len());
            prop_assert!(live.len() <= most);
            schedule.waiting(at(now));
        }
        // From here on everything is reachable: old sockets end, and every held phone gets a socket, which ends only
        // where it has to make room for another.
        for one in live.drain(..) {
            schedule.ended(one.phone, one.conn, ConnectionEnd::Lost, at(now), 0.5);
        }
        let mut connected = HashSet::new();
        for _ in 0..100_000 {
            for one in schedule.poll(at(now)) {
                prop_assert!(live.iter().all(|other| other.phone != one.phone));
                log.push(now);
                schedule.opened(one.phone, one.conn, at(now));
                connected.insert(one.phone.0);
                live.push(one);
            }
            prop_assert!(live.len() <= most);
            let Some(next) = schedule.next_poll(at(now)) else {
                if connected == held {
                    break;
                }
                let one = live.remove(0);
                schedule.drop_phone(one.phone);
                schedule.ended(one.phone, one.conn, ConnectionEnd::Lost, at(now), 0.5);
                continue;
            };
            now = next.as_millisecond().max(now + 1);
        }
        prop_assert_eq!(connected, held);
        let limit = usize::try_from(per_second).unwrap();
        for window in log.windows(limit + 1) {
            prop_assert!(window[limit] - window[0] >= 1000, "{} connects within {} ms", limit + 1, window[limit] - window[0]);
        }
    }
}
