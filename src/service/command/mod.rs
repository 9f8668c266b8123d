//! The use cases of the commands. A running gateway serves them over its local socket; without one, the command itself
//! runs them on the opened store. Both call [`CommandService::execute`].

mod bootstrap_url;
mod import;
mod pbx_setup;
mod phones;
mod redirect_check;
mod reply;
mod request;
mod settings;
mod tokens;
mod whole_gateway;

use std::{net::IpAddr, path::PathBuf, sync::Arc};

use gangway_base::clock::SharedClock;
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

pub use self::{
    import::ImportReport,
    phones::{EventExport, PhoneReport},
    redirect_check::RedirectCheckRow,
    reply::{CommandError, CommandErrorKind, CommandReply, Replies},
    request::{CommandCall, CommandRequest, PhoneChangeKind},
    settings::ChangedSetting,
    whole_gateway::{GatewayStatus, KeyRotation},
};
use super::{
    AdminService,
    caller::{Caller, CallerKind},
};
use crate::{
    catalog::{Registry, SharedRegistry},
    net::egress_policy::EgressPolicy,
    phone::instance::{Instance, Instances},
    provision::{PublicUrlsOf, public_urls},
    store::Store,
};

/// The vendor folders that a command checks values against.
pub enum CommandRegistry {
    /// Those that the running gateway serves from.
    Live(SharedRegistry),
    /// Loaded when a command needs them: the administrator's directory, else the built-in ones.
    Folders(Option<PathBuf>),
}

/// Carries out commands, in the gateway or in the process of the command.
pub struct CommandService {
    /// The records.
    pub store: Store,
    /// The instances.
    pub instances: Instances,
    /// The vendor folders.
    pub registry: CommandRegistry,
    /// The destinations that settings may direct the gateway to.
    pub reach: EgressPolicy,
    /// `[https] phone_ca`; empty if it is not configured.
    pub phone_ca: PathBuf,
    /// The URLs under which phones reach an instance.
    pub urls: PublicUrlsOf,
    /// The clock.
    pub clock: SharedClock,
    /// The service of the running gateway. Without it, commands that need its connections are rejected.
    pub gateway: Option<AdminService>,
}

/// Why a command cannot do without a gateway.
const NO_GATEWAY: &str = "no gateway is running: start the gateway (`gangway serve`)";

impl CommandService {
    /// Creates the service of a running gateway.
    #[must_use]
    pub fn of_gateway(gateway: AdminService, reach: EgressPolicy, phone_ca: PathBuf) -> Self {
        let deps = &gateway.0.deps;
        Self {
            store: deps.store.clone(),
            instances: deps.instances.clone(),
            registry: CommandRegistry::Live(Arc::clone(&deps.registry)),
            reach,
            phone_ca,
            urls: Arc::clone(&deps.urls),
            clock: Arc::clone(&deps.clock),
            gateway: Some(gateway),
        }
    }

    /// Creates the service of a command that works on the store itself, because no gateway runs. `folders` is the
    /// administrator's directory of vendor folders.
    #[must_use]
    pub fn in_process(
        store: Store,
        instances: Instances,
        folders: Option<PathBuf>,
        reach: EgressPolicy,
        phone_ca: PathBuf,
        clock: SharedClock,
    ) -> Self {
        let urls = public_urls(store.clone(), instances.clone());
        let registry = CommandRegistry::Folders(folders);
        Self { store, instances, registry, reach, phone_ca, urls, clock, gateway: None }
    }

