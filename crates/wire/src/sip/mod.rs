//! SIP as far as phones need it before they register and to be told of changes: messages (RFC 3261), arrival by
//! multicast (`ua-profile`, RFC 6080) and `check-sync`. No transactions, no dialogs, no sockets.

mod check_sync;
mod message;
mod pnp;

pub use check_sync::{Told, check_sync};
pub use message::{Malformed, SipMessage, Start};
pub use pnp::{Asked, GROUP, Place, accepted, asked, notify};
