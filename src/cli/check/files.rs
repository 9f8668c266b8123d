//! Who else could read our files.

use std::{os::unix::fs::PermissionsExt, path::Path};

use super::Finding;

/// The data directory and what is in it belong to the service alone.
pub fn modes(dir: &Path, findings: &mut Vec<Finding>) {
    let mut wrong = 0;
    let mut look = |path: &Path| {
        let Ok(metadata) = std::fs::metadata(path) else { return };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            wrong += 1;
            let cure = if metadata.is_dir() { "chmod 700" } else { "chmod 600" };
            findings.push(Finding::error(
                format!("{} can be read or entered by others (mode {mode:o})", path.display()),
                format!("{cure} {}", path.display()),
            ));
        }
    };
    look(dir);
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        look(&entry.path());
    }
    if wrong == 0 && dir.exists() {
        findings.push(Finding::fine(format!("{} belongs to the service alone", dir.display())));
    }
}
