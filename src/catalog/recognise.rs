//! Recognises the vendor, the phone and the requested file from User-Agent and path alone. It runs for every request:
//! patterns are compiled once and anchored, and a request without a match costs only a few comparisons.

use std::sync::Arc;

use gangway_base::mac::Mac;
use regex::{CaptureLocations, Regex};

use super::file_pattern::FileKind;

/// The information about the client in a request. All of it is unverified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recognition {
    /// Vendor according to the User-Agent; without a User-Agent, according to the form of the file name or the MAC.
    pub vendor: Option<Arc<str>>,
    /// Model according to the User-Agent, else the file name, else the usual model for the number of a common file.
    pub model: Option<Arc<str>>,
    /// Firmware according to the User-Agent.
    pub firmware: Option<Arc<str>>,
    /// MAC according to the file name, else the query, else the User-Agent.
    pub mac: Option<Mac>,
    /// The MAC in the User-Agent. A difference to `mac` is recorded.
    pub agent_mac: Option<Mac>,
    /// The kind of the requested file.
    pub kind: FileKind,
    /// Name of the file without folders and query; `None` if it is empty or not examined.
    pub name: Option<Arc<str>>,
    /// The vendor whose unique file name pattern matches, regardless of the User-Agent.
    pub file_vendor: Option<Arc<str>>,
    /// The evidence for `vendor`.
    pub basis: Basis,
}

/// The evidence for the vendor of a [`Recognition`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Basis {
    /// The User-Agent matches one of the vendor.
    Agent,
    /// Only the vendor's phones request a file of this name.
    Name,
    /// The first bytes of the MAC suggest the vendor.
    Oui,
    /// There is no evidence.
    #[default]
    Nothing,
}

impl Recognition {
    /// Whether the request looks like one from the phone with this address: the User-Agent is a vendor's and contains
    /// the address, or it contains no address and only this vendor's phones request a file of this name.
    #[must_use]
    pub fn reads_like(&self, mac: Mac) -> bool {
        let own_name = self.file_vendor.is_some() && self.file_vendor == self.vendor;
        self.basis == Basis::Agent && self.agent_mac.map_or(own_name, |named| named == mac)
    }

    /// Whether the request itself shows that one of this vendor's phones sent it. A MAC does not show it: prefixes are
    /// shared and sold, and a file of another vendor would break the phone.
    #[must_use]
    pub fn speaks_for(&self, vendor: &str) -> bool {
        match self.basis {
            Basis::Agent => self.vendor.as_deref() == Some(vendor),
            Basis::Name => self.file_vendor.as_deref() == Some(vendor),
            Basis::Oui | Basis::Nothing => false,
        }
    }
}

/// Maximum length of a User-Agent and of a path that are examined.
const MOST: usize = 512;

pub(super) struct AgentPattern {
    pub vendor: Arc<str>,
    pub regex: Regex,
    model: Option<usize>,
    firmware: Option<usize>,
    mac: Option<usize>,
}

pub(super) struct NamePattern {
    pub vendor: Arc<str>,
    pub kind: FileKind,
    pub unique: bool,
    pub regex: Regex,
    mac: Option<usize>,
    model: Option<usize>,
    number: Option<usize>,
}

#[derive(Default)]
pub(super) struct Recogniser {
    pub agents: Vec<AgentPattern>,
    pub names: Vec<NamePattern>,
    /// OUI -> vendor.
    pub ouis: std::collections::HashMap<[u8; 3], Arc<str>>,
    /// Vendor and number of the common file -> models.
    pub numbers: std::collections::HashMap<(Arc<str>, u32), Vec<Arc<str>>>,
}

fn group(regex: &Regex, name: &str) -> Option<usize> {
    regex.capture_names().position(|found| found == Some(name))
}

impl AgentPattern {
    pub fn new(vendor: Arc<str>, regex: Regex) -> Self {
        let (model, firmware, mac) = (group(&regex, "model"), group(&regex, "firmware"), group(&regex, "mac"));
        Self { vendor, regex, model, firmware, mac }
    }

    fn read<'a>(&self, agent: &'a str, at: &mut CaptureLocations) -> Option<[Option<&'a str>; 3]> {
        self.regex.captures_read(at, agent)?;
        let part = |index: Option<usize>| index.and_then(|index| at.get(index)).and_then(|(a, b)| agent.get(a..b));
        Some([part(self.model), part(self.firmware), part(self.mac)])
    }
}

