//! Phones' files, read back by readers of their own: an XML parser that is not the writer's, and the simulated phones.
//! Every model of a vendor has a golden file under `fixtures/golden/<vendor>/` (`make bless` writes them).
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says so")]

mod atcom;
mod checks;
mod golden;
mod recognition;
mod sample;
mod snom;
mod snom_hostile;
mod xml;
