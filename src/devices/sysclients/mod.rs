//! The fleet: one sysclient socket per phone, thousands of them on one thread. `schedule` decides who may connect
//! when (pure), `connection` runs one socket, `fleet` ties both to the clock and to the rest of the gateway.

mod connect_rate;
mod connection;
mod event;
mod handle_state;
mod pool;
pub mod schedule;

pub use event::{Credential, FleetEvent, FleetEventKind, HoldSpec};
pub use handle_state::{Counts, Status};
pub use pool::{Fleet, FleetDeps, TlsOf};

#[cfg(test)]
mod double;
#[cfg(test)]
mod tests;