impl NamePattern {
    pub fn new(vendor: Arc<str>, kind: FileKind, unique: bool, regex: Regex) -> Self {
        let (mac, model, number) = (group(&regex, "mac"), group(&regex, "model"), group(&regex, "number"));
        Self { vendor, kind, unique, regex, mac, model, number }
    }
}

impl Recogniser {
    pub fn recognise(&self, user_agent: Option<&str>, path: Option<&str>) -> Recognition {
        let mut found = Recognition {
            vendor: None,
            model: None,
            firmware: None,
            mac: None,
            agent_mac: None,
            kind: FileKind::Unknown,
            name: None,
            file_vendor: None,
            basis: Basis::Nothing,
        };
        let agent = user_agent.map(str::trim).filter(|agent| !agent.is_empty());
        if let Some(agent) = agent.filter(|agent| agent.len() <= MOST) {
            self.read_agent(agent, &mut found);
        }
        if let Some(path) = path.filter(|path| path.len() <= MOST) {
            self.read_path(path, agent.is_some(), &mut found);
        }
        if found.mac.is_none() {
            found.mac = found.agent_mac;
        }
        found
    }

    fn read_agent(&self, agent: &str, found: &mut Recognition) {
        // Most patterns do not match, so allocate the capture groups only for a match.
        for pattern in self.agents.iter().filter(|pattern| pattern.regex.is_match(agent)) {
            let mut at = pattern.regex.capture_locations();
            if let Some([model, firmware, mac]) = pattern.read(agent, &mut at) {
                found.vendor = Some(Arc::clone(&pattern.vendor));
                found.basis = Basis::Agent;
                found.model = model.map(Arc::from);
                found.firmware = firmware.map(Arc::from);
                found.agent_mac = mac.and_then(|mac| mac.parse().ok());
                return;
            }
        }
    }

