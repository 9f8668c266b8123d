//! The listeners over real sockets, with records and files in memory.

mod certificates;
mod crowd;
mod digest;
mod handshakes;
mod refusals;
#[cfg(debug_assertions)]
mod remarks;
mod serving;
mod slow;
pub(super) mod support;
mod tls;
mod whole;