    /// Carries out one command. Progress, notes and the rows of a list go to `replies`; the result is that of the
    /// request's variant. `content` is the file of an import.
    ///
    /// # Errors
    /// Why it is rejected or fails, with what to do.
    pub async fn execute(
        &self,
        call: CommandCall,
        content: Zeroizing<Vec<u8>>,
        user: &str,
        replies: &Replies,
    ) -> Result<Value, CommandError> {
        use CommandRequest as Request;
        if call.request.changes_phones() {
            self.refuse_passive()?;
        }
        match &call.request {
            Request::RotateKeys => return done(self.rotate_keys(user, replies).await?),
            Request::RecordBackup { file } => return done(self.record_backup(user, file).await?),
            _ => {}
        }
        let caller = self.caller(call.instance.as_deref(), user)?;
        match call.request {
            Request::ListPhones { removed } => done(self.list_phones(&caller, removed, replies).await?),
            Request::ShowPhone { mac } => done(self.show_phone(&caller, mac).await?),
            Request::ChangePhone { mac, change, wait } => {
                done(self.change_phone(&caller, mac, change, wait, replies).await?)
            }
            Request::ResyncPhone { mac, wait } => done(self.resync_phone(&caller, mac, wait, replies).await?),
            Request::RotateCredentials { mac, wait } => {
                done(self.rotate_credentials(&caller, mac, wait, replies).await?)
            }
            Request::CheckRedirect { mac, repair, wait } => {
                done(self.check_redirect(&caller, mac, repair, wait, replies).await?)
            }
            Request::BootstrapUrl { mac, from, http_base } => {
                done(self.bootstrap_url(&caller, mac, from, http_base.as_deref(), replies).await?)
            }
            Request::ImportPhones { dry_run, wait, category, rollout } => {
                let options = import::ImportWish { dry_run, wait, category, rollout };
                done(self.import_phones(&caller, content, options, replies).await?)
            }
            Request::ListSettings { scope } => done(self.list_settings(&caller, &scope, replies).await?),
            Request::ListSetSettings => done(self.list_set_settings(&caller, replies).await?),
            Request::GetSetting { name, scope } => done(self.get_setting(&caller, &name, &scope)?),
            Request::SetSetting { name, value, scope } => done(self.set_setting(&caller, &name, value, &scope).await?),
            Request::CreateToken { name, scope, days } => done(self.create_token(&caller, name, scope, days).await?),
            Request::ListTokens => done(self.list_tokens(&caller, replies).await?),
            Request::RevokeToken { token } => done(self.revoke_token(&caller, &token).await?),
            Request::ListAudit { count } => done(self.list_audit(&caller, count, replies).await?),
            Request::RecordDiagnostics { phone, deed } => done(self.record_diagnostics(&caller, phone, deed).await?),
            Request::PlanPbxSetup { setup } => done(self.plan_pbx_setup(&caller, &setup).await?),
            Request::ApplyPbxSetup { order } => done(self.apply_pbx_setup(&caller, &order, replies).await?),
            Request::ShowStatus => done(self.status(&caller)?),
            Request::RotateKeys | Request::RecordBackup { .. } => Ok(Value::Null),
        }
    }

    fn caller(&self, label: Option<&str>, user: &str) -> Result<Caller, CommandError> {
        let instance = self.instance(label)?;
        let who = CallerKind::Command(user.to_owned());
        Ok(Caller { instance, who, source: IpAddr::from([127, 0, 0, 1]) })
    }

    fn instance(&self, label: Option<&str>) -> Result<Arc<Instance>, CommandError> {
        let label = label.ok_or_else(|| CommandError::rejected("the command names no instance"))?;
        let is_it = |instance: &&Arc<Instance>| instance.label().eq_ignore_ascii_case(label);
        self.instances.iter().find(is_it).cloned().ok_or_else(|| {
            CommandError::rejected(format!(
                "the running gateway does not serve {label}: restart it with the present configuration"
            ))
        })
    }

    /// Returns an error while the gateway is passive, so that no phone is changed.
    fn refuse_passive(&self) -> Result<(), CommandError> {
        match self.store.restoration().and_then(|restoration| restoration.passive_sentence()) {
            Some(sentence) => Err(CommandError::rejected(format!("nothing is done. {sentence}"))),
            None => Ok(()),
        }
    }

    /// The service of the running gateway, or the error that says what to do.
    fn gateway(&self, attempted: &str) -> Result<&AdminService, CommandError> {
        self.gateway.as_ref().ok_or_else(|| {
            CommandError::new(CommandErrorKind::NeedsGateway, format!("{attempted}, because {NO_GATEWAY}"))
        })
    }

    fn load_registry(&self) -> Result<Arc<Registry>, CommandError> {
        match &self.registry {
            CommandRegistry::Live(registry) => Ok(registry.load_full()),
            CommandRegistry::Folders(folder) => Registry::load(folder.as_deref()).map(Arc::new).map_err(|findings| {
                let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
                CommandError::failed(format!("the vendor folders cannot be used:\n  {}", lines.join("\n  ")))
            }),
        }
    }
}

fn done(result: impl Serialize) -> Result<Value, CommandError> {
    serde_json::to_value(result).map_err(|error| CommandError::failed(error.to_string()))
}
