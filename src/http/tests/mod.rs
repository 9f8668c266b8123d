//! Tests the listeners over real sockets, with records and files in memory.

mod certificates;
mod digest;
mod handshakes;
mod load;
mod refusals;
#[cfg(debug_assertions)]
mod remarks;
mod response;
mod serving;
mod slow;
pub(super) mod support;
mod tls;
mod whole;
