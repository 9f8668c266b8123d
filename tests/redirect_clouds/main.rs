//! The vendors' redirect services over real sockets: against independent witnesses, against the simulators,
//! and against a server that misbehaves in every way we could think of.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says so")]

mod bad_answers;
mod bench;
mod hawk_witness;
mod snom;
mod sraps;
mod verify;
mod yealink;
mod ymcs;
