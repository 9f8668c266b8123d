//! What the gateway tells about itself: the log, with secrets taken out, and metrics under names listed in one place.

pub(crate) mod labelled;
pub mod log;
pub mod metric;
pub mod redact;
pub mod visible;

pub use log::{LogError, init};
pub use metric::metrics_text;
