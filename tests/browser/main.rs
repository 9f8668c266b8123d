//! Tests of the web page in a real browser: a gateway in this process and Chromium driven by `stories/*.mjs`. There is
//! one file and one scenario per feature. A scenario asks this side to change the simulated world.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]
#![expect(clippy::print_stderr, reason = "prints the log of a failed process")]
#![expect(dead_code, reason = "support of the tests over sockets, only part of which is used here")]

#[path = "../live/support/mod.rs"]
mod support;

mod devices;
mod frame;
mod history;
mod hostile;
mod import;
mod insides;
mod keys;
mod live;
mod login;
mod look;
mod notices;
mod people;
mod pictures;
mod settings;
mod story;
mod stuck;
mod tokens;
mod words;
