//! The sysclient pool: one socket per phone, thousands of them on one thread. `schedule` decides which phone may
//! connect when (pure), `core` has the state of the phones, `connection` runs one socket, and `pool` connects them with
//! the clock and the rest of the gateway.

mod connect_rate;
mod connection;
mod core;
mod event;
mod handle_state;
mod pool;
pub mod schedule;

pub use event::{Credential, SysclientEvent, SysclientEventKind, SysclientIdentity, SysclientSpec};
pub use handle_state::{Status, SysclientCounts};
pub use pool::{InstanceTrust, PoolDependencies, SysclientPool};

#[cfg(test)]
mod tests;
