//! What the crates of gangway share: injected time, the one secret type, tasks with a stop signal, MAC addresses, host
//! names and the characters a text may hold. No protocol.

pub mod characters;
pub mod clock;
pub mod host;
mod labelled_enum;
pub mod mac;
pub mod secret;
pub mod tasks;
