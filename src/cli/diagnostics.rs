//! `gangway diagnostics`: writes one archive for a support ticket.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
    tasks::Tasks,
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{
    Global, check,
    command_client::CommandClient,
    context::{block_on, choose_instances, load_config, refuse_foreign_owner},
    output,
};
use crate::{
    app,
    base::config::Config,
    catalog::{Registry, SharedRegistry},
    provision::public_url,
    service::{
        command::{CommandRequest, GatewayStatus},
        diagnostics::{self, BundleOptions, DiagnosticsBundle, Sources, Tenant},
    },
    store::Store,
};

/// `gangway diagnostics`
#[derive(Debug, Args)]
pub struct Diagnostics {
    /// The file to write, a zip archive; it must not exist. gangway-diagnostics-<time>.zip when not given
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Only this phone
    #[arg(long, value_name = "MAC")]
    phone: Option<Mac>,
    /// A log to put in, e.g. of `journalctl -u gangway > log.txt`; may be given several times
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// The largest size of the archive; what is older has no room
    #[arg(long, value_name = "MIB", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=1024))]
    limit: u64,
    /// Leave users, MAC addresses, numbers and hosts as they are instead of giving each an alias
    #[arg(long)]
    names: bool,
}

impl Diagnostics {
    /// Runs the command.
    pub fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let config = load_config(global)?;
        let dir = &config.data.dir;
        refuse_foreign_owner(dir)?;
        ensure!(dir.exists(), "there is no data directory {}: nothing can be said of a gateway yet", dir.display());
        let file = self.to.clone().unwrap_or_else(usual_name);
        ensure!(!file.exists(), "{} exists already: choose another name (--to FILE)", file.display());
        let bundle = block_on(async |tasks| {
            let store = Store::open(dir, Arc::new(SystemClock), &tasks)
                .await
                .with_context(|| format!("the data directory {} cannot be opened", dir.display()))?;
            self.bundle(global, &config, &store, &tasks, &file).await
        })?;
        diagnostics::write_new(&file, &bundle.bytes)
            .with_context(|| format!("the bundle {} cannot be written", file.display()))?;
        self.tell(&file, &bundle, global.json);
        Ok(ExitCode::SUCCESS)
    }

    async fn bundle(
        &self,
        global: &Global,
        config: &Config,
        store: &Store,
        tasks: &Tasks,
        file: &Path,
    ) -> anyhow::Result<DiagnosticsBundle> {
        let mut remarks = Vec::new();
        let registry = registry(config, &mut remarks)?;
        let mut tenants = Vec::new();
        for configured in choose_instances(config, global.instance.as_deref())? {
            let id = store.instance(&configured.domain, &configured.name).await?;
            let client = CommandClient::with(config.clone(), Some(configured.clone()), tasks);
            if let Err(error) = self.record(&client, file).await {
                // Continue: a bundle is needed especially when the disk is full, and it has no secrets.
                remarks.push(format!("That it was made could not be written into the audit: {error:#}."));
            }
            let live = status(&client).await;
            let urls = public_url::read(store, &app::instance(id, configured));
            tenants.push(Tenant { id, label: configured.label(), urls, live });
        }
        if let Some(mac) = self.phone {
            let is_known = |tenant: &Tenant| store.phones().by_mac(tenant.id, mac).is_some();
            if !tenants.iter().any(is_known) {
                bail!("there is no phone {mac}: `gangway phones list` shows what there is");
            }
        }
        for remark in &remarks {
            output::note(remark);
        }
        let sources = Sources {
            config,
            store,
            registry,
            tenants,
            build: crate::api::pages::build(),
            findings: check::offline(config, &global.config).iter().map(ToString::to_string).collect(),
            remarks,
            clock: Arc::new(SystemClock),
        };
        let options =
            BundleOptions { phone: self.phone, logs: self.log.clone(), limit: self.limit << 20, names: self.names };
        Ok(diagnostics::make(&sources, &options).await?)
    }

    async fn record(&self, client: &CommandClient<'_>, file: &Path) -> anyhow::Result<()> {
        let names = if self.names { ", with names" } else { "" };
        let deed = format!("write the diagnostics bundle {}{names}", file.display());
        client.call::<()>(CommandRequest::RecordDiagnostics { phone: self.phone, deed }).await.map(drop)
    }

    fn tell(&self, file: &Path, bundle: &DiagnosticsBundle, as_json: bool) {
        if as_json {
            output::json(&json!({
                "file": file, "bytes": bundle.bytes.len(), "files": bundle.files, "left_out": bundle.left_out,
                "unread": bundle.unread,
                "names": self.names,
            }));
            return;
        }
        output::line(&format!(
            "{}: {} files, {} KiB",
            file.display(),
            bundle.files.len(),
            bundle.bytes.len().div_ceil(1024)
        ));
        for unread in &bundle.unread {
            output::line(unread);
        }
        for left_out in &bundle.left_out {
            output::line(&format!("left out, for want of room (--limit): {left_out}"));
        }
        output::line(match self.names {
            true => "Names are in it as they are (--names): hand it only to somebody who may know them.",
            false => "Names have aliases; IP addresses are as they are. Look through it before you hand it out.",
        });
        output::line("Answer what questions.txt asks, in it or in the ticket.");
    }
}

/// The default file name, with the current time, in the working directory.
fn usual_name() -> PathBuf {
    let now = SystemClock.now().to_zoned(TimeZone::UTC);
    format!("gangway-diagnostics-{}.zip", now.strftime("%Y%m%d-%H%M%S")).into()
}

/// Loads the configured vendors. Broken folders are only remarked on, because they may be the reason for the support
/// ticket.
fn registry(config: &Config, remarks: &mut Vec<String>) -> anyhow::Result<SharedRegistry> {
    let failed = |findings: Vec<crate::catalog::Diagnostic>| {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        lines.join("\n  ")
    };
    match Registry::load_shared(config.vendors.overrides()) {
        Ok(registry) => Ok(registry),
        Err(_) if config.vendors.overrides().is_some() => {
            remarks.push(
                "The own vendor folders cannot be used (see offline-check.txt): files are those of the built-in ones."
                    .to_owned(),
            );
            Registry::load_shared(None).map_err(|findings| anyhow::anyhow!(failed(findings)))
        }
        Err(findings) => bail!("the vendor folders cannot be used:\n  {}", failed(findings)),
    }
}

/// The connections and notices of the running gateway, or why they are not known.
async fn status(client: &CommandClient<'_>) -> Result<Value, String> {
    let request = async {
        match client.has_gateway().await? {
            true => client.call::<GatewayStatus>(CommandRequest::ShowStatus).await.map(Some),
            false => Ok(None),
        }
    };
    match request.await {
        Ok(Some(answer)) => Ok(json!(answer.result)),
        Ok(None) => Err("no gateway serves".to_owned()),
        Err(error) => Err(format!("the serving gateway cannot be asked: {error:#}")),
    }
}
