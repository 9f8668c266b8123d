//! `gangway render`: prints a file as a phone gets it, with secrets masked. With `--explain` it shows the origin of
//! each line.

use std::{process::ExitCode, sync::Arc};

use anyhow::{Context as _, bail};
use arc_swap::ArcSwap;
use clap::Args;
use gangway_base::{clock::SystemClock, mac::Mac, secret::Secret};
use serde_json::json;

use super::{
    Global,
    context::{CommandContext, block_on},
    output,
    vendors::registry,
};
use crate::{
    catalog::{FileKind, SharedRegistry},
    render::{ExplainedLine, FileRequest, Renderer, Stage, render_sample},
    settings::{Scope, SettingRow, validate},
};

/// What to render.
#[derive(Debug, Args)]
pub struct Render {
    /// A phone of the instance
    #[arg(long, value_name = "MAC", required_unless_present = "vendor", conflicts_with_all = ["vendor", "model", "firmware", "set"])]
    mac: Option<Mac>,
    /// The file it asks for; its personal file when not given
    #[arg(long, value_name = "NAME", requires = "mac")]
    file: Option<String>,
    /// A vendor, with sample data
    #[arg(long, value_name = "V")]
    vendor: Option<String>,
    /// One of its models
    #[arg(long, value_name = "M", requires = "vendor")]
    model: Option<String>,
    /// The firmware the phone reports
    #[arg(long, value_name = "F", requires = "vendor")]
    firmware: Option<String>,
    /// A setting to try out
    #[arg(long, value_name = "NAME=VALUE", requires = "vendor")]
    set: Vec<String>,
    /// What a phone gets before it has proved anything
    #[arg(long)]
    open: bool,
    /// Show where each line comes from and what it beat
    #[arg(long)]
    explain: bool,
}

/// A file to print.
struct File {
    lines: Vec<ExplainedLine>,
    text: String,
    notes: Vec<String>,
}

impl Render {
    /// Prints the file.
    pub fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let registry: SharedRegistry = Arc::new(ArcSwap::from_pointee(registry(global)?));
        let file = match (self.mac, &self.vendor) {
            (Some(mac), _) => self.of_phone(mac, global, registry)?,
            (None, Some(vendor)) => self.of_sample(vendor, &registry)?,
            (None, None) => bail!("give --mac or --vendor"),
        };
        if global.json {
            let lines = file.lines.iter().map(|line| json!({"line": line.line, "origins": line.origins}));
            output::json(&json!({"lines": lines.collect::<Vec<_>>(), "notes": file.notes}));
        } else if self.explain {
            let width = file.lines.iter().map(|line| line.line.chars().count()).max().unwrap_or(0).min(72);
            for line in &file.lines {
                let text = &line.line;
                let gap = " ".repeat(width.saturating_sub(text.chars().count()) + 2);
                output::document(format!("{text}{gap}{}", line.origins.join("; ")).trim_end());
            }
        } else {
            output::document(file.text.trim_end());
        }
        for note in &file.notes {
            output::note(note);
        }
        Ok(ExitCode::SUCCESS)
    }

    fn stage(&self) -> Stage {
        if self.open { Stage::Open } else { Stage::Personal }
    }

    fn of_sample(&self, vendor: &str, registry: &SharedRegistry) -> anyhow::Result<File> {
        let mut rows = Vec::new();
        for set in &self.set {
            let (name, value) = set.split_once('=').with_context(|| format!("--set {set}: write NAME=VALUE"))?;
            let scope = Scope::Vendor(vendor.to_owned());
            let value = validate(name, value, &scope).with_context(|| format!("--set {name}"))?;
            rows.push(SettingRow { scope, name: name.to_owned(), value: Secret::new(value) });
        }
        let sample = render_sample(
            registry,
            vendor,
            self.model.as_deref(),
            self.firmware.as_deref(),
            self.stage(),
            rows,
            Arc::new(SystemClock),
        )?;
        // Sample data contains no real secrets, and showing where they go is its purpose.
        Ok(File { lines: sample.lines, text: sample.text, notes: sample.notes })
    }

    fn of_phone(&self, mac: Mac, global: &Global, registry: SharedRegistry) -> anyhow::Result<File> {
        block_on(async |tasks| {
            let context = CommandContext::open(global, &tasks).await?;
            let Some(phone) = context.store.phones().by_mac(context.instance, mac) else {
                bail!("no phone {mac} in {}: `gangway phones list` shows what there is", context.label);
            };
            let agent = context.store.requests().last(phone.id).and_then(|facts| facts.user_agent.clone());
            let mut recognition = registry.load().recognise(agent.as_deref(), self.file.as_deref());
            if self.file.is_none() {
                (recognition.kind, recognition.mac) = (FileKind::Personal, Some(mac));
            }
            let urls = context.public_urls();
            let layers = context.store.settings().layers(context.instance);
            let request = FileRequest {
                phone: Some(&phone),
                recognition: &recognition,
                stage: self.stage(),
                urls: &urls,
                token: Some(phone.token.expose()),
                layers: &layers,
            };
            let renderer = Renderer::new(registry, context.store.derive_key("etag"), 0, Arc::new(SystemClock));
            let notes = renderer.masked(&request)?.notes;
            let lines = renderer.explain(&request)?;
            let text = lines.iter().flat_map(|line| [line.line.as_str(), "\n"]).collect();
            Ok(File { lines, text, notes })
        })
    }
}
