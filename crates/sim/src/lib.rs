//! Simulators of a PBX, the Users and Devices services, redirect services and phones, over real loopback sockets. They
//! are written from the vendors' documents and never from the gateway's code, so they do not repeat its misreadings.
//! They share nothing with `wire`, not even constants.
//!
//! [`simulation::Simulation`] starts all simulators; [`host::SimHost`] is the thread they run on. Every simulator is a `Send`
//! handle that tests can use from any thread.

pub mod board;
mod crypt;
pub mod devices;
mod fetch;
pub mod gate;
pub mod host;
mod login;
pub mod pbx;
pub mod phone_boot;
#[cfg(test)]
mod python_client;
pub mod redirect_service;
mod server;
pub mod session;
pub mod simulation;
pub mod sip_phone;
pub mod snom_phone;
pub mod snom_rps;
pub mod sraps;
pub mod sysclient_server;
pub mod users;
mod xmlrpc;
pub mod yealink_phone;
pub mod yealink_rps;
pub mod ymcs;

pub use login::LoginForm;

#[cfg(test)]
mod tests;
