//! What people see of gangway, in a real browser: a gateway in this process, Chromium driven by `stories/*.mjs`. One file
//! and one story per promise; a story asks this side to change the world.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]
#![expect(clippy::print_stderr, reason = "the log of a process that failed is worth reading")]
#![expect(dead_code, reason = "the support of the tests over sockets, of which stories need a part")]

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
