//! Checks which files other users could read.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{CheckFinding, Level};
use crate::base::config::Config;

/// Checks that files with secrets are readable only by the service: data directory, configuration, password files,
/// certificate keys. Wrong modes are an error for files that only gangway writes, and a warning for files that
/// administrators write, because there may be a reason.
pub fn modes(config_file: &Path, config: &Config, findings: &mut Vec<CheckFinding>) {
    let dir = &config.data.dir;
    let before = findings.len();
    let owner = std::fs::metadata(dir).ok().map(|metadata| metadata.uid());
    let mut data = vec![dir.clone()];
    below(dir, 2, &mut data);
    for path in &data {
        look(path, Level::Error, owner, findings);
    }
    // A file that has only `password_file` contains no secret.
    let holds_password = |text: String| text.lines().any(is_secret_line);
    if std::fs::read_to_string(config_file).is_ok_and(holds_password) {
        look(config_file, Level::Warning, owner, findings);
    }
    let passwords =
        config.instances.iter().flat_map(|instance| [&instance.password_file, &instance.admin_password_file]);
    for path in passwords.filter(|path| !path.as_os_str().is_empty()) {
        look(path, Level::Warning, owner, findings);
    }
    if !config.https.listen.is_empty() {
        for (_, key) in config.https.pairs() {
            look(&key, Level::Warning, owner, findings);
        }
    }
    if findings.len() == before && dir.exists() {
        findings.push(CheckFinding::fine(format!(
            "{} and what else holds secrets belong to the service alone",
            dir.display()
        )));
    }
}

/// Whether a line of the configuration contains a secret: a password, or a proxy with credentials.
fn is_secret_line(line: &str) -> bool {
    let Some((key, value)) = line.split_once('=') else { return false };
    match key.trim() {
        "password" | "admin_password" => true,
        "proxy" => value.contains('@'),
        _ => false,
    }
}

/// Collects the files below `dir`, up to `depth` directories deep: copies and replaced files contain the same secrets.
fn below(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if depth > 1 && path.is_dir() {
            below(&path, depth - 1, found);
        }
        found.push(path);
    }
}

fn look(path: &Path, level: Level, owner: Option<u32>, findings: &mut Vec<CheckFinding>) {
    let Ok(metadata) = std::fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    // Files owned by root with read access for the service's group are a common way to provide a key or configuration.
    let by_group = metadata.uid() == 0 && owner != Some(0) && mode & 0o037 == 0;
    if mode & 0o077 != 0 && !by_group {
        let cure = if metadata.is_dir() { "chmod 700" } else { "chmod 600" };
        let what = format!("{} can be read or entered by others (mode {mode:o})", path.display());
        findings.push(CheckFinding { level, what, cure: format!("{cure} {}", path.display()) });
    }
    if let Some(owner) = owner.filter(|owner| metadata.uid() != *owner && metadata.uid() != 0) {
        findings.push(CheckFinding::warning(
            format!("{} belongs to user id {}, the data to {owner}", path.display(), metadata.uid()),
            format!("chown {owner} {}", path.display()),
        ));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn every_file_with_a_secret_that_others_can_read_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        fs::create_dir_all(path("data/backups")).unwrap();
        for dir in ["data", "data/backups"] {
            fs::set_permissions(path(dir), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let names = ["data/seal.key", "data/backups/a.db", "password", "key.pem"];
        for name in names {
            write(&path(name), "x", 0o600);
        }
        write(&path("gangway.toml"), "[http]\nlisten = \"x\"\n", 0o644);
        let mut config = Config::default();
        config.data.dir = path("data");
        config.https.listen = vec!["127.0.0.1:1".to_owned()];
        config.https.certificate = vec![path("chain.pem")];
        config.https.key = vec![path("key.pem")];
        config.instances =
            vec![crate::base::config::InstanceConfig { password_file: path("password"), ..Default::default() }];
        let sentences = |config: &Config| {
            let mut findings = Vec::new();
            modes(&path("gangway.toml"), config, &mut findings);
            let bad = findings.iter().filter(|finding| finding.level != Level::Fine);
            bad.map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(sentences(&config), Vec::<String>::new());
        for name in names {
            write(&path(name), "x", 0o640);
            let found = sentences(&config);
            assert!(found.len() == 1 && found[0].contains(name) && found[0].contains("chmod 600"), "{name}: {found:?}");
            write(&path(name), "x", 0o600);
        }
        write(&path("gangway.toml"), "[[instances]]\npassword = \"secret\"\n", 0o644);
        let found = sentences(&config);
        assert!(found.len() == 1 && found[0].contains("gangway.toml"), "{found:?}");
        assert!(!found[0].contains("secret\""), "{found:?}");
    }
}
