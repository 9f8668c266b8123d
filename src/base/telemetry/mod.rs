//! Logging, with secrets redacted, and metrics, whose names are listed in one place.

pub mod escape_control;
pub mod log;
pub mod metric;
pub mod redact;

pub use log::{LogError, init};
pub use metric::metrics_text;
