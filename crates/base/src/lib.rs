//! Types shared by the gangway crates: injected time, the secret type, tasks with a stop signal, MAC addresses, host
//! names and the characters allowed in text. Contains no protocol code.

pub mod characters;
pub mod clock;
pub mod host;
mod labelled_enum;
pub mod mac;
pub mod periodic;
pub mod secret;
pub mod tasks;
