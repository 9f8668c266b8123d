//! Tests the vendors' redirect services over real sockets: with independent implementations, with the simulators, and
//! with a server that misbehaves in many ways.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod bad_answers;
mod bench;
mod hawk_witness;
mod snom;
mod sraps;
mod verify;
mod yealink;
mod ymcs;
