//! Displays registry and recognition to users and programs.

use serde_json::{Value, json};

use super::{
    recognise::Recognition,
    registry::{Registry, Vendor},
};
use crate::phone::public_url::{PublicUrls, Scheme};

impl Recognition {
    /// `vendor`, `model`, `firmware`, `mac`, `kind`; null if unknown.
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
    /// All vendors, one per line.
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
    /// Its models, one per line, with the firmware they were tested with, followed by how phones find gangway without a
    /// redirect service.
    #[must_use]
    pub fn to_text(&self, urls: &PublicUrls, scheme: Scheme) -> String {
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
        let url = self.arrival_url(urls, scheme);
        let arrival = self.manifest.arrival.to_text(&url);
        if !arrival.is_empty() {
            let service = if self.redirect.default == "none" {
                "It has no redirect service"
            } else {
                "Without its redirect service"
            };
            text.push_str(&format!("\n{service}, phones find the gateway by\n{arrival}"));
            for provider in &self.providers {
                match urls.base(&provider.name, scheme) {
                    Ok(base) if base == url => {}
                    Ok(base) => {
                        text.push_str(&format!("For the phones of gangway-{} the URL is {base}\n", provider.name));
                    }
                    Err(why) => text.push_str(&format!("For the phones of gangway-{}: {why}\n", provider.name)),
                }
            }
        }
        text
    }

    /// The URL shown in texts for a whole vendor, with placeholders for unknown parts.
    #[must_use]
    pub fn arrival_url(&self, urls: &PublicUrls, scheme: Scheme) -> String {
        let providers = self.providers.iter().map(|provider| provider.name.as_str());
        urls.shared_base(providers, scheme).unwrap_or_else(|_error| urls.placeholder())
    }
}
