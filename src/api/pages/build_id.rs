//! Which build this is: a page of another one reloads.

use super::static_files::ASSETS;

/// 16 hex digits, the same for equal binaries' versions, pages and texts.
#[must_use]
pub fn build() -> &'static str {
    ASSETS.build()
}
