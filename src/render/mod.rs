//! Renders phones' files from records and settings on request, caches the bytes in a bounded cache, and explains the
//! origin of every line.

mod cache;
mod explain;
#[cfg(test)]
mod key_tests;
mod redact;
mod render_inputs;
mod rendered_file;
mod renderer;
mod sample;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod zone_tests;

pub use explain::ExplainedLine;
pub use redact::{Masked, MaskedLine, SecretKeys};
pub use render_inputs::{recognition_of, secrets_of};
pub use rendered_file::Rendered;
pub use renderer::{CACHE_BYTES, FileRequest, Generated, RenderError, Renderer, Stage};
pub use sample::{SampleFile, render_sample};
