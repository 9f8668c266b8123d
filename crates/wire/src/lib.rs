//! The protocols of gangway as state machines and codecs that take bytes or messages and the time and return actions.
//! Contains no sockets, tasks or storage. The I/O is implemented in `net`, `devices`, `pbx`, `sip` and `http`.

pub mod appws;
pub mod hawk;
pub mod http_auth;
pub mod inno_encrypt;
mod lenient_json;
pub mod sip;
pub mod sysclient;
pub mod websocket;
pub mod xmlrpc;
