//! gangway brings third-party desk phones aboard an innovaphone PBX with zero touch.
//!
//! The rooms, from the ground up; a room uses only rooms above it in this list (a test reads
//! `use crate::` and keeps it so, see `tests/house.rs` and `docs/architecture.md`).

pub mod clock;
pub mod config;
pub mod crash_point;
pub mod secret;
pub mod tasks;
pub mod telemetry;

pub mod phone;
pub mod wire;

pub mod net;
pub mod store;
pub mod vendor;

pub mod links;
pub mod redirect;
pub mod render;
pub mod sysclients;

pub mod provision;

pub mod apis;
pub mod diagnostics;

pub mod http;
pub mod sip;

pub mod admin;

pub mod rest;

pub mod app;
pub mod cli;
pub mod lifecycle;

#[cfg(feature = "sim")]
pub mod sim;
