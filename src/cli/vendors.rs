//! `gangway vendors`: what is supported.

use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::{Global, context::load_config, output};
use crate::{app::configured_base, vendor::Registry};

/// Lists vendors, or the models of one.
#[derive(Debug, Args)]
pub struct Vendors {
    /// A vendor, to see its models and what was tried with them
    vendor: Option<String>,
}

impl Vendors {
    /// Prints them.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let registry = registry(global)?;
        let url = phone_url(global);
        match &self.vendor {
            None if global.json => output::json(&registry.to_json(&url)),
            None => output::line(registry.to_text().trim_end()),
            Some(name) => match registry.vendor(name) {
                Some(vendor) if global.json => output::json(&vendor.to_json(&url)),
                Some(vendor) => output::line(vendor.to_text(&url).trim_end()),
                None => {
                    let known: Vec<&str> = registry.vendors().map(|vendor| vendor.name.as_ref()).collect();
                    bail!("there is no vendor '{name}'; known are {}", known.join(", "));
                }
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where phones reach the first instance, as far as the configuration says so; else with words in place of names.
fn phone_url(global: &Global) -> String {
    let config = if global.config.exists() { load_config(global).ok() } else { None };
    let first = config.as_ref().and_then(|config| config.instances.first());
    let (domain, name) = first.map_or(("DOMAIN", "INSTANCE"), |one| (one.domain.as_str(), one.name.as_str()));
    first.and_then(configured_base).unwrap_or_else(|| format!("https://GATEWAY/{domain}/{name}/phone/"))
}

/// The vendor folders: with the configuration's own ones where a configuration file is there, else the built-in ones.
pub fn registry(global: &Global) -> anyhow::Result<Registry> {
    let overrides = match global.config.exists() {
        true => load_config(global)?.vendors.overrides().map(std::path::Path::to_owned),
        false => None,
    };
    Registry::load(overrides.as_deref()).map_err(|findings| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the vendor folders cannot be used:\n  {}", lines.join("\n  "))
    })
}
