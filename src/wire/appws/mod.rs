//! AppWebsocket, innovaphone's JSON protocol between PBX, app services and pages (SDK page "AppWebsocket"): login,
//! session keys, the envelope every message has, both ends of a socket as state machines, and the messages gangway
//! exchanges over it.

pub mod app_info;
pub mod build;
pub mod client;
pub mod devices;
pub mod envelope;
pub mod info;
pub mod key;
pub mod login;
pub mod pbx_admin;
pub mod pbx_info;
pub mod provisioning;
pub mod pulse;
pub mod refusal;
pub mod server;
pub mod services;

pub use envelope::{Envelope, EnvelopeError, IN_LIMIT, OUT_LIMIT, PRE_LOGIN_LIMIT};
pub use info::{Identity, Info, LoginKind};
pub use key::SessionKey;
pub use login::{Challenge, Login};
pub use refusal::{Refusal, Refused};
