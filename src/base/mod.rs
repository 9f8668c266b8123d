//! What every room uses: the configuration of the process, logs and metrics, sentences in two languages, fail points.

pub mod config;
pub mod failpoint;
pub mod i18n;
pub mod telemetry;
