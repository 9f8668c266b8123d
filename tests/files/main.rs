//! Tests rendered phone files by parsing them independently, with an XML parser other than the writer's and with the
//! simulated phones. Every model of a vendor has a golden file under `fixtures/golden/<vendor>/` (`make bless` writes
//! them).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics")]

mod atcom;
mod checks;
mod golden;
mod recognition;
mod sample;
mod snom;
mod snom_hostile;
mod xml;
