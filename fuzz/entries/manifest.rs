//! A vendor's manifest as an administrator may write it: refused with findings or taken, never worse.

use gangway::catalog::judge_manifest;

pub fn enter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for finding in judge_manifest("yealink", text) {
        assert!(!finding.to_string().is_empty());
    }
}
