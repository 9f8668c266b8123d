//! The checks that every vendor folder must pass before it is used.

mod patterns;
mod references;
mod samples;
mod templates;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, sync::Arc};

pub(super) use samples::prove;

use super::{
    diagnostic::Diagnostic,
    files::FolderFiles,
    line_keys,
    manifest::Manifest,
    recognise::Recogniser,
    registry::Vendor,
    templates::Templates,
    time_zones::{self, Zones},
};
use crate::settings::line_keys::KeyType;

#[derive(Default)]
pub(super) struct Loaded {
    pub vendors: BTreeMap<String, Vendor>,
    pub recogniser: Recogniser,
    pub templates: Templates,
}

/// Validates one manifest on its own, as that of the vendor `folder`: its words, tables, patterns and the templates it
/// references. Tools such as editors and fuzzers can call this without a directory.
#[must_use]
pub fn judge_manifest(folder: &str, text: &str) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    load(&FolderFiles::from([(format!("vendors/{folder}/vendor.toml"), text.to_owned())]), &mut findings);
    findings
}

pub(super) fn load(files: &FolderFiles, findings: &mut Vec<Diagnostic>) -> Loaded {
    let mut loaded = Loaded::default();
    for (path, text) in files {
        let Some(folder) = path.strip_prefix("vendors/").and_then(|rest| rest.strip_suffix("/vendor.toml")) else {
            continue;
        };
        let mut manifest: Manifest = match toml::from_str(text) {
            Ok(manifest) => manifest,
            Err(error) => {
                let line = error.span().map(|span| line_at(text, span.start));
                findings.push(Diagnostic::new(
                    path,
                    line,
                    error.message(),
                    "see vendors/yealink/vendor.toml for a complete one",
                ));
                continue;
            }
        };
        manifest.complete();
        let before = findings.len();
        references::prove(path, folder, text, &manifest, &loaded, findings);
        let file_names = patterns::compile(path, text, &manifest, &mut loaded.recogniser, findings);
        templates::compile(&manifest, text, files, &mut loaded.templates, findings);
        let zones = time_zones::load(folder, files, findings);
        let key_codes = line_keys::load(folder, files, findings);
        if findings.len() == before {
            let ca = format!("vendors/{folder}/ca/");
            let ca = files.iter().filter(|(path, _)| path.starts_with(&ca));
            let ca = ca.map(|(path, text)| (path.clone(), text.clone())).collect();
            enter(manifest, file_names, zones, key_codes, ca, &mut loaded);
        }
    }
    loaded
}

fn enter(
    manifest: Manifest,
    file_names: Vec<regex::Regex>,
    zones: Zones,
    key_codes: BTreeMap<KeyType, String>,
    ca: Vec<(String, String)>,
    loaded: &mut Loaded,
) {
    let name: Arc<str> = Arc::from(manifest.name.as_str());
    for bytes in manifest.ouis.iter().filter_map(|oui| references::oui_bytes(oui)) {
        loaded.recogniser.ouis.insert(bytes, Arc::clone(&name));
    }
    for (number, models) in &manifest.common_files {
        if let Ok(number) = number.parse() {
            let models = models.iter().map(|model| Arc::from(model.as_str())).collect();
            loaded.recogniser.numbers.insert((Arc::clone(&name), number), models);
        }
    }
    let vendor = Vendor {
        name: Arc::clone(&name),
        title: manifest.title.clone(),
        providers: manifest.providers.clone(),
        auth: manifest.auth,
        redirect: manifest.redirect.clone(),
        zones,
        key_codes,
        ca,
        manifest,
        file_names,
    };
    loaded.vendors.insert(name.to_string(), vendor);
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn line_of(text: &str, part: &str) -> Option<usize> {
    text.find(part).map(|offset| line_at(text, offset))
}

/// The last line that contains `part`, because the second occurrence is the mistake.
fn last_line_of(text: &str, part: &str) -> Option<usize> {
    text.rfind(part).map(|offset| line_at(text, offset))
}
