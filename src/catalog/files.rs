//! Reads the files of the vendors: the built-in ones, and those of an override directory, which take precedence.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read as _},
    path::Path,
};

use rust_embed::RustEmbed;

use super::diagnostic::Diagnostic;

#[derive(RustEmbed)]
#[folder = "vendors/"]
struct BuiltInVendors;

#[derive(RustEmbed)]
#[folder = "templates/"]
struct BuiltInTemplates;

/// All files by path: `vendors/yealink/vendor.toml`, `templates/yealink/desk/v81/open.cfg`.
pub(super) type FolderFiles = BTreeMap<String, String>;

/// Maximum size in bytes of a file read from a directory.
const MOST: u64 = 1 << 20;
/// Maximum depth of nested folders. Anything deeper is a symlink cycle.
const DEEPEST: usize = 6;

/// The built-in files, replaced and extended by those of `overrides` (a directory with `vendors/` and `templates/`).
pub(super) fn read(overrides: Option<&Path>, findings: &mut Vec<Diagnostic>) -> FolderFiles {
    let mut files = FolderFiles::new();
    let vendors =
        BuiltInVendors::iter().filter_map(|name| Some((format!("vendors/{name}"), BuiltInVendors::get(&name)?.data)));
    let templates = BuiltInTemplates::iter()
        .filter_map(|name| Some((format!("templates/{name}"), BuiltInTemplates::get(&name)?.data)));
    let ours = |path: &str| !path.ends_with(".md") && !path.starts_with("templates/admin/");
    for (path, data) in vendors.chain(templates).filter(|(path, _)| ours(path)) {
        enter(&mut files, path, data.into_owned(), findings);
    }
    if let Some(root) = overrides {
        if !root.is_dir() {
            let cure = "create it, or correct 'dir' in [vendors] of the configuration";
            findings.push(Diagnostic::new(&root.display().to_string(), None, "the directory does not exist", cure));
        }
        let mut own = FolderFiles::new();
        for top in ["vendors", "templates"] {
            let dir = root.join(top);
            if dir.is_dir() {
                walk(&dir, top, 0, &mut own, findings);
            }
        }
        let names: Vec<String> = own.keys().cloned().collect();
        files.append(&mut own);
        unknown_files(&names, &files, findings);
    }
    files
}

/// Reports folders that belong to no vendor: most likely a mistyped name.
fn unknown_files(own: &[String], files: &FolderFiles, findings: &mut Vec<Diagnostic>) {
    let folder = |path: &str, top: &str| {
        let (name, _) = path.strip_prefix(top)?.split_once('/')?;
        Some(name.to_owned())
    };
    let named = |top: &str| own.iter().filter_map(|path| folder(path, top)).collect::<BTreeSet<_>>();
    let cure = "add vendors/<vendor>/vendor.toml, or give the folder the name of its vendor";
    for (top, name) in
        ["vendors/", "templates/"].into_iter().flat_map(|top| named(top).into_iter().map(move |n| (top, n)))
    {
        if !files.contains_key(&format!("vendors/{name}/vendor.toml")) {
            findings.push(Diagnostic::new(&format!("{top}{name}"), None, "it belongs to no vendor", cure));
        }
    }
}

/// A fingerprint of a directory's state: names, sizes and modification times of its files.
pub(super) fn fingerprint(root: &Path) -> u64 {
    fn look(dir: &Path, depth: usize, hasher: &mut DefaultHasher) {
        let Ok(entries) = fs::read_dir(dir) else { return };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Ok(meta) = fs::metadata(&path) else { continue };
            (&path, meta.len(), meta.modified().ok(), meta.is_dir()).hash(hasher);
            if meta.is_dir() && depth < DEEPEST {
                look(&path, depth + 1, hasher);
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    root.is_dir().hash(&mut hasher);
    for top in ["vendors", "templates"] {
        look(&root.join(top), 0, &mut hasher);
    }
    hasher.finish()
}

fn enter(files: &mut FolderFiles, path: String, data: Vec<u8>, findings: &mut Vec<Diagnostic>) {
    match String::from_utf8(data) {
        Ok(text) => {
            files.insert(path, text);
        }
        // Certificates of a vendor's CA may be binary; only parsed files must be text.
        Err(_binary) if !path.ends_with(".toml") && !path.starts_with("templates/") => {}
        Err(_binary) => findings.push(Diagnostic::new(&path, None, "it is not UTF-8", "save it as UTF-8")),
    }
}

/// Reads a file, but at most one byte more than the limit.
fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut data)?;
    Ok(data)
}

fn walk(dir: &Path, name: &str, depth: usize, files: &mut FolderFiles, findings: &mut Vec<Diagnostic>) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            findings.push(Diagnostic::new(name, None, format!("it cannot be read: {error}"), "check its permissions"));
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            if inner != "templates/admin" && depth < DEEPEST {
                walk(&path, &inner, depth + 1, files, findings);
            }
            continue;
        }
        // Skip editor backups and notes; they are not templates.
        if inner.ends_with(".md") || inner.ends_with('~') || entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // Reading a pipe or a device might never end.
        if fs::metadata(&path).is_ok_and(|meta| !meta.is_file()) {
            findings.push(Diagnostic::new(&inner, None, "it is no regular file", "replace it by a file, or remove it"));
            continue;
        }
        match content(&path) {
            Ok(data) if data.len() as u64 > MOST => {
                let reason = format!("it is larger than {} kB", MOST >> 10);
                findings.push(Diagnostic::new(
                    &inner,
                    None,
                    reason,
                    "remove it: no manifest or template needs that much",
                ));
            }
            Ok(data) => enter(files, inner, data, findings),
            Err(error) => {
                findings.push(Diagnostic::new(
                    &inner,
                    None,
                    format!("it cannot be read: {error}"),
                    "check its permissions",
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_without_an_end_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let vendor = dir.path().join("vendors/acme");
        fs::create_dir_all(&vendor).unwrap();
        std::os::unix::fs::symlink("/dev/zero", vendor.join("vendor.toml")).unwrap();
        let large = File::create(vendor.join("large.toml")).unwrap();
        large.set_len(MOST + 1).unwrap();
        fs::write(vendor.join("small.toml"), "x = 1").unwrap();
        let mut findings = Vec::new();
        let files = read(Some(dir.path()), &mut findings);
        let message: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(files.contains_key("vendors/acme/small.toml"));
        assert!(!files.contains_key("vendors/acme/large.toml") && !files.contains_key("vendors/acme/vendor.toml"));
        assert!(
            message.iter().any(|text| text.contains("large.toml") && text.contains("larger than 1024 kB")),
            "{message:?}"
        );
        assert!(
            message.iter().any(|text| text.contains("vendor.toml") && text.contains("no regular file")),
            "{message:?}"
        );
    }
}