    fn read_path(&self, path: &str, has_agent: bool, found: &mut Recognition) {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let hostile = |c: char| c == '\\' || c == '%' || c.is_control();
        if path.contains(hostile) || path.split('/').any(|part| part == "." || part == "..") {
            return;
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        let queried_mac = query.split('&').find_map(|pair| pair.strip_prefix("mac=")?.parse::<Mac>().ok());
        if name.is_empty() {
            if queried_mac.is_some() {
                found.kind = FileKind::Personal;
                found.mac = queried_mac;
            }
            return;
        }
        found.name = Some(Arc::from(name));
        // If the User-Agent identifies a vendor, only the name patterns of that vendor apply.
        let own = |pattern: &&NamePattern| found.vendor.as_ref().is_none_or(|vendor| *vendor == pattern.vendor);
        let fits = |pattern: &&NamePattern| pattern.regex.is_match(name);
        let Some((pattern, at)) = self.names.iter().filter(own).filter(fits).find_map(|pattern| {
            let mut at = pattern.regex.capture_locations();
            pattern.regex.captures_read(&mut at, name)?;
            Some((pattern, at))
        }) else {
            found.mac = queried_mac;
            return;
        };
        let part = |index: Option<usize>| index.and_then(|index| at.get(index)).and_then(|(a, b)| name.get(a..b));
        let mac = part(pattern.mac).map(Mac::from_hex);
        if mac == Some(None) {
            // Twelve digits that are not the address of a phone (all zeros, multicast).
            return;
        }
        found.kind = pattern.kind;
        found.mac = mac.flatten().or(queried_mac);
        if pattern.unique {
            found.file_vendor = Some(Arc::clone(&pattern.vendor));
            if found.basis == Basis::Nothing {
                found.basis = Basis::Name;
            }
        }
        if !has_agent && found.vendor.is_none() {
            let oui = |mac: Mac| {
                let [a, b, c, ..] = mac.bytes();
                self.ouis.get(&[a, b, c]).cloned()
            };
            found.vendor = found.file_vendor.clone().or_else(|| found.mac.and_then(oui));
            if found.basis == Basis::Nothing && found.vendor.is_some() {
                found.basis = Basis::Oui;
            }
        }
        if found.model.is_none() && found.vendor.as_ref() == Some(&pattern.vendor) {
            found.model = part(pattern.model).map(Arc::from);
        }
        if found.model.is_none()
            && let Some(vendor) = &found.vendor
            && let Some(number) = part(pattern.number).and_then(|digits| digits.parse().ok())
        {
            found.model = self.numbers.get(&(Arc::clone(vendor), number)).and_then(|models| models.first().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::catalog::Registry;

    #[derive(Deserialize)]
    struct Case {
        id: String,
        user_agent: Option<String>,
        path: Option<String>,
        model: Option<String>,
        firmware: Option<String>,
        mac: Option<String>,
    }

    #[derive(Deserialize)]
    struct Foreign {
        id: String,
        user_agent: Option<String>,
        path: Option<String>,
        whose: Option<String>,
    }

    #[derive(Deserialize)]
    struct File {
        vendor: String,
        model: Option<String>,
        name: String,
        kind: String,
        mac: Option<String>,
    }

    #[derive(Deserialize)]
    struct Spelling {
        input: String,
        expect: Option<String>,
    }

    fn registry() -> Registry {
        Registry::load(None).unwrap()
    }

    fn fixture<T: for<'de> Deserialize<'de>>(text: &str) -> Vec<T> {
        let cases: Vec<T> = serde_json::from_str(text).unwrap();
        assert!(cases.len() > 10);
        cases
    }

    #[test]
    fn yealink_phones() {
        let registry = registry();
        for case in fixture::<Case>(include_str!("../../fixtures/recognition/yealink.json")) {
            let found = registry.recognise(case.user_agent.as_deref(), case.path.as_deref());
            assert_eq!(found.vendor.as_deref(), Some("yealink"), "{}", case.id);
            assert_eq!(found.model.as_deref(), case.model.as_deref(), "{}", case.id);
            assert_eq!(found.firmware.as_deref(), case.firmware.as_deref(), "{}", case.id);
            assert_eq!(found.mac.map(|mac| mac.to_string()), case.mac, "{}", case.id);
        }
    }

    #[test]
    fn other_phones_and_programs_are_not_claimed() {
        let registry = registry();
        for case in fixture::<Foreign>(include_str!("../../fixtures/recognition/not-yealink.json")) {
            let found = registry.recognise(case.user_agent.as_deref(), case.path.as_deref());
            let expected = case.whose.as_deref().filter(|whose| registry.vendor(whose).is_some());
            assert_eq!(found.vendor.as_deref(), expected, "{}", case.id);
        }
        assert_eq!(registry.recognise(Some("Fanvil X5U 2.4"), Some("/y000000000096.cfg")).vendor, None);
    }

    #[test]
    fn file_names() {
        let registry = registry();
        for case in fixture::<File>(include_str!("../../fixtures/recognition/yealink-files.json")) {
            let found = registry.recognise(None, Some(&case.name));
            let mac = found.mac.map(|mac| mac.to_string());
            if case.kind == "mac-extraction" {
                assert_eq!(mac.filter(|_| found.kind == FileKind::Personal), case.mac, "{}", case.name);
                continue;
            }
            let foreign = !matches!(case.vendor.as_str(), "yealink" | "any");
            if case.kind == "reject" && foreign {
                // For these, the User-Agent of their phones is decisive; see above.
                continue;
            }
            assert_eq!(found.kind, FileKind::from_word(&case.kind), "{}", case.name);
            assert_eq!(mac, case.mac, "{}", case.name);
            let family = ["T2X", "T4X", "T5X"];
            if case.kind == "common"
                && let Some(model) = case.model.filter(|model| !family.contains(&model.as_str()))
            {
                let number: u32 = case.name.trim_start_matches('y').trim_end_matches(".cfg").parse().unwrap();
                let models = &registry.vendor("yealink").unwrap().manifest.common_files[&format!("{number:03}")];
                assert!(models.contains(&model), "{}: {model} in {models:?}", case.name);
            }
        }
    }

    #[test]
    fn names_count_in_any_letter_case() {
        let registry = registry();
        for (name, kind, mac) in [
            ("805EC0AABBCC.CFG", FileKind::Personal, Some("805ec0aabbcc")),
            ("805ec0aabbcc.Boot", FileKind::BootPersonal, Some("805ec0aabbcc")),
            ("805ec0aabbcc-LOCAL.CFG", FileKind::Upload, Some("805ec0aabbcc")),
            ("Y000000000108.CFG", FileKind::Common, None),
            ("SNOMD785-000413AABBCC.HTM", FileKind::Personal, Some("000413aabbcc")),
            ("000413AABBCC.XML", FileKind::Personal, Some("000413aabbcc")),
            ("ATC808287AABBCC.CFG", FileKind::Personal, Some("808287aabbcc")),
        ] {
            let found = registry.recognise(None, Some(name));
            assert_eq!((found.kind, found.mac.map(|mac| mac.to_string()).as_deref()), (kind, mac), "{name}");
        }
    }

    #[test]
    fn macs_in_names_are_twelve_digits_and_in_queries_any_spelling() {
        let registry = registry();
        for case in serde_json::from_str::<Vec<Spelling>>(include_str!("../../fixtures/recognition/macs.json")).unwrap()
        {
            let found = registry.recognise(None, Some(&format!("/?mac={}", case.input)));
            assert_eq!(found.mac.map(|mac| mac.to_string()), case.expect, "{}", case.input);
        }
    }

    #[test]
    fn the_file_name_beats_the_agent_and_the_difference_shows() {
        let found = registry()
            .recognise(Some("Yealink SIP-T54W 96.86.0.70 80:5e:c0:dd:ee:ff"), Some("/p/TOKEN/805EC0AABBCC.cfg"));
        assert_eq!(found.mac.unwrap().to_string(), "805ec0aabbcc");
        assert_eq!(found.agent_mac.unwrap().to_string(), "805ec0ddeeff");
    }

    #[test]
    fn a_request_reads_like_the_phone_it_names() {
        let registry = registry();
        let mac = Mac::from_hex("805ec0aabbcc").unwrap();
        let snom = Mac::from_hex("000413aabbcc").unwrap();
        for (agent, file, mac, expected) in [
            ("Yealink SIP-T54W 96.86.0.70 80:5e:c0:aa:bb:cc", "805ec0aabbcc.cfg", mac, true),
            ("Yealink SIP-T54W 96.86.0.70 80:5e:c0:aa:bb:cd", "805ec0aabbcc.cfg", mac, false),
            // Files of other vendors have such names too.
            ("Yealink SIP-T54W 96.86.0.70", "805ec0aabbcc.cfg", mac, false),
            ("Mozilla/4.0 (compatible; snomD785-SIP 10.1.54.13)", "snomD785-000413AABBCC.htm", snom, true),
            ("Mozilla/5.0", "snomD785-000413AABBCC.htm", snom, false),
            ("", "805ec0aabbcc.cfg", mac, false),
        ] {
            let found = registry.recognise(Some(agent), Some(file));
            assert_eq!((found.mac, found.reads_like(mac)), (Some(mac), expected), "{agent} {file}");
        }
    }

    #[test]
    fn hostile_paths_are_no_files() {
        let registry = registry();
        for path in
            ["..", "/../805ec0aabbcc.cfg", "/a/./805ec0aabbcc.cfg", "/805ec0aabbcc.cfg%00", "/x\\805ec0aabbcc.cfg"]
        {
            let found = registry.recognise(None, Some(path));
            assert_eq!((found.kind, found.mac), (FileKind::Unknown, None), "{path}");
        }
        assert_eq!(registry.recognise(Some(&"Y".repeat(100_000)), Some(&"/".repeat(100_000))).vendor, None);
    }

    #[test]
    fn a_gateway_that_cannot_tell_the_agent_still_knows_whose_file_it_is() {
        let found = registry().recognise(Some("curl/8.0"), Some("/y000000000108.cfg"));
        assert_eq!((found.vendor.as_deref(), found.file_vendor.as_deref()), (None, Some("yealink")));
        assert_eq!(found.kind, FileKind::Common);
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(agent in ".{0,80}", path in ".{0,80}") {
            let _ = shared().recognise(Some(&agent), Some(&path));
        }
    }

    fn shared() -> &'static Registry {
        static ONE: std::sync::OnceLock<Registry> = std::sync::OnceLock::new();
        ONE.get_or_init(registry)
    }
}
