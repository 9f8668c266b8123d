//! Registry and recognition as people and programs read them.

use serde_json::{Value, json};

use super::{
    recognise::Recognition,
    registry::{Registry, Vendor},
};

impl Recognition {
    /// `vendor`, `model`, `firmware`, `mac`, `kind`; null where unknown.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "vendor": self.vendor.as_deref(),
            "model": self.model.as_deref(),
            "firmware": self.firmware.as_deref(),
            "mac": self.mac.map(|mac| mac.to_string()),
            "kind": Some(self.kind.as_str()).filter(|kind| *kind != "unknown"),
        })
    }
}

impl Registry {
    /// All vendors, for `--json`; `url` is where phones reach the gateway.
    #[must_use]
    pub fn to_json(&self, url: &str) -> Value {
        self.vendors().map(|vendor| vendor.to_json(url)).collect()
    }

    /// All vendors, one line each.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.vendors()
            .map(|vendor| {
                let providers: Vec<_> = vendor.providers.iter().map(|one| format!("gangway-{}", one.name)).collect();
                let models = vendor.manifest.models.len();
                format!("{}  {}  {models} models  {}\n", vendor.name, vendor.title, providers.join(", "))
            })
            .collect()
    }
}

impl Vendor {
    /// The vendor with its models, for `--json`; `url` is where phones reach the gateway.
    #[must_use]
    pub fn to_json(&self, url: &str) -> Value {
        json!({
            "name": &*self.name,
            "title": self.title,
            "auth": self.auth,
            "redirect": self.redirect,
            "arrival": self.manifest.arrival.at(url),
            "providers": self.providers,
            "families": self.manifest.families,
            "generations": self.manifest.generations.iter().map(|one| &one.name).collect::<Vec<_>>(),
            "models": self.manifest.models,
        })
    }

    /// Its models, one line each, with what they were tried with; below, how phones come without a redirect service.
    #[must_use]
    pub fn to_text(&self, url: &str) -> String {
        let several = self.manifest.families.len() > 1;
        let family = |name: &str| if several { format!("{name:<12}") } else { String::new() };
        let mut text = format!("{:<10} {}{:>8} {:>9}  tested\n", "model", family("family"), "accounts", "line keys");
        for model in &self.manifest.models {
            let of = self.manifest.family(model.family.as_deref()).map_or("", |family| family.name.as_str());
            let tested = model.tested.iter().map(|one| format!("{} ({})", one.firmware, one.date));
            let tested = tested.collect::<Vec<_>>().join(", ");
            let line =
                format!("{:<10} {}{:>8} {:>9}  {tested}", model.name, family(of), model.accounts, model.line_keys);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        let arrival = self.manifest.arrival.to_text(url);
        if !arrival.is_empty() {
            let service = if self.redirect.default == "none" {
                "It has no redirect service"
            } else {
                "Without its redirect service"
            };
            text.push_str(&format!("\n{service}, phones find the gateway by\n{arrival}"));
        }
        text
    }
}
