//! Tests of the web page in a real browser: a gateway in this process and Chromium driven by `scenarios/*.mjs`. There is
//! one file and one scenario per feature. A scenario requests changes of the simulators.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]
#![expect(clippy::print_stderr, reason = "prints the log of a failed process")]
#![expect(dead_code, reason = "support of the tests over sockets, only part of which is used here")]

#[path = "../live/support/mod.rs"]
mod support;

mod devices;
mod frame;
mod harness;
mod history;
mod hostile;
mod i18n;
mod import;
mod keys;
mod live;
mod login;
mod notices;
mod phone_page;
mod phone_records;
mod pictures;
mod settings;
mod setup;
mod stuck;
mod tokens;
mod visual;
