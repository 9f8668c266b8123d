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
    /// All vendors, for `--json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.vendors().map(Vendor::to_json).collect()
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
    /// The vendor with its models, for `--json`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "name": &*self.name,
            "title": self.title,
            "auth": self.auth,
            "redirect": self.redirect,
            "providers": self.providers,
            "families": self.manifest.families,
            "generations": self.manifest.generations.iter().map(|one| &one.name).collect::<Vec<_>>(),
            "models": self.manifest.models,
        })
    }

    /// Its models, one line each.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{:<10} {:>8} {:>9}\n", "model", "accounts", "line keys");
        for model in &self.manifest.models {
            text.push_str(&format!("{:<10} {:>8} {:>9}\n", model.name, model.accounts, model.line_keys));
        }
        text
    }
}
