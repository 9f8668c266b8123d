//! The files of the vendors: those built in, and those of a directory that stand before them.

use std::{collections::BTreeMap, fs, path::Path};

use rust_embed::RustEmbed;

use super::finding::Finding;

#[derive(RustEmbed)]
#[folder = "vendors/"]
struct BuiltInVendors;

#[derive(RustEmbed)]
#[folder = "templates/"]
struct BuiltInTemplates;

/// All files by path: `vendors/yealink/vendor.toml`, `templates/yealink/v80/open.cfg`.
pub(super) type Files = BTreeMap<String, String>;

/// Largest file that is read from a directory.
const MOST: u64 = 1 << 20;

/// Built-in files, replaced and joined by those of `overrides` (a directory with `vendors/` and `templates/`).
pub(super) fn read(overrides: Option<&Path>, findings: &mut Vec<Finding>) -> Files {
    let mut files = Files::new();
    let vendors =
        BuiltInVendors::iter().filter_map(|name| Some((format!("vendors/{name}"), BuiltInVendors::get(&name)?.data)));
    let templates = BuiltInTemplates::iter()
        .filter_map(|name| Some((format!("templates/{name}"), BuiltInTemplates::get(&name)?.data)));
    let ours = |path: &str| !path.ends_with(".md") && !path.starts_with("templates/admin/");
    for (path, data) in vendors.chain(templates).filter(|(path, _)| ours(path)) {
        enter(&mut files, path, data.into_owned(), findings);
    }
    if let Some(root) = overrides {
        for top in ["vendors", "templates"] {
            let dir = root.join(top);
            if dir.is_dir() {
                walk(&dir, top, &mut files, findings);
            }
        }
    }
    files
}

fn enter(files: &mut Files, path: String, data: Vec<u8>, findings: &mut Vec<Finding>) {
    match String::from_utf8(data) {
        Ok(text) => {
            files.insert(path, text);
        }
        // Certificates of a vendor's CA may be binary; only what is parsed here must be text.
        Err(_binary) if !path.ends_with(".toml") && !path.starts_with("templates/") => {}
        Err(_binary) => findings.push(Finding::new(&path, None, "it is not UTF-8", "save it as UTF-8")),
    }
}

fn walk(dir: &Path, name: &str, files: &mut Files, findings: &mut Vec<Finding>) {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            findings.push(Finding::new(name, None, format!("it cannot be read: {error}"), "check its permissions"));
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            if inner != "templates/admin" {
                walk(&path, &inner, files, findings);
            }
            continue;
        }
        if inner.ends_with(".md") || fs::metadata(&path).is_ok_and(|meta| meta.len() > MOST) {
            continue;
        }
        match fs::read(&path) {
            Ok(data) => enter(files, inner, data, findings),
            Err(error) => {
                findings.push(Finding::new(
                    &inner,
                    None,
                    format!("it cannot be read: {error}"),
                    "check its permissions",
                ));
            }
        }
    }
}
