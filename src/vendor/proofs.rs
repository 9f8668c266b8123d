//! What every vendor folder must pass before it is used.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use regex::{Regex, RegexBuilder};

use super::{
    finding::Finding,
    folder::Files,
    line_keys,
    manifest::{FileKind, Generation, Manifest},
    recognise::{AgentPattern, NamePattern, Recogniser},
    registry::{Registry, Vendor},
    templates::Templates,
    zones::{self, Zones},
};
use crate::phone::{
    line_keys::KeyType,
    mac::Mac,
    neutral::{self, Inputs},
    settings::Lookup,
};

#[derive(Default)]
pub(super) struct Loaded {
    pub vendors: BTreeMap<String, Vendor>,
    pub recogniser: Recogniser,
    pub templates: Templates,
}

/// What templates of each stage may use.
const PERSONAL: &[&str] = &[
    "phone",
    "provisioning",
    "accounts",
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
const COMMON: &[&str] = &[];

pub(super) fn load(files: &Files, findings: &mut Vec<Finding>) -> Loaded {
    let mut loaded = Loaded::default();
    for (path, text) in files {
        let Some(folder) = path.strip_prefix("vendors/").and_then(|rest| rest.strip_suffix("/vendor.toml")) else {
            continue;
        };
        let manifest: Manifest = match toml::from_str(text) {
            Ok(manifest) => manifest,
            Err(error) => {
                let line = error.span().map(|span| line_at(text, span.start));
                findings.push(Finding::new(
                    path,
                    line,
                    error.message(),
                    "see vendors/yealink/vendor.toml for a complete one",
                ));
                continue;
            }
        };
        let before = findings.len();
        words(path, folder, text, &manifest, findings);
        patterns(path, text, &manifest, &mut loaded.recogniser, findings);
        tables(path, text, &manifest, &loaded, findings);
        compile(&manifest, files, &mut loaded.templates, findings);
        if findings.len() == before {
            let zones = zones::load(folder, files, findings);
            let key_codes = line_keys::load(folder, files, findings);
            enter(manifest, zones, key_codes, &mut loaded);
        }
    }
    loaded
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn line_of(text: &str, part: &str) -> Option<usize> {
    text.find(part).map(|offset| line_at(text, offset))
}

fn words(path: &str, folder: &str, text: &str, manifest: &Manifest, findings: &mut Vec<Finding>) {
    let mut find =
        |part: &str, reason: String, cure: &str| findings.push(Finding::new(path, line_of(text, part), reason, cure));
    if manifest.name != folder {
        find("name", format!("it is named {} in the folder {folder}", manifest.name), "give both the same name");
    }
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    for name in manifest.providers.iter().map(|one| &one.name).chain([&manifest.name]) {
        if name.is_empty() || !name.chars().all(word) {
            find(name, format!("'{name}' is no plain word"), "use a-z, 0-9 and '-'");
        }
    }
    if manifest.redirect.default != "none" && !manifest.redirect.protocols.contains(&manifest.redirect.default) {
        find("default", "the default protocol is not among the protocols".to_owned(), "list it in redirect.protocols");
    }
    if manifest.generations.iter().filter(|one| one.default).count() != 1 {
        find("[[generations]]", "not exactly one generation is the default".to_owned(), "mark one with default = true");
    }
    if manifest.providers.is_empty() {
        find("name", "it has no provider".to_owned(), "add a [[providers]] entry");
    }
}

fn compiled(path: &str, text: &str, pattern: &str, findings: &mut Vec<Finding>) -> Option<Regex> {
    let anchored = pattern.starts_with('^') && pattern.ends_with('$');
    if !anchored {
        let cure = "begin it with ^ and end it with $";
        findings.push(Finding::new(
            path,
            line_of(text, pattern),
            format!("the pattern {pattern} matches anywhere"),
            cure,
        ));
    }
    match RegexBuilder::new(pattern).size_limit(1 << 20).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            let reason = format!("the pattern {pattern} does not compile: {error}");
            findings.push(Finding::new(path, line_of(text, pattern), reason, "correct the regular expression"));
            None
        }
    }
}

