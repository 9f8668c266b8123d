//! Vendors as data: manifests, recognition of requests, templates and the checks every vendor folder must pass.

pub mod diagnostic;
pub mod discovery;
mod display;
pub mod family;
pub mod file_pattern;
mod files;
pub mod format;
mod line_keys;
mod load;
pub mod manifest;
pub mod model;
mod recognise;
pub mod registry;
mod reload;
mod templates;
mod time_zones;
mod validate;

pub use diagnostic::Diagnostic;
pub use file_pattern::FileKind;
pub use format::Format;
pub use manifest::{Provider, ReprovisionPolicy};
pub use recognise::{Basis, Recognition};
pub use registry::{Registry, SharedRegistry, Vendor};
pub use reload::{LiveFolders, ReloadResult};
pub use templates::TemplateFault;
pub use time_zones::{Withheld, Zones};
pub use validate::judge_manifest;
