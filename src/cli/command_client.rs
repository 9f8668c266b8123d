//! Carries out the requests of commands: in the running gateway over its local socket, or in this process if no gateway
//! runs.
//!
//! A gateway may start or stop meanwhile. It holds the serve lock before it listens and until it has ended, and greets
//! before it accepts a request. So a command that is not greeted or not accepted has not been carried out, and looks
//! again: either a gateway greets it, or the lock becomes free and the command works on the store itself, which keeps a
//! gateway from starting until the command has ended.

use std::{
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use gangway_base::{
    clock::{SharedClock, SystemClock},
    tasks::Tasks,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use super::{
    Global,
    context::{choose_instance, load_config, refuse_foreign_owner},
    output,
};
use crate::{
    api::local_socket::{ExchangeError, GatewayConnection, SOCKET, SocketDirectory, user_name},
    app,
    base::config::{Config, InstanceConfig},
    net::egress_policy::EgressPolicy,
    phone::instance::Instances,
    service::command::{CommandCall, CommandError, CommandReply, CommandRequest, CommandService, Replies},
    store::{ServeLock, Store, StoreError},
};

/// How long a gateway may take to start or to stop, or another command to end.
const LOCK_PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Carries out the requests of one command.
pub struct CommandClient<'a> {
    config: Config,
    instance: Option<InstanceConfig>,
    tasks: &'a Tasks,
    bar: ProgressBar,
}

/// What a request returns.
pub struct CommandAnswer<T> {
    /// The rows of a list.
    pub rows: Vec<Value>,
    /// The result.
    pub result: T,
}

impl<'a> CommandClient<'a> {
    /// Creates a client for the chosen instance.
    ///
    /// # Errors
    /// If the configuration cannot be used, or names no such instance.
    pub fn new(global: &Global, tasks: &'a Tasks) -> anyhow::Result<Self> {
        let config = load_config(global)?;
        let instance = choose_instance(&config, global.instance.as_deref())?.clone();
        Ok(Self::with(config, Some(instance), tasks))
    }

    /// Creates a client for requests that concern the whole gateway, or, with an instance, for that one.
    pub fn with(config: Config, instance: Option<InstanceConfig>, tasks: &'a Tasks) -> Self {
        // Draws only if standard error is a terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        Self { config, instance, tasks, bar }
    }

    /// Shows the progress in another form.
    pub fn progress_style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
    }

    /// `DOMAIN/NAME` of the instance.
    pub fn label(&self) -> String {
        self.instance.as_ref().map(InstanceConfig::label).unwrap_or_default()
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// The error of the request, a [`CommandError`] with its causes; or why neither a gateway nor this process can carry
    /// it out.
    pub async fn call<T: DeserializeOwned>(&self, request: CommandRequest) -> anyhow::Result<CommandAnswer<T>> {
        self.call_with(request, Zeroizing::default()).await
    }

    /// Carries out a request with the contents of a file.
    ///
    /// # Errors
    /// See [`Self::call`].
    pub async fn call_with<T: DeserializeOwned>(
        &self,
        request: CommandRequest,
        content: Zeroizing<Vec<u8>>,
    ) -> anyhow::Result<CommandAnswer<T>> {
        let only_reads = request.only_reads();
        let call = CommandCall { instance: self.instance.as_ref().map(InstanceConfig::label), request };
        let mut rows = Vec::new();
        let started = Instant::now();
        let result = loop {
            let gateway = match self.place(only_reads).await? {
                Place::Gateway(gateway) => gateway,
                Place::Here(_lock) => break self.in_process(call, content, &mut rows).await,
            };
            match gateway.exchange(&call, &content, |reply| self.take(reply, &mut rows)).await {
                Ok(answer) => break answer.map_err(chained),
                // A gateway that stops has not accepted the request: look again where it can be carried out.
                Err(ExchangeError::NotAccepted) if started.elapsed() < LOCK_PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
        };
        self.bar.finish_and_clear();
        let result = serde_json::from_value(result?).context("the gateway answers something else than expected")?;
        Ok(CommandAnswer { rows, result })
    }

    /// Whether a gateway accepts requests now.
    ///
    /// # Errors
    /// If one runs and does not answer, or rejects this user.
    pub async fn has_gateway(&self) -> anyhow::Result<bool> {
        Ok(greeted(&self.config.data.dir).await?.is_some())
    }

    /// Decides where the request is carried out.
    async fn place(&self, only_reads: bool) -> anyhow::Result<Place> {
        let dir = &self.config.data.dir;
        let started = Instant::now();
        loop {
            if let Some(gateway) = greeted(dir).await? {
                return Ok(Place::Gateway(gateway));
            }
            refuse_foreign_owner(dir)?;
            if only_reads {
                return Ok(Place::Here(None));
            }
            match lock(dir) {
                Ok(lock) => return Ok(Place::Here(Some(lock))),
                Err(StoreError::InUse { .. }) if started.elapsed() < LOCK_PATIENCE => tokio::time::sleep(PAUSE).await,
                Err(StoreError::InUse { .. }) => bail!(
                    "another process works on {0} and does not answer at {0}/{SOCKET}: a gateway that starts or stops, a \
                     gateway of an earlier version, or another command. Nothing is changed; try again, and if it stays \
                     so, restart the gateway",
                    dir.display()
                ),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn in_process(
        &self,
        call: CommandCall,
        content: Zeroizing<Vec<u8>>,
        rows: &mut Vec<Value>,
    ) -> anyhow::Result<Value> {
        let (config, clock): (_, SharedClock) = (&self.config, Arc::new(SystemClock));
        let dir = &config.data.dir;
        let store = Store::open(dir, Arc::clone(&clock), self.tasks)
            .await
            .with_context(|| format!("the data directory {} cannot be opened", dir.display()))?;
        let mut instances = Vec::new();
        if let Some(configured) = &self.instance {
            let id = store.instance(&configured.domain, &configured.name).await?;
            instances.push(app::instance(id, configured));
        }
        let service = CommandService::in_process(
            store,
            Instances::new(instances),
            config.vendors.overrides().map(Path::to_owned),
            EgressPolicy::public_and(config.net.allow.clone()),
            config.https.phone_ca.clone(),
            clock,
        );
        let user = user_name(rustix::process::geteuid().as_raw());
        let (replies, mut inbox) = Replies::channel();
        let work = async {
            let replies = replies;
            service.execute(call, content, &user, &replies).await
        };
        let read = async {
            while let Some(reply) = inbox.recv().await {
                self.take(reply, rows);
            }
        };
        let (result, ()) = tokio::join!(work, read);
        result.map_err(chained)
    }

    /// Shows or keeps a reply before the last one.
    fn take(&self, reply: CommandReply, rows: &mut Vec<Value>) {
        match reply {
            CommandReply::Progress { done, of } => {
                self.bar.set_length(of);
                self.bar.set_position(done);
            }
            CommandReply::Note { text } => self.bar.suspend(|| output::note(&text)),
            CommandReply::Rows { rows: more } => rows.extend(more),
            CommandReply::Accepted
            | CommandReply::Working
            | CommandReply::Done { .. }
            | CommandReply::Failed { .. } => {}
        }
    }
}

/// Where a request is carried out.
enum Place {
    /// In the running gateway.
    Gateway(GatewayConnection),
    /// In this process. The lock is held until the command ends; a command that only reads needs none.
    Here(Option<ServeLock>),
}

/// Connects to the running gateway. Returns `None` if none accepts a request now.
async fn greeted(dir: &Path) -> anyhow::Result<Option<GatewayConnection>> {
    let directory = match SocketDirectory::open(dir) {
        Ok(directory) => directory,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            refuse_foreign_owner(dir)?;
            return Err(error).with_context(|| format!("the data directory {} cannot be opened", dir.display()));
        }
    };
    Ok(GatewayConnection::open(&directory, Arc::new(SystemClock)).await?)
}

/// Takes the lock that a serving gateway holds. The directory is created if it does not exist.
fn lock(dir: &Path) -> Result<ServeLock, StoreError> {
    if !dir.exists() {
        let created = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        created.map_err(|source| StoreError::File {
            action: "create the data directory",
            path: dir.to_owned(),
            source,
        })?;
    }
    ServeLock::take(dir)
}

/// The error with its causes, as a chain.
fn chained(error: CommandError) -> anyhow::Error {
    let mut causes = error.causes.clone().into_iter().rev();
    match causes.next() {
        None => anyhow::Error::new(error),
        Some(innermost) => causes.fold(anyhow::anyhow!(innermost), anyhow::Error::context).context(error),
    }
}
