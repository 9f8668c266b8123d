//! What commands share: the configuration, the chosen instance, and for commands that read beside a running gateway the
//! opened store.

use std::{os::unix::fs::MetadataExt, path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use gangway_base::{
    clock::{SharedClock, SystemClock},
    tasks::Tasks,
};

use super::Global;
use crate::{
    api::local_socket::user_name,
    app,
    base::config::{Config, InstanceConfig},
    phone::{instance::InstanceId, public_url::PublicUrls},
    provision::public_url,
    store::Store,
};

/// An opened data directory, for a command that only reads, alongside (or without) a serving process.
pub struct CommandContext {
    /// The configuration of the instance.
    pub configured: InstanceConfig,
    /// The store.
    pub store: Store,
    /// The instance the command applies to.
    pub instance: InstanceId,
    /// `DOMAIN/NAME` of the instance.
    pub label: String,
}

/// Loads the configuration file.
pub fn load_config(global: &Global) -> anyhow::Result<Config> {
    Config::load(Some(&global.config)).with_context(|| {
        format!("the configuration {} cannot be used (another file: --config FILE)", global.config.display())
    })
}

impl CommandContext {
    /// Opens the context of a command.
    pub async fn open(global: &Global, tasks: &Tasks) -> anyhow::Result<Self> {
        let config = load_config(global)?;
        refuse_foreign_owner(&config.data.dir)?;
        let clock: SharedClock = Arc::new(SystemClock);
        let store = Store::open(&config.data.dir, clock, tasks)
            .await
            .with_context(|| format!("the data directory {} cannot be opened", config.data.dir.display()))?;
        let configured = choose_instance(&config, global.instance.as_deref())?.clone();
        let instance = store.instance(&configured.domain, &configured.name).await?;
        Ok(Self { label: configured.label(), configured, store, instance })
    }
}

impl CommandContext {
    /// The public URLs of the instance's phones.
    pub fn public_urls(&self) -> PublicUrls {
        public_url::read(&self.store, &app::instance(self.instance, &self.configured))
    }
}

/// The user of this process; by name if the system knows it.
pub fn user() -> String {
    user_name(rustix::process::geteuid().as_raw())
}

/// The instance named on the command line, or all of them.
pub fn choose_instances<'a>(config: &'a Config, wanted: Option<&str>) -> anyhow::Result<Vec<&'a InstanceConfig>> {
    let is_it = |instance: &&InstanceConfig| wanted.is_none_or(|wanted| instance.label().eq_ignore_ascii_case(wanted));
    let chosen: Vec<&InstanceConfig> = config.instances.iter().filter(is_it).collect();
    if wanted.is_some() && chosen.is_empty() {
        bail!("there is no such instance; configured: {}", labels(config).join(", "));
    }
    Ok(chosen)
}

fn labels(config: &Config) -> Vec<String> {
    config.instances.iter().map(InstanceConfig::label).collect()
}

/// The instance named on the command line, or the only one.
pub fn choose_instance<'a>(config: &'a Config, wanted: Option<&str>) -> anyhow::Result<&'a InstanceConfig> {
    let all = labels(config);
    if wanted.is_none() && all.len() != 1 {
        bail!("several instances are configured; say which with --instance: {}", all.join(", "));
    }
    let is_it = |instance: &&InstanceConfig| wanted.is_none_or(|wanted| instance.label().eq_ignore_ascii_case(wanted));
    match config.instances.iter().find(is_it) {
        Some(instance) => Ok(instance),
        None => bail!("there is no such instance; configured: {}", all.join(", ")),
    }
}

/// Rejects running as another user: the service could not access files written then.
pub fn refuse_foreign_owner(dir: &Path) -> anyhow::Result<()> {
    let Ok(data) = std::fs::metadata(dir) else { return Ok(()) };
    let me = std::fs::metadata("/proc/self").context("cannot tell which user runs this command")?;
    if data.uid() != me.uid() {
        bail!(
            "{} belongs to user id {}, this command runs as {}: run it as the user of the service (sudo -u ...)",
            dir.display(),
            data.uid(),
            me.uid()
        );
    }
    Ok(())
}

/// Runs a command's future. Tasks it started end with it.
pub fn block_on<T>(work: impl AsyncFnOnce(Tasks) -> anyhow::Result<T>) -> anyhow::Result<T> {
    actix_rt::System::new().block_on(async {
        let tasks = Tasks::new();
        let result = work(tasks.clone()).await;
        tasks.finish(std::time::Duration::from_secs(5)).await;
        result
    })
}
