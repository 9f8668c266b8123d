//! SIP towards phones: answers multicast PnP subscriptions with the provisioning URL, and asks phones with a pending
//! change to resync.

pub mod check_sync;
mod pnp_limits;
mod pnp_listener;
mod pnp_lookup;

pub use pnp_listener::{PnpError, PnpListeners, listen};
pub use pnp_lookup::{PnpLookup, ScanWatch};
