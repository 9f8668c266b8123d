//! `gangway vendors`: lists the supported vendors and models.

use std::{collections::BTreeMap, process::ExitCode, sync::Arc};

use anyhow::bail;
use clap::Args;
use gangway_base::clock::SystemClock;
use serde_json::json;

use super::{
    Global,
    context::{block_on, choose_instances, load_config},
    output,
};
use crate::{
    app::instance,
    catalog::{Registry, Vendor},
    phone::{
        instance::InstanceId,
        public_url::{PublicUrls, Scheme},
    },
    provision::public_url,
    service::vendors,
    settings::{Layers, Lookup},
    store::{DATABASE, Store},
};

/// Lists vendors, or the models of one.
#[derive(Debug, Args)]
pub struct VendorsArgs {
    /// A vendor, to see its models and what was tried with them
    vendor: Option<String>,
}

impl VendorsArgs {
    /// Prints the list.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let registry = registry(global)?;
        let at = VendorContext::of(global)?;
        let json = |vendor: &Vendor| json!(vendors::info(vendor, &at.urls, at.scheme(vendor)));
        match &self.vendor {
            None if global.json => output::json(&registry.vendors().map(json).collect()),
            None => output::document(registry.to_text().trim_end()),
            Some(name) => match registry.vendor(name) {
                Some(vendor) if global.json => output::json(&json(vendor)),
                Some(vendor) => output::document(vendor.to_text(&at.urls, at.scheme(vendor)).trim_end()),
                None => {
                    let known: Vec<&str> = registry.vendors().map(|vendor| vendor.name.as_ref()).collect();
                    bail!("there is no vendor '{name}'; known are {}", known.join(", "));
                }
            },
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The public URLs and settings of an instance: from its data directory if it exists, else from the configuration, else
/// placeholders.
struct VendorContext {
    urls: PublicUrls,
    layers: Arc<Layers>,
}

impl VendorContext {
    fn of(global: &Global) -> anyhow::Result<Self> {
        let nothing = || Self { urls: PublicUrls::none("/DOMAIN/INSTANCE"), layers: Arc::default() };
        let config = if global.config.exists() { load_config(global).ok() } else { None };
        let Some(config) = config else { return Ok(nothing()) };
        let Some(first) = choose_instances(&config, global.instance.as_deref())?.first().copied() else {
            return Ok(nothing());
        };
        let stored = config.data.dir.join(DATABASE).exists().then(|| {
            block_on(async |tasks| {
                let store = Store::open(&config.data.dir, Arc::new(SystemClock), &tasks).await?;
                let id = store.instance(&first.domain, &first.name).await?;
                Ok(Self { urls: public_url::read(&store, &instance(id, first)), layers: store.settings().layers(id) })
            })
        });
        let configured =
            || Self { urls: PublicUrls::new(&instance(InstanceId(0), first), BTreeMap::new()), layers: Arc::default() };
        Ok(match stored {
            None => configured(),
            Some(Ok(stored)) => stored,
            Some(Err(error)) => {
                output::note(&format!("The URLs are those of the configuration alone: {error:#}"));
                configured()
            }
        })
    }

    fn scheme(&self, vendor: &Vendor) -> Scheme {
        self.layers.scheme(&Lookup { vendor: Some(&vendor.name), ..Lookup::instance() })
    }
}

/// Loads the vendor folders: with the configured overrides if there is a configuration file, else the built-in ones.
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
