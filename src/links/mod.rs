//! AppWebsocket links kept up: who is connected, how to ask them something from any thread, and the client links to
//! the Devices app. The rules of the protocol are in `wire::appws`; what is said over a link is the matter of `apis`.

pub mod devices;
pub mod link;
pub mod pbx;
