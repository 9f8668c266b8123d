//! The simulators: a PBX, the Users and Devices services, redirect services and phones, over real sockets on
//! loopback. Each is written from the vendors' documents, never from the gateway's own code, so that a misreading
//! there is not repeated here; they share nothing with `wire`, not even constants.
//!
//! [`world::World`] starts them all; [`host::SimHost`] is the thread they run on. Every simulator is a `Send` handle
//! that tests drive and look into from any thread.

pub mod board;
mod crypt;
pub mod devices;
mod fetch;
pub mod gate;
pub mod host;
mod login;
pub mod pbx;
mod server;
pub mod session;
pub mod sip_phone;
pub mod snom_phone;
pub mod snom_rps;
pub mod sraps;
pub mod users;
pub mod world;
mod xmlrpc;
pub mod yealink_phone;
pub mod yealink_rps;
pub mod ymcs;

pub use login::LoginForm;

#[cfg(test)]
mod tests;
