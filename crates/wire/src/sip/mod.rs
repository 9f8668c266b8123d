//! The subset of SIP that phones need for discovery before registration and for change notifications: messages (RFC
//! 3261), multicast PnP (`ua-profile`, RFC 6080) and `check-sync`. No transactions, dialogs or sockets.

mod check_sync;
mod message;
mod pnp;

pub use check_sync::{CheckSync, check_sync};
pub use message::{Malformed, SipMessage, Start};
pub use pnp::{GROUP, Place, ProfileSubscription, accepted, notify, profile_subscription};
