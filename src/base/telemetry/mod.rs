//! What the gateway tells about itself: the log, with secrets taken out, and metrics under names listed in one place.

pub mod escape_control;
pub mod log;
pub mod metric;
pub mod redact;

pub use log::{LogError, init};
pub use metric::metrics_text;
