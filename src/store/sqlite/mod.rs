//! The engine for SQLite: all SQL, the connections, and what a database that is one file needs.

pub(in crate::store) mod account;
pub(in crate::store) mod activity;
pub(in crate::store) mod audit;
pub(in crate::store) mod codec;
pub(in crate::store) mod command_payload;
pub(in crate::store) mod connection;
pub(in crate::store) mod degraded;
pub(in crate::store) mod delivered;
pub(in crate::store) mod device_config;
pub(in crate::store) mod event;
pub(in crate::store) mod external_changes;
pub(in crate::store) mod fact;
#[cfg(feature = "demo")]
pub(in crate::store) mod fault_injection;
pub(in crate::store) mod history;
pub(in crate::store) mod identity;
pub(in crate::store) mod instance;
pub(in crate::store) mod loader;
pub(in crate::store) mod lost_database;
pub(in crate::store) mod missing_database;
pub(in crate::store) mod phone;
pub(in crate::store) mod phone_writes;
pub(in crate::store) mod request;
pub(in crate::store) mod rescue;
pub(in crate::store) mod restore_state;
pub(in crate::store) mod rotate;
pub(in crate::store) mod schema;
pub(in crate::store) mod sealed_columns;
pub(in crate::store) mod sequence;
pub(in crate::store) mod setting;
pub(in crate::store) mod setting_change;
pub mod snapshots;
pub(in crate::store) mod token;
pub(in crate::store) mod upload;
pub(in crate::store) mod vacuum_into;
pub(in crate::store) mod write_batch;
pub(in crate::store) mod writer;
