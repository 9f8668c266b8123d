//! Common infrastructure: configuration of the process, logging and metrics, translatable messages, and fail points.

pub mod config;
pub mod failpoint;
pub mod i18n;
pub mod telemetry;
