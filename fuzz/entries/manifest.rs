//! Fuzzes the validation of a vendor's manifest: it must be accepted or rejected with findings, without a panic.

use gangway::catalog::judge_manifest;

pub fn enter(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for finding in judge_manifest("yealink", text) {
        assert!(!finding.to_string().is_empty());
    }
}
