//! Vendors as data: manifests, recognition of requests, templates and the checks every vendor folder must pass.

pub mod cfg_format;
pub mod finding;
mod folder;
mod line_keys;
pub mod manifest;
mod proofs;
mod recognise;
pub mod registry;
mod report;
mod templates;
mod zones;

pub use finding::Finding;
pub use manifest::{AuthScheme, FileKind, Provider, SameMac};
pub use recognise::Recognition;
pub use registry::{Registry, SharedRegistry, Vendor};
pub use templates::EscapeClass;
pub use zones::{Withheld, Zones};