fn patterns(path: &str, text: &str, manifest: &Manifest, recogniser: &mut Recogniser, findings: &mut Vec<Finding>) {
    let vendor: Arc<str> = Arc::from(manifest.name.as_str());
    for agent in &manifest.user_agents {
        if agent.examples.is_empty() {
            let cure = "add at least one User-Agent that was really seen";
            findings.push(Finding::new(path, line_of(text, &agent.pattern), "the pattern has no example", cure));
        }
        if let Some(regex) = compiled(path, text, &agent.pattern, findings) {
            recogniser.agents.push(AgentPattern::new(Arc::clone(&vendor), regex));
        }
    }
    for file in &manifest.files {
        if let Some(regex) = compiled(path, text, &file.pattern, findings) {
            recogniser.names.push(NamePattern::new(Arc::clone(&vendor), file.kind, file.unique, regex));
        }
    }
    if !manifest.files.iter().any(|file| file.kind == FileKind::Personal) {
        findings.push(Finding::new(
            path,
            None,
            "no file is personal",
            "add a [[files]] entry with kind = \"personal\"",
        ));
    }
}

fn tables(path: &str, text: &str, manifest: &Manifest, loaded: &Loaded, findings: &mut Vec<Finding>) {
    let mut find =
        |part: &str, reason: String, cure: &str| findings.push(Finding::new(path, line_of(text, part), reason, cure));
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
    let mut models = HashSet::new();
    for model in &manifest.models {
        if !models.insert(model.name.to_ascii_lowercase()) {
            find(&format!("\"{}\"", model.name), format!("the model {} stands there twice", model.name), "remove one");
        }
    }
    for (number, names) in &manifest.common_files {
        if number.parse::<u32>().is_err() {
            find(number, format!("'{number}' is no number of a common file"), "write its digits");
        }
        for name in names.iter().filter(|name| !models.contains(&name.to_ascii_lowercase())) {
            find(number, format!("the common file {number} names the unknown model {name}"), "add a [[models]] entry");
        }
    }
    for provider in &manifest.providers {
        let taken = loaded.vendors.values().flat_map(|vendor| &vendor.providers).any(|one| one.name == provider.name);
        if taken {
            find(&provider.name, format!("the provider {} exists already", provider.name), "give it another name");
        }
    }
}

fn oui_bytes(oui: &str) -> Option<[u8; 3]> {
    let lower = |c: char| c.is_ascii_digit() || matches!(c, 'a'..='f');
    if oui.len() != 6 || !oui.chars().all(lower) {
        return None;
    }
    let number = u32::from_str_radix(oui, 16).ok()?.to_be_bytes();
    Some([number[1], number[2], number[3]])
}

fn stages(generation: &Generation) -> [(&str, &'static [&'static str]); 3] {
    [(generation.open.as_str(), OPEN), (generation.common.as_str(), COMMON), (generation.personal.as_str(), PERSONAL)]
}

