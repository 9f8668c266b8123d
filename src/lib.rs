//! gangway brings third-party desk phones aboard an innovaphone PBX with zero touch.
//!
//! The rooms are listed in the order of their dependencies: a room imports only from rooms above it. `tests/house.rs` reads
//! every `crate::` path and enforces the order; `docs/architecture.md` describes the rooms.

pub mod base;
pub mod phone;
pub mod settings;

pub mod phone_config;

pub mod catalog;

pub mod net;
pub mod store;

pub mod render;

pub mod redirect;

pub mod pbx;

pub mod devices;

pub mod provision;

pub mod service;

pub mod http;
pub mod sip;

pub mod api;

pub mod app;
pub mod cli;
