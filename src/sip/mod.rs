//! SIP towards phones: those that arrive by multicast are told their URL, those with a pending change are told to come.

pub mod check_sync;
mod pnp_limits;
mod pnp_listener;
mod pnp_lookup;

pub use pnp_listener::{PnpError, PnpListeners, listen};
pub use pnp_lookup::{PnpLookup, ScanWatch};
