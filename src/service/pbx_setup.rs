//! Sets up a PBX: says which app objects are there, missing or wrong, and creates and repairs them. Only steps that
//! somebody has seen and confirmed are carried out.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    AdminService, ServiceDependencies, audit,
    caller::{Caller, CallerKind},
    error::ServiceError,
    types::{
        PbxSetupChange, PbxSetupFinding, PbxSetupOrder, PbxSetupPlan, PbxSetupRequest, PbxSetupResult, PbxSetupStep,
        TextInfo,
    },
};
use crate::{
    base::i18n::{Message, MessageKey, message_keys},
    catalog::Registry,
    pbx::{
        app_object_plan::{AppObjectFinding, AppObjectState, SetupStep, plan as compare},
        app_object_setup::{self, PreparedStep, SetupError},
        app_objects::provider_of,
        sessions::PbxSession,
    },
    phone::{
        facet::Wanted,
        instance::InstanceId,
        record::{Account, Phone},
    },
    settings::Lookup,
};

message_keys! { "setup.":
    DONE = "done";
    DID_NOT_STICK = "did-not-stick";
    FAILED = "failed";
    NOTE_RELAY_COUNT = "note-relay-count";
    NOTE_RELAY_PHONES = "note-relay-phones";
    NOTE_ENDPOINTS = "note-endpoints";
    NOTE_PORTS = "note-ports";
    NOTE_NOT_GLOBAL = "note-not-global";
    NOTE_USERS_RIGHT = "note-users-right";
    NOTE_GRANT = "note-grant";
}

/// How long a created app object may take to connect.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);

/// Reports that a number of all steps are done.
pub type SetupProgress<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// Compares the PBX with what the gateway needs. Changes nothing.
///
/// # Errors
/// If the PBX cannot be asked, or a vendor is unknown.
pub async fn plan(
    deps: &ServiceDependencies,
    caller: &Caller,
    request: &PbxSetupRequest,
) -> Result<PbxSetupPlan, ServiceError> {
    Ok(look(deps, caller, request).await?.shown(deps, caller))
}

/// A comparison, with the session it was made over.
struct Look {
    session: Arc<PbxSession>,
    base: String,
    providers: Vec<String>,
    findings: Vec<AppObjectFinding>,
}

async fn look(deps: &ServiceDependencies, caller: &Caller, request: &PbxSetupRequest) -> Result<Look, ServiceError> {
    // Asking a PBX is already more than a restored gateway does.
    deps.require_active()?;
    let instance = &caller.instance;
    let session = app_object_setup::session(&deps.sessions, instance, request.pbx.as_deref())?;
    let registry = deps.registry.load_full();
    let providers = chosen(deps, &registry, instance.id, request)?;
    let (needed, found) = app_object_setup::read(&deps.sessions, &session, instance, &providers).await?;
    let findings = compare(&found, &needed);
    let providers = providers.into_iter().map(|(name, _)| name).collect();
    Ok(Look { session, base: needed.base, providers, findings })
}

/// The providers asked for, with their titles; without a wish those that are connected.
fn chosen(
    deps: &ServiceDependencies,
    registry: &Registry,
    instance: InstanceId,
    request: &PbxSetupRequest,
) -> Result<Vec<(String, String)>, ServiceError> {
    let mut names: Vec<String> = Vec::new();
    for wish in &request.vendors {
        let all = registry.vendors().filter(|vendor| vendor.name.eq_ignore_ascii_case(wish));
        let of_vendor: Vec<String> = all.flat_map(|vendor| &vendor.providers).map(|one| one.name.clone()).collect();
        if of_vendor.is_empty() {
            names.push(provider_named(registry, wish)?);
        }
        names.extend(of_vendor);
    }
    for wish in &request.providers {
        names.push(provider_named(registry, wish)?);
    }
    if request.vendors.is_empty() && request.providers.is_empty() {
        let sessions = deps.sessions.of(instance);
        let apps = sessions.iter().filter_map(|session| provider_of(&session.identity.app, registry));
        names.extend(apps.map(str::to_owned));
    }
    let all = registry.vendors().flat_map(|vendor| &vendor.providers);
    Ok(all.filter(|one| names.contains(&one.name)).map(|one| (one.name.clone(), one.title.clone())).collect())
}

