//! The local socket of a running gateway, `gangway.sock` in the data directory. The commands of its owner use it.
//!
//! The gateway sends a [`Greeting`] first. The command answers with a `CommandCall`, and with the contents of a file if
//! the request has one. Then the gateway sends `CommandReply`s until the last one; the first one says that it has accepted
//! the request, and while it works another one comes at least every [`KEEP_ALIVE`]. Every frame is a length of four bytes
//! (big endian) and that many bytes of JSON, or of the file.

mod client;
pub mod frame;
mod listener;
mod lost_socket;
mod path;
mod user;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::{
    client::{ExchangeError, GatewayConnection, GreetingError},
    listener::{LocalSocketListener, PeerPolicy},
    path::{SOCKET, SocketDirectory, SocketFile},
    user::user_name,
};

/// The version of the messages. It changes whenever a gateway and a command of different releases would misunderstand
/// each other.
pub const PROTOCOL: u32 = 1;

/// The longest pause between two replies to an accepted request. A gateway that has nothing to say sends
/// `CommandReply::Working` then.
pub const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// How long a command waits for the next reply. A gateway that sends none for so long is stopped or hangs.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(30);

/// The largest greeting, in bytes.
pub const GREETING_BYTES: usize = 4 << 10;
/// The largest request, in bytes. The longest setting fits in many times.
pub const REQUEST_BYTES: usize = 1 << 20;
/// The largest reply, in bytes. Rows of lists are sent in replies of about 128 KiB; the phone with the most users fits
/// in many times.
pub const REPLY_BYTES: usize = 32 << 20;

/// The first message of the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Greeting {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The version of the gateway.
    pub version: String,
    /// Why the gateway accepts no command from this peer now.
    pub refusal: Option<String>,
}
