//! Validates the behaviour of a registry: it must recognise its examples, render the sample phone for all kinds of
//! models, and keep hostile values within their place.

use std::collections::{BTreeMap, BTreeSet};

use gangway_base::mac::Mac;
use serde_json::json;

use crate::{
    catalog::{
        diagnostic::Diagnostic,
        family::{Family, Generation},
        file_pattern::FileKind,
        registry::{Registry, Vendor},
        templates::TemplateFault,
    },
    phone::record::Phone,
    phone_config::{self, ConfigInputs},
    settings::{Defaults, Layers, Lookup},
};

const URL: &str = "https://gangway.example.com/example.com/gangway/phone/";
/// A display name that would add a line, an element or an attribute if it were not escaped.
const HOSTILE: &str = "Anna\r\naccount.1.password = x\nuser_pass=y # z ; \\ \"'><user_pass idx=\"1\">x</user_pass a='b'/><!-- ]]>&lt; %NULL%\\";

/// Checks that the examples are recognised as specified, and that the sample renders in every family, generation, stage
/// and model.
pub fn prove(registry: &Registry, findings: &mut Vec<Diagnostic>) {
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
                findings.push(Diagnostic::new(&path, None, reason, "correct the pattern or the example"));
            }
        }
        for family in &vendor.manifest.families {
            for generation in vendor.manifest.generations_of(family) {
                Samples { registry, vendor, family }.prove(generation, findings);
            }
        }
    }
}

struct Samples<'a> {
    registry: &'a Registry,
    vendor: &'a Vendor,
    family: &'a Family,
}

impl Samples<'_> {
    fn prove(&self, generation: &Generation, findings: &mut Vec<Diagnostic>) {
        let vendor = self.vendor;
        let mut try_one = |result: Result<(), TemplateFault>| {
            if let Err(TemplateFault { name, line, reason }) = result {
                let reason = format!("the sample does not render: {reason}");
                let finding = Diagnostic::new(&format!("templates/{name}"), line, reason, "correct the template");
                if !findings.contains(&finding) {
                    findings.push(finding);
                }
            }
        };
        let bare = |template: &str| {
            let nothing: BTreeMap<String, String> = BTreeMap::new();
            self.registry.render(vendor, self.family, template, &nothing, true).map(drop)
        };
        let open = self.registry.render(vendor, self.family, &generation.open, &phone_config::open(URL), true);
        try_one(open.map(drop));
        if let Some(template) = &generation.bootstrap {
            let ca = json!({ "url": "http://gangway.example.com/phone/x/ca.pem", "base64": "MIIB" });
            let values = json!({ "provisioning": { "url": URL, "interval_minutes": 1 }, "ca": ca });
            try_one(self.registry.render(vendor, self.family, template, &values, true).map(drop));
        }
        let own = |kind: FileKind| {
            let files = vendor.manifest.files.iter().filter(move |file| file.kind == kind);
            files.filter_map(|file| file.template.as_deref())
        };
        for template in generation.common.as_deref().into_iter().chain(own(FileKind::Common)) {
            try_one(bare(template));
        }
        for template in std::iter::once(generation.personal.as_str()).chain(own(FileKind::Personal)) {
            try_one(self.personal(template));
        }
    }

    /// Renders the template for every kind of model, and for a phone whose user has the name [`HOSTILE`].
    fn personal(&self, template: &str) -> Result<(), TemplateFault> {
        let sample = phone_config::sample_layers();
        let mut first = None;
        for model in self.kinds_of_models() {
            let Some(phone) = self.phone(model) else { return Ok(()) };
            let plain = self.render(template, &phone, model, &sample)?;
            if first.is_none() {
                first = Some((phone, model, plain));
            }
        }
        let Some((mut phone, model, plain)) = first else { return Ok(()) };
        for account in &mut phone.accounts {
            account.cn = HOSTILE.to_owned();
        }
        let hostile = self.render(template, &phone, model, &sample)?;
        if self.keys(&plain) == self.keys(&hostile) {
            return Ok(());
        }
        let reason = "a user's name adds a line or an element; write values only after the separator, as the text of \
                      an element or inside quotes";
        Err(TemplateFault { name: format!("{}/{template}", self.vendor.name), line: None, reason: reason.to_owned() })
    }

    fn keys<'a>(&self, text: &'a str) -> Vec<Option<&'a str>> {
        let format = self.vendor.manifest.format_of(self.family);
        text.lines().map(|line| format.place(line, &self.vendor.manifest.lines).map(|place| place.key)).collect()
    }

    /// Models with the same numbers of accounts and keys produce the same lines. Returns one of each kind, and the
    /// unknown model.
    fn kinds_of_models(&self) -> Vec<Option<&str>> {
        let mut seen = BTreeSet::new();
        let manifest = &self.vendor.manifest;
        let own = manifest.models.iter().filter(|model| {
            let family = manifest.family(model.family.as_deref());
            family.is_some_and(|family| family.name == self.family.name)
        });
        let kinds = own.filter(|model| {
            seen.insert((model.accounts.min(16), model.line_keys, model.dect, model.capabilities.clone()))
        });
        std::iter::once(None).chain(kinds.map(|model| Some(model.name.as_str()))).collect()
    }

    fn phone(&self, model: Option<&str>) -> Option<Phone> {
        let mac = Mac::new([0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcc]).ok()?;
        let serves = |families: &[String]| families.is_empty() || families.contains(&self.family.name);
        let provider = self.vendor.providers.iter().find(|one| serves(&one.families));
        let provider = provider.map_or("", |provider| provider.name.as_str());
        Some(phone_config::sample_phone(provider, &self.vendor.name, model, None, mac))
    }

    fn render(
        &self,
        template: &str,
        phone: &Phone,
        model: Option<&str>,
        layers: &Layers,
    ) -> Result<String, TemplateFault> {
        let lookup = Lookup {
            vendor: Some(&self.vendor.name),
            model,
            category: None,
            mac: Some(phone.mac),
            defaults: Defaults::Family(&self.family.settings),
        };
        let facts = self.vendor.facts(model, self.family);
        let settings = layers.effective(&lookup, Some(&phone.device_config));
        let today = jiff::Timestamp::UNIX_EPOCH;
        let inputs = ConfigInputs { phone, settings: &settings, facts: &facts, url: URL, today };
        self.registry.render(self.vendor, self.family, template, &phone_config::build(&inputs), false)
    }
}
