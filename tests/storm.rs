//! Runs `benches/storm.rs` at small scale: every phone is served, the operations page answers, and memory is bounded.

#![expect(clippy::expect_used, reason = "a failing test panics")]

#[path = "../benches/storm/mod.rs"]
mod storm;

use std::time::Duration;

#[test]
fn all_phones_power_on_at_once_and_all_register() {
    let scale = storm::Scale { phones: 60, within: Duration::from_secs(1), at_once: 40, loris: 20, registrations: 10 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let report = runtime.block_on(storm::run(scale));
    assert_eq!((report.served, report.lost), (60, 0), "{report}");
    assert_eq!((report.at_once.0 + report.at_once.1, report.at_once.2), (40, 0), "{report}");
    assert!(report.memory.0 < report.memory.1 + 128, "{report}");
    assert!(report.ready < Duration::from_secs(10), "{report}");
    assert_eq!(report.registered, (10, 10), "{report}");
    let (answers, [_, _, slowest]) = report.list;
    assert!(answers > 0 && slowest < Duration::from_secs(10), "{report}");
}
