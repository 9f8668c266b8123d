//! Attacks known from other provisioning servers, tried on this one. Each row of `docs/security.md` has a test.

mod bombs;
mod carton;
mod database;
mod doors;
mod fields;
mod frames;
mod hosts;
mod input;
mod limits;
mod logins;
mod paths;
mod raw;
mod refusals;
mod requests;
mod tricks;
mod urls;
