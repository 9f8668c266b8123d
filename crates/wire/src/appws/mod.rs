//! AppWebsocket, innovaphone's JSON protocol between PBX, app services and pages (SDK page "AppWebsocket"): login,
//! session keys, the message envelope, both ends of a socket as state machines, and the messages that gangway
//! exchanges.

pub mod app_info;
pub mod build;
pub mod client;
pub mod devices;
pub mod envelope;
pub mod keepalive;
pub mod login;
pub mod login_info;
pub mod login_rejection;
pub mod pbx_admin;
pub mod pbx_app_objects;
pub mod pbx_info;
pub mod provisioning;
pub mod server;
pub mod services;
pub mod session_key;

pub use envelope::{Envelope, EnvelopeError, IN_LIMIT, OUT_LIMIT, PRE_LOGIN_LIMIT};
pub use login::{Challenge, Login};
pub use login_info::{Identity, Info, LoginKind};
pub use login_rejection::{LoginRejection, RejectedLoginAttempt};
pub use session_key::SessionKey;