fn compile(manifest: &Manifest, files: &Files, templates: &mut Templates, findings: &mut Vec<Finding>) {
    let prefix = format!("templates/{}/", manifest.name);
    let sources: BTreeMap<String, String> = files
        .iter()
        .filter(|(path, _)| path.starts_with(&prefix))
        .map(|(path, text)| (path.trim_start_matches("templates/").to_owned(), text.clone()))
        .collect();
    let own = format!("{}/", manifest.name);
    let Ok(others) = Regex::new(r#"\{%-?\s*(?:include|extends)\s+["']([^"']*)["']"#) else { return };
    let Ok(unescaped) = Regex::new(r"\|\s*safe\b|\bescape_html\b|\bescape_xml\b|\bnewlines_to_br\b") else { return };
    for (name, text) in &sources {
        let path = format!("templates/{name}");
        for found in others.captures_iter(text) {
            let (Some(whole), Some(target)) = (found.get(0), found.get(1)) else { continue };
            let line = Some(line_at(text, whole.start()));
            if !target.as_str().starts_with(&own) || target.as_str().contains("..") {
                let reason = format!("it takes '{}' from outside its folder", target.as_str());
                findings.push(Finding::new(&path, line, reason, &format!("name a template below {own}")));
            }
        }
        for found in unescaped.find_iter(text) {
            let line = Some(line_at(text, found.start()));
            let reason = format!("'{}' would go past the format's escaper", found.as_str());
            findings.push(Finding::new(&path, line, reason, "remove the filter"));
        }
    }
    if let Err(faults) = templates.add(manifest.escape, &sources) {
        for (name, reason) in faults {
            findings.push(Finding::new(&format!("templates/{name}"), None, reason, "correct the template"));
        }
        return;
    }
    let manifest_path = format!("vendors/{}/vendor.toml", manifest.name);
    for generation in &manifest.generations {
        for (template, offered) in stages(generation) {
            let name = format!("{}/{template}", manifest.name);
            if !templates.contains(manifest.escape, &name) {
                let reason = format!("its template templates/{name} is missing");
                findings.push(Finding::new(&manifest_path, None, reason, "create it or correct the name"));
                continue;
            }
            for variable in templates.variables(manifest.escape, &name).unwrap_or_default() {
                if !offered.contains(&variable.as_str()) {
                    let line = sources.get(&name).and_then(|text| line_of(text, &variable));
                    let reason = format!("its stage has no '{variable}'");
                    let cure = format!(
                        "use {}",
                        if offered.is_empty() { "no variables".to_owned() } else { offered.join(", ") }
                    );
                    findings.push(Finding::new(&format!("templates/{name}"), line, reason, &cure));
                }
            }
        }
    }
}

fn enter(manifest: Manifest, zones: Zones, key_codes: BTreeMap<KeyType, String>, loaded: &mut Loaded) {
    let name: Arc<str> = Arc::from(manifest.name.as_str());
    for bytes in manifest.ouis.iter().filter_map(|oui| oui_bytes(oui)) {
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
        manifest,
    };
    loaded.vendors.insert(name.to_string(), vendor);
}

/// The examples are recognised as they say, and the sample renders in every generation, stage and model.
pub(super) fn prove(registry: &Registry, findings: &mut Vec<Finding>) {
    for vendor in registry.vendors() {
        let path = format!("vendors/{}/vendor.toml", vendor.name);
        for example in vendor.manifest.user_agents.iter().flat_map(|agent| &agent.examples) {
            let found = registry.recognise(Some(&example.text), None);
            let mac = found.mac.map(|mac| mac.to_string());
            let as_said = found.vendor.as_deref() == Some(&vendor.name)
                && found.model.as_deref() == example.model.as_deref()
                && found.firmware.as_deref() == example.firmware.as_deref()
                && mac == example.mac;
            if !as_said {
                let reason = format!(
                    "'{}' is read as {:?} {:?} {:?} {mac:?}",
                    example.text, found.vendor, found.model, found.firmware
                );
                findings.push(Finding::new(&path, None, reason, "correct the pattern or the example"));
            }
        }
        samples(registry, vendor, findings);
    }
}

fn samples(registry: &Registry, vendor: &Vendor, findings: &mut Vec<Finding>) {
    let Ok(mac) = Mac::new([0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcc]) else { return };
    let provider = vendor.providers.first().map_or("", |provider| provider.name.as_str());
    let layers = neutral::sample_layers();
    let url = "https://gangway.example.com/example.com/gangway/phone/";
    // Models with the same number of accounts and keys write the same lines.
    let mut shapes: HashMap<(u16, u32, bool), Option<&str>> = HashMap::new();
    shapes.insert((vendor.manifest.unknown_model.accounts, vendor.manifest.unknown_model.line_keys, false), None);
    for model in &vendor.manifest.models {
        shapes.insert((model.accounts.min(16), model.line_keys, model.dect), Some(&model.name));
    }
    for generation in &vendor.manifest.generations {
        let mut try_one = |template: &str, result: Result<String, String>| {
            if let Err(reason) = result {
                let path = format!("templates/{}/{template}", vendor.name);
                findings.push(Finding::new(
                    &path,
                    None,
                    format!("the sample does not render: {reason}"),
                    "correct the template",
                ));
            }
        };
        try_one(&generation.open, registry.render(vendor, &generation.open, &neutral::open(url), true));
        let nothing: BTreeMap<String, String> = BTreeMap::new();
        try_one(&generation.common, registry.render(vendor, &generation.common, &nothing, true));
        for model in shapes.values() {
            let phone = neutral::sample_phone(provider, &vendor.name, *model, None, mac);
            let lookup = Lookup { vendor: Some(&vendor.name), model: *model, category: None, mac: Some(mac) };
            let facts = vendor.facts(*model);
            let settings = layers.effective(&lookup, Some(&phone.device_config));
            let today = jiff::Timestamp::UNIX_EPOCH;
            let inputs = Inputs { phone: &phone, settings: &settings, facts: &facts, url, today };
            try_one(
                &generation.personal,
                registry.render(vendor, &generation.personal, &neutral::build(&inputs), false),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn findings(file: &str, change: impl Fn(String) -> String) -> String {
        let dir = tempfile::tempdir().unwrap();
        let original = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, change(original)).unwrap();
        match Registry::load(Some(dir.path())) {
            Ok(_) => String::new(),
            Err(found) => found.iter().map(|finding| format!("{finding}\n")).collect(),
        }
    }

    #[test]
    fn a_broken_folder_is_refused_with_file_and_cure() {
        const MANIFEST: &str = "vendors/yealink/vendor.toml";
        const OPEN: &str = "templates/yealink/v80/open.cfg";
        let replaced = |a: &'static str, b: &'static str| move |text: String| text.replacen(a, b, 1);
        for (file, a, b, said) in [
            (MANIFEST, "title = \"Yealink\"", "title = \"Yealink\"\ncolour = 1", "unknown field `colour`"),
            (MANIFEST, "\"001577\"", "\"001565\"", "stands there twice"),
            (MANIFEST, "\"001577\"", "\"0015zz\"", "is no OUI"),
            (MANIFEST, "name = \"T19P_E2\"", "name = \"T19P\"", "the model T19P stands there twice"),
            (MANIFEST, "'^SIP-(?<model>", "'^SIP-(?<model>(", "does not compile"),
            (MANIFEST, "model = \"T54W\"", "model = \"T54\"", "is read as"),
            (MANIFEST, "v80/open.cfg", "v80/none.cfg", "is missing"),
            (OPEN, "{{ provisioning.url }}", "{{ accounts }}", "its stage has no 'accounts'"),
            (OPEN, "{{ provisioning.url }}", "{{ provisioning.url", "templates/yealink/v80/open.cfg"),
            (OPEN, "{{ provisioning.url }}", "{{ provisioning.url | safe }}", "past the format's escaper"),
            (OPEN, "{{ provisioning.url }}", "{{ provisioning.nothing }}", "the sample does not render"),
            (OPEN, "static.auto_provision.power_on", "account.1.enable", "must not stand in the open stage"),
            (OPEN, "#!version:1.0.0.1", "#!version:1.0.0.1\n{% include \"other/x.cfg\" %}", "outside its folder"),
        ] {
            let found = findings(file, replaced(a, b));
            assert!(found.contains(said), "{a} -> {b}: {found}");
            assert!(found.contains("; "), "{found}");
        }
        assert_eq!(findings(OPEN, |text| text), "");
    }
}
