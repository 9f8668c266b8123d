//! Which build this is: a page of another one reloads.

use std::sync::OnceLock;

use sha2::{Digest, Sha256};

/// 16 hex digits, the same for equal binaries' versions and texts.
#[must_use]
pub fn build() -> &'static str {
    static BUILD: OnceLock<String> = OnceLock::new();
    BUILD.get_or_init(|| {
        let mut hash = Sha256::new();
        hash.update(env!("CARGO_PKG_VERSION"));
        for key in super::english::keys() {
            hash.update(key.as_bytes());
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    })
}
