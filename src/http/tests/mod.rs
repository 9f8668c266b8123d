//! The listeners over real sockets, with records and files in memory.

mod certificates;
mod handshakes;
mod refusals;
mod serving;
pub(super) mod support;
mod tls;
mod whole;
