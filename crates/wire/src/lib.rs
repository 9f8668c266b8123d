//! The protocols gangway speaks, as plain types: bytes or messages and the time in, actions out. No sockets, no
//! tasks, no storage; what moves the bytes lives in `net`, `links`, `sysclients` and `http`.

pub mod appws;
pub mod hawk;
pub mod http_auth;
pub mod inno_encrypt;
mod lenient_json;
pub mod sip;
pub mod sysclient;
pub mod websocket;
pub mod xmlrpc;
