//! The fleet: one sysclient socket per phone, thousands of them on one thread. `schedule` decides who may connect
//! when (pure), `core` knows who is held, `connection` runs one socket, `pool` ties them to the clock and to the rest of
//! the gateway.

mod connect_rate;
mod connection;
mod core;
mod event;
mod handle_state;
mod pool;
pub mod schedule;

pub use event::{Credential, SysclientEvent, SysclientEventKind, SysclientSpec};
pub use handle_state::{Status, SysclientCounts};
pub use pool::{InstanceTrust, PoolDependencies, SysclientPool};

#[cfg(test)]
mod double;
#[cfg(test)]
mod tests;
