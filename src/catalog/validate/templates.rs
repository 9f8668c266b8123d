//! Validates templates: they must compile, include only files of their folder and use only what their stage provides.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{line_at, line_of};
use crate::catalog::{
    diagnostic::Diagnostic,
    family::Generation,
    file_pattern::FileKind,
    files::FolderFiles,
    format::Format,
    manifest::Manifest,
    templates::{TemplateFault, Templates},
};

/// The variables available in each stage.
const PERSONAL: &[&str] = &[
    "phone",
    "provisioning",
    "accounts",
    "servers",
    "sip",
    "media",
    "ldap",
    "language",
    "tones",
    "time",
    "line_keys",
    "free_line_keys",
    "firmware_url",
    "wallpaper",
    "syslog",
    "admin",
];
const OPEN: &[&str] = &["provisioning"];
const BOOTSTRAP: &[&str] = &["provisioning", "ca"];
const COMMON: &[&str] = &[];

type Sources = BTreeMap<String, String>;

/// Compiles the vendor's templates in every format its families use, and checks every template that is referenced.
pub fn compile(
    manifest: &Manifest,
    manifest_text: &str,
    files: &FolderFiles,
    templates: &mut Templates,
    findings: &mut Vec<Diagnostic>,
) {
    let prefix = format!("templates/{}/", manifest.name);
    let sources: Sources = files
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix))
        .map(|(path, text)| (path.trim_start_matches("templates/").to_owned(), text.clone()))
        .collect();
    let before = findings.len();
    read(manifest, &sources, findings);
    let formats: BTreeSet<Format> = manifest.families.iter().map(|family| manifest.format_of(family)).collect();
    for format in formats {
        if let Err(faults) = templates.add(&manifest.name, format, &sources) {
            // The text check has already reported the problem with a better remedy.
            if findings.len() == before {
                for TemplateFault { name, line, reason } in faults {
                    findings.push(Diagnostic::new(&format!("templates/{name}"), line, reason, "correct the template"));
                }
            }
            return;
        }
    }
    let manifest_path = format!("vendors/{}/vendor.toml", manifest.name);
    let mut seen = BTreeSet::new();
    for family in &manifest.families {
        let format = manifest.format_of(family);
        let stages = manifest.generations_of(family).flat_map(stages);
        let own = manifest.files.iter().filter_map(|file| {
            let offered = if file.kind == FileKind::Common { COMMON } else { PERSONAL };
            Some((file.template.as_deref()?, offered))
        });
        for (template, offered) in stages.chain(own) {
            let name = format!("{}/{template}", manifest.name);
            if !seen.insert((format, name.clone(), offered.len())) {
                continue;
            }
            if templates.contains(format, &name) {
                let unknown = templates.variables(format, &name).unwrap_or_default();
                variables(&name, &unknown, offered, &sources, findings);
            } else {
                let line = line_of(manifest_text, &format!("\"{template}\""));
                let reason = format!("its template templates/{name} is missing");
                findings.push(Diagnostic::new(&manifest_path, line, reason, "create it or correct the name"));
            }
        }
    }
}

fn stages(generation: &Generation) -> impl Iterator<Item = (&str, &'static [&'static str])> {
    let common = generation.common.as_deref().map(|common| (common, COMMON));
    let bootstrap = generation.bootstrap.as_deref().map(|bootstrap| (bootstrap, BOOTSTRAP));
    [(generation.open.as_str(), OPEN), (generation.personal.as_str(), PERSONAL)]
        .into_iter()
        .chain(common)
        .chain(bootstrap)
}

/// Checks the text for files of other folders and for filters that bypass the escaper.
fn read(manifest: &Manifest, sources: &Sources, findings: &mut Vec<Diagnostic>) {
    let own = format!("{}/", manifest.name);
    let Ok(others) = Regex::new(r#"\{%-?\s*(?:include|extends)\s+["'`]([^"'`]*)["'`]"#) else { return };
    let Ok(unescaped) = Regex::new(r"\|\s*safe\b|\bescape_html\b|\bescape_xml\b|\bnewlines_to_br\b") else { return };
    for (name, text) in sources {
        let path = format!("templates/{name}");
        for found in others.captures_iter(text) {
            let (Some(whole), Some(target)) = (found.get(0), found.get(1)) else { continue };
            let line = Some(line_at(text, whole.start()));
            let target = target.as_str();
            if !target.starts_with(&own) || target.split('/').any(|part| part == "..") {
                let reason = format!("it takes '{target}' from outside its folder");
                findings.push(Diagnostic::new(&path, line, reason, &format!("name a template below {own}")));
            } else if !sources.contains_key(target) {
                let reason = format!("it takes '{target}', which is missing");
                findings.push(Diagnostic::new(&path, line, reason, "create it or correct the name"));
            }
        }
        for found in unescaped.find_iter(text) {
            let line = Some(line_at(text, found.start()));
            let reason = format!("'{}' would go past the format's escaper", found.as_str());
            findings.push(Diagnostic::new(&path, line, reason, "remove the filter"));
        }
    }
}

fn variables(name: &str, used: &[String], offered: &[&str], sources: &Sources, findings: &mut Vec<Diagnostic>) {
    for variable in used.iter().filter(|variable| !offered.contains(&variable.as_str())) {
        let line = sources.get(name).and_then(|text| line_of(text, variable));
        let reason = format!("its stage has no '{variable}'");
        let cure =
            if offered.is_empty() { "use no variables".to_owned() } else { format!("use {}", offered.join(", ")) };
        findings.push(Diagnostic::new(&format!("templates/{name}"), line, reason, &cure));
    }
}
