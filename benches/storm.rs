//! Runs the storm at full scale: ten thousand phones power on within a minute over TLS, each with a new connection,
//! after two thousand requests at the same moment. Meanwhile five hundred other clients send a byte now and then, a
//! hundred new phones wait for their redirect service, and an administrator views the list of all phones. It is part of
//! `make bench`; `GANGWAY_STORM_PHONES=1000` makes it smaller.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "benchmark program")]

#[path = "storm/mod.rs"]
mod storm;

use std::time::Duration;

fn main() {
    // `cargo test --benches` only checks that the program starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let phones = std::env::var("GANGWAY_STORM_PHONES").ok().and_then(|text| text.parse().ok()).unwrap_or(10_000);
    let scale = storm::Scale {
        phones,
        within: Duration::from_secs(60),
        at_once: usize::try_from(phones / 5).unwrap_or(usize::MAX),
        loris: usize::try_from(phones / 20).unwrap_or(usize::MAX),
        registrations: 100,
    };
    println!("{scale:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("{}", runtime.block_on(storm::run(scale)));
}
