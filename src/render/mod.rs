//! Phones' files from records and settings: rendered when asked for, kept as bytes in a bounded cache, with the
//! origin of every line.

mod cache;
mod current;
mod explain;
#[cfg(test)]
mod key_tests;
mod masked;
mod renderer;
mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod zone_tests;

pub use current::{recognition_of, secrets_of};
pub use explain::ExplainedLine;
pub use masked::{Keys, Masked, MaskedLine};
pub use renderer::{CACHE_BYTES, FileRequest, Generated, RenderError, Rendered, Renderer, Stage};
pub use sample::{SampleFile, render_sample};
