//! The id of this build. A page of a different build reloads.

use super::static_files::ASSETS;

/// 16 hex digits, identical for binaries with the same version, pages, and texts.
#[must_use]
pub fn build() -> &'static str {
    ASSETS.build()
}