fn provider_named(registry: &Registry, wish: &str) -> Result<String, ServiceError> {
    let mut all = registry.vendors().flat_map(|vendor| &vendor.providers);
    let found = all.find(|one| one.name.eq_ignore_ascii_case(wish)).map(|one| one.name.clone());
    found.ok_or_else(|| ServiceError::UnknownSetupVendor {
        name: wish.chars().take(60).collect(),
        known: offered(registry).join(", "),
    })
}

fn offered(registry: &Registry) -> Vec<String> {
    registry.vendors().flat_map(|vendor| &vendor.providers).map(|one| one.name.clone()).collect()
}

fn is_allowed(caller: &Caller) -> bool {
    match &caller.who {
        CallerKind::Command(_) => true,
        CallerKind::Page(_) => caller.instance.pbx_apply,
        CallerKind::Token(_) => false,
    }
}

impl Look {
    fn shown(&self, deps: &ServiceDependencies, caller: &Caller) -> PbxSetupPlan {
        let step = |step: &SetupStep| PbxSetupStep { id: step.id(), text: (&step.will()).into() };
        let finding = |found: &AppObjectFinding| PbxSetupFinding {
            object: found.object.clone(),
            state: found.state.as_str().to_owned(),
            text: (&found.text).into(),
            step: found.step.as_ref().map(step),
            by_hand: found.by_hand.as_ref().map(Into::into),
        };
        PbxSetupPlan {
            pbx: self.session.identity.pbx.clone(),
            base: self.base.clone(),
            providers: self.providers.clone(),
            offered: offered(&deps.registry.load()),
            findings: self.findings.iter().map(finding).collect(),
            complete: self.findings.iter().all(|found| found.state == AppObjectState::Present),
            may_apply: is_allowed(caller),
            notes: notes(deps, caller.instance.id),
        }
    }
}

/// What phones need besides app objects. The gateway cannot read or write these settings.
#[must_use]
pub fn notes(deps: &ServiceDependencies, instance: InstanceId) -> Vec<TextInfo> {
    let layers = deps.store.settings().layers(instance);
    let wants_relay = layers.effective_of(&["media_relay"], &Lookup::instance(), None).bool("media_relay");
    let mut all = vec![NOTE_GRANT.message(), NOTE_USERS_RIGHT.message()];
    let relayed = relayed(deps, instance);
    if wants_relay || !relayed.is_empty() {
        all.extend([NOTE_RELAY_PHONES, NOTE_ENDPOINTS, NOTE_PORTS, NOTE_NOT_GLOBAL].map(MessageKey::message));
    }
    all.extend(relayed.into_iter().map(|(pbx, phones)| NOTE_RELAY_COUNT.with("pbx", pbx).with("phones", phones)));
    all.iter().map(Into::into).collect()
}

/// The number of phones in service with Media Relay, by the address of their PBX.
fn relayed(deps: &ServiceDependencies, instance: InstanceId) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for phone in deps.store.phones().in_instance(instance) {
        for pbx in relaying_pbxs(&phone) {
            *counts.entry(pbx).or_default() += 1;
        }
    }
    counts
}

/// The PBXs that relay the media of a phone: those of its accounts whose Media Relay flag was written.
fn relaying_pbxs(phone: &Phone) -> std::collections::BTreeSet<String> {
    let is_relayed = |account: &&Account| account.flags_written.is_some_and(|flags| flags.media_relay);
    let pbx = |account: &Account| if account.dns.is_empty() { account.domain.clone() } else { account.dns.clone() };
    let accounts = phone.accounts.iter().filter(is_relayed).map(pbx);
    if phone.wanted == Wanted::Active { accounts.collect() } else { std::collections::BTreeSet::new() }
}

