//! Tests of the engine and the request handling with a manual clock, and with PBX, sysclient pool and redirect service
//! in memory.

mod base;
mod bench;
mod comparison;
#[cfg(feature = "demo")]
#[cfg(debug_assertions)]
mod crash;
mod engine;
mod identity;
mod late;
mod lifecycle;
mod load;
mod outage;
mod peer_errors;
mod power_loss;
mod random;
mod registrations;
mod request;
mod restart;
mod several_devices;
#[cfg(feature = "demo")]
mod store_failures;
