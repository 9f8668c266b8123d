//! The fleet: one sysclient socket per phone, thousands of them on one thread. `schedule` decides who may connect
//! when (pure), `connection` runs one socket, `fleet` ties both to the clock and to the rest of the gateway.

mod connection;
mod event;
mod fleet;
mod rate;
pub mod schedule;
mod shared;

pub use event::{Credential, FleetEvent, FleetEventKind, HoldSpec};
pub use fleet::{Fleet, FleetDeps, TlsOf};
pub use shared::{Counts, Status};

#[cfg(test)]
mod double;
#[cfg(test)]
mod tests;
