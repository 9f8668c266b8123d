//! Vendors as data: manifests, recognition of requests, templates and the checks every vendor folder must pass.

pub mod arrival;
pub mod family;
pub mod finding;
mod folder;
pub mod format;
mod line_keys;
mod live;
pub mod manifest;
pub mod model;
mod proofs;
mod recognise;
pub mod registry;
mod report;
mod templates;
mod zones;

pub use finding::Finding;
pub use format::Format;
pub use live::{LiveFolders, Look};
pub use manifest::{AuthScheme, FileKind, Provider, SameMac};
pub use proofs::judge_manifest;
pub use recognise::{Basis, Recognition};
pub use registry::{Registry, SharedRegistry, Vendor};
pub use templates::TemplateFault;
pub use zones::{Withheld, Zones};
