//! Validates names, numbers and references within a manifest.

use std::collections::HashSet;

use data_encoding::HEXLOWER;

use super::{Loaded, last_line_of, line_of};
use crate::{
    catalog::{diagnostic::Diagnostic, manifest::Manifest},
    settings::{NO_PROTOCOL, REDIRECT_PROTOCOLS, Scope, family_may_default, redirect_protocol, validate},
};

/// Validates the words and references of one manifest. `loaded` contains the vendors loaded before it.
pub fn prove(
    path: &str,
    folder: &str,
    text: &str,
    manifest: &Manifest,
    loaded: &Loaded,
    findings: &mut Vec<Diagnostic>,
) {
    words(path, folder, text, manifest, findings);
    ouis(path, text, manifest, loaded, findings);
    families(path, text, manifest, findings);
    models(path, text, manifest, findings);
    for provider in &manifest.providers {
        let taken = loaded.vendors.values().flat_map(|vendor| &vendor.providers).any(|one| one.name == provider.name);
        if taken {
            let reason = format!("the provider {} exists already", provider.name);
            findings.push(Diagnostic::new(path, line_of(text, &provider.name), reason, "give it another name"));
        }
    }
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn words(path: &str, folder: &str, text: &str, manifest: &Manifest, findings: &mut Vec<Diagnostic>) {
    let mut find = |part: &str, reason: String, cure: &str| {
        findings.push(Diagnostic::new(path, line_of(text, part), reason, cure));
    };
    if manifest.name != folder {
        find("name", format!("it is named {} in the folder {folder}", manifest.name), "give both the same name");
    }
    let providers = manifest.providers.iter().map(|one| &one.name);
    let families = manifest.families.iter().map(|one| &one.name);
    let capabilities = manifest.models.iter().flat_map(|model| &model.capabilities);
    for name in providers.chain(families).chain(capabilities).chain([&manifest.name]).filter(|name| !is_word(name)) {
        find(&format!("\"{name}\""), format!("'{name}' is no plain word"), "use a-z, 0-9 and '-'");
    }
    for name in manifest.redirect.protocols.iter().filter(|name| redirect_protocol(name).is_none()) {
        let known: Vec<&str> = REDIRECT_PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        find(
            &format!("\"{name}\""),
            format!("the gateway speaks no redirect protocol '{name}'"),
            &format!("write one of {}, or leave protocols empty and default = \"none\"", known.join(", ")),
        );
    }
    if manifest.redirect.default != NO_PROTOCOL && !manifest.redirect.protocols.contains(&manifest.redirect.default) {
        find("default", "the default protocol is not among the protocols".to_owned(), "list it in redirect.protocols");
    }
    if manifest.providers.is_empty() {
        find("name", "it has no provider".to_owned(), "add a [[providers]] entry");
    }
    for (text, reason) in manifest.arrival.faults() {
        find(&text, reason, "write {url} where the gateway's URL belongs, once and nothing else in braces");
    }
    if let Some(reason) = manifest.lines.fault() {
        find("[lines]", reason, "correct the [lines] table");
    }
}

fn ouis(path: &str, text: &str, manifest: &Manifest, loaded: &Loaded, findings: &mut Vec<Diagnostic>) {
    let mut find = |oui: &str, reason: String, cure: &str| {
        findings.push(Diagnostic::new(path, last_line_of(text, oui), reason, cure));
    };
    let mut seen = HashSet::new();
    for oui in &manifest.ouis {
        match oui_bytes(oui) {
            None => find(oui, format!("'{oui}' is no OUI"), "write six lower-case hex digits"),
            Some(bytes) => {
                if let Some(other) = loaded.recogniser.ouis.get(&bytes) {
                    find(oui, format!("the OUI {oui} belongs to {other} already"), "keep it in one manifest");
                } else if !seen.insert(bytes) {
                    find(oui, format!("the OUI {oui} stands there twice"), "remove one");
                }
            }
        }
    }
}

fn families(path: &str, text: &str, manifest: &Manifest, findings: &mut Vec<Diagnostic>) {
    let mut find = |part: &str, reason: String, cure: &str| {
        findings.push(Diagnostic::new(path, line_of(text, part), reason, cure));
    };
    let mut names = HashSet::new();
    for family in manifest.families.iter().filter(|family| !names.insert(family.name.as_str())) {
        find("[[families]]", format!("the family {} stands there twice", family.name), "remove one");
    }
    if manifest.families.iter().filter(|family| family.default).count() > 1 {
        find("[[families]]", "more than one family is the default".to_owned(), "mark one with default = true");
    }
    let providers = manifest.providers.iter().flat_map(|one| one.families.iter().map(move |name| (&one.name, name)));
    let generations = manifest.generations.iter().filter_map(|one| Some((&one.name, one.family.as_ref()?)));
    let models = manifest.models.iter().filter_map(|one| Some((&one.name, one.family.as_ref()?)));
    for (who, family) in providers.chain(generations).chain(models).filter(|(_, name)| !names.contains(name.as_str())) {
        let reason = format!("{who} names the unknown family {family}");
        find(&format!("\"{family}\""), reason, "add a [[families]] entry or correct the name");
    }
    for family in &manifest.families {
        let served =
            manifest.providers.iter().any(|one| one.families.is_empty() || one.families.contains(&family.name));
        if !served {
            let reason = format!("no provider serves the family {}", family.name);
            find("[[families]]", reason, "name it in the families of a [[providers]] entry");
        }
        for (name, value) in &family.settings {
            let refused = if family_may_default(name) {
                validate(name, value, &Scope::Instance).err().map(|error| error.to_string())
            } else {
                Some(format!("{name} has no default of a vendor; only ldap_... may have one"))
            };
            if let Some(reason) = refused {
                find(name, reason, "correct the settings of the [[families]] entry");
            }
        }
        let all = manifest.generations_of(family).count();
        let default = manifest.generations_of(family).filter(|one| one.default).count();
        if all == 0 {
            let reason = format!("the family {} has no generation", family.name);
            find("[[families]]", reason, "add a [[generations]] entry with its templates");
        } else if default > 1 || (default == 0 && all > 1) {
            let reason = format!("not exactly one generation of the family {} is the default", family.name);
            find("[[generations]]", reason, "mark one with default = true");
        }
    }
    let mut generations = HashSet::new();
    for one in manifest.generations.iter().filter(|one| !generations.insert((&one.family, &one.name))) {
        find("[[generations]]", format!("the generation {} stands there twice", one.name), "give it another name");
    }
    for one in &manifest.generations {
        let upside_down =
            [one.first_number, one.second_number].into_iter().flatten().any(|range| range.from > range.to);
        if upside_down {
            find("[[generations]]", format!("a range of {} ends before it begins", one.name), "swap from and to");
        }
    }
}

fn models(path: &str, text: &str, manifest: &Manifest, findings: &mut Vec<Diagnostic>) {
    let mut models = HashSet::new();
    for model in &manifest.models {
        let line = last_line_of(text, &format!("\"{}\"", model.name));
        if !models.insert(model.name.to_ascii_lowercase()) {
            let reason = format!("the model {} stands there twice", model.name);
            findings.push(Diagnostic::new(path, line, reason, "remove one"));
        }
        for tested in &model.tested {
            if !is_date(&tested.date) {
                let reason = format!("{} was tested at '{}', which is no date", model.name, tested.date);
                findings.push(Diagnostic::new(path, line, reason, "write 2026-11 or 2026-11-21"));
            }
        }
    }
    for (number, names) in &manifest.common_files {
        let line = line_of(text, &format!("\n{number} =")).map(|before| before + 1);
        if number.parse::<u32>().is_err() {
            let reason = format!("'{number}' is no number of a common file");
            findings.push(Diagnostic::new(path, line, reason, "write its digits"));
        }
        for name in names.iter().filter(|name| !models.contains(&name.to_ascii_lowercase())) {
            let reason = format!("the common file {number} names the unknown model {name}");
            findings.push(Diagnostic::new(path, line, reason, "add a [[models]] entry"));
        }
    }
}

/// Checks for `2026-11` or `2026-11-21`.
fn is_date(text: &str) -> bool {
    let whole = if text.len() == 7 { format!("{text}-01") } else { text.to_owned() };
    whole.parse::<jiff::civil::Date>().is_ok()
}

pub fn oui_bytes(oui: &str) -> Option<[u8; 3]> {
    HEXLOWER.decode(oui.as_bytes()).ok()?.try_into().ok()
}