/// Carries out the confirmed steps, one after the other. Each object is read again before its change, the change is
/// recorded in the audit with the former value, and the object is read back. A step that fails does not end the others.
///
/// # Errors
/// If the caller may not, or the PBX cannot be asked. Nothing was changed then.
pub async fn apply(
    service: &AdminService,
    caller: &Caller,
    order: &PbxSetupOrder,
    progress: SetupProgress<'_>,
) -> Result<PbxSetupResult, ServiceError> {
    let deps = service.deps();
    deps.require_active()?;
    if !is_allowed(caller) {
        return Err(ServiceError::PbxApplyOff);
    }
    let _one_at_a_time = service.0.pbx_setup.lock().await;
    let before = look(deps, caller, &order.setup).await?;
    let steps: Vec<SetupStep> = before.findings.iter().filter_map(|found| found.step.clone()).collect();
    let steps: Vec<SetupStep> = steps.into_iter().filter(|step| order.steps.contains(&step.id())).collect();
    let (mut changes, mut created) = (Vec::new(), Vec::new());
    for (done, step) in steps.iter().enumerate() {
        progress(done as u64, steps.len() as u64);
        let change = carry_out(deps, caller, &before.session, step).await?;
        if let (true, SetupStep::Create { app, .. } | SetupStep::SetFlags { name: app, .. }) = (change.done, step) {
            created.push(app.to_ascii_lowercase());
        }
        changes.push(change);
    }
    wait_connected(deps, caller.instance.id, &before.session.identity.pbx, &created).await;
    progress(steps.len() as u64, steps.len() as u64);
    let after = look(deps, caller, &order.setup).await?;
    Ok(PbxSetupResult { changes, plan: after.shown(deps, caller) })
}

async fn carry_out(
    deps: &ServiceDependencies,
    caller: &Caller,
    session: &PbxSession,
    step: &SetupStep,
) -> Result<PbxSetupChange, ServiceError> {
    let object = step.object().to_owned();
    let change = |text: &Message, former: Option<String>, done: bool| PbxSetupChange {
        object: object.clone(),
        text: text.into(),
        former,
        done,
    };
    let failed = |error: &SetupError| FAILED.with("step", step.will().nested()).with("error", error.to_string());
    let prepared: PreparedStep = match app_object_setup::prepare(session, &caller.instance, step.clone()).await {
        Ok(prepared) => prepared,
        Err(error) => return Ok(change(&failed(&error), None, false)),
    };
    let former = prepared.former.clone();
    let was = former.as_ref().map_or_else(String::new, |former| format!(" It was: {former}"));
    let deed = format!("{} (PBX {}){was}", step.will().line(), session.identity.pbx);
    audit::entry(&deps.store, caller, &object, &deed).await?;
    Ok(match app_object_setup::write(session, prepared).await {
        Ok(true) => change(&DONE.with("step", step.will().nested()), former, true),
        Ok(false) => change(&DID_NOT_STICK.with("step", step.will().nested()), former, false),
        Err(error) => change(&failed(&error), former, false),
    })
}

/// Waits until the PBX has connected these app objects, or for [`CONNECT_PATIENCE`].
async fn wait_connected(deps: &ServiceDependencies, instance: InstanceId, pbx: &str, objects: &[String]) {
    let mut changes = deps.sessions.changes();
    let is_up = |object: &String| {
        let sessions = deps.sessions.of(instance);
        sessions.iter().any(|one| one.identity.pbx == pbx && one.identity.appobj.eq_ignore_ascii_case(object))
    };
    let deadline = deps.clock.now().saturating_add(CONNECT_PATIENCE).unwrap_or(jiff::Timestamp::MAX);
    while !objects.iter().all(is_up) {
        tokio::select! {
            // A lagging receiver has missed changes, which is one as well.
            _changed = changes.recv() => {}
            () = deps.clock.sleep_until(deadline) => return,
        }
    }
}
