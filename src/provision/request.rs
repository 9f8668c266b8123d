//! Handles a request of Users: writes it into the record, then answers from the record.

mod apply;
mod oui_check;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use gangway_base::{mac::Mac, secret::Secret};
use tokio::sync::broadcast::error::RecvError;

pub(super) use self::apply::Applied;
use super::{
    commands::CodeFacts,
    context::AccountFacts,
    engine::Engine,
    ports::ProviderFacts,
    request_status::{RequestStatus, is_retrying, pending_message, status_of},
};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    pbx::user_objects::UserKey,
    phone::{
        facet::{DevicesState, Wanted},
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    redirect::RedirectAccount,
    settings::Lookup,
    store::StoreError,
};

/// How long Users waits for an answer.
pub const DEADLINE: Duration = Duration::from_secs(30);
const RESTARTING: &str = "gangway is restarting; the phone is stored and provisioning goes on";

/// ProvisioningPhone, parsed and decrypted.
#[derive(Debug, Clone)]
pub struct ProvisionRequest {
    /// The tenant.
    pub instance: InstanceId,
    /// The provider whose app received the request.
    pub provider: String,
    /// The phone.
    pub mac: Mac,
    /// The Devices provisioning code.
    pub code: Secret,
    /// What is known of the code, if the gateway fetched it.
    pub code_facts: Option<CodeFacts>,
    /// HW-ID of the device on the user object.
    pub hwid: String,
    /// H.323 name of the user.
    pub username: String,
    /// Long name.
    pub cn: String,
    /// The user's PBX password; empty if the user has none.
    pub password: Secret,
    /// PBX domain.
    pub domain: String,
    /// PBX address; may be empty if the setting `registrar` names one.
    pub dns: String,
}

pub(super) type MacLock = tokio::sync::Mutex<()>;

/// The resource that one request at a time may read and write.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Lock {
    /// The record of a MAC in an instance.
    Record(InstanceId, Mac),
    /// A MAC at a redirect account, which several instances may share.
    Account { protocol: String, url: String, user: String, mac: Mac },
}

/// The locks in use.
#[derive(Debug, Default)]
pub(super) struct MacLocks(Mutex<HashMap<Lock, Weak<MacLock>>>);

impl MacLocks {
    pub(super) fn of(&self, key: Lock) -> Arc<MacLock> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = locks.get(&key).and_then(Weak::upgrade).unwrap_or_default();
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}

/// Handles one request and waits for its result.
pub(super) async fn request(engine: &Engine, locks: &MacLocks, request: ProvisionRequest) -> Result<(), String> {
    // Subscribe before writing, so that no change is missed.
    let mut changes = engine.deps.store.phones().changes();
    let deadline = engine.deps.now().saturating_add(DEADLINE).unwrap_or(jiff::Timestamp::MAX);
    let serialised = async || {
        let lock = locks.of(Lock::Record(request.instance, request.mac));
        let _serialised = lock.lock().await;
        failpoint(Failpoint::Requested).await;
        let written = write(engine, locks, &request).await.map_err(|refusal| refusal.to_string());
        failpoint(Failpoint::RequestWritten).await;
        written
    };
    let mut written = serialised().await?;
    let sleep = engine.deps.clock.sleep_until(deadline);
    tokio::pin!(sleep);
    loop {
        let Some(phone) = engine.deps.store.phones().get(written.id) else {
            return Err("The phone was removed meanwhile.".to_owned());
        };
        // On a base other users may be added and removed; only this user's account matters.
        if !phone.accounts.iter().any(|account| account.provisioning == written.provisioning) {
            return Err("Another request for this phone came meanwhile; its answer counts.".to_owned());
        }
        if phone.wanted != Wanted::Active {
            return Err(format!("Somebody changed the phone meanwhile: {}.", phone.wanted.text()));
        }
        let waiting_for = match status_of(&phone) {
            RequestStatus::Ok => {
                failpoint(Failpoint::VerdictReached).await;
                return Ok(());
            }
            // Another code was rejected, so try the code of this request.
            RequestStatus::Failed(_) if written.has_code_left && phone.devices.state == DevicesState::NotInDomain => {
                written = serialised().await?;
                written.has_code_left = false;
                continue;
            }
            RequestStatus::Failed(sentence) => return Err(sentence),
            RequestStatus::Open(waiting_for) => waiting_for,
        };
        if written.is_repeat && is_retrying(&phone) {
            return Err(pending_message(&waiting_for));
        }
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return Err(RESTARTING.to_owned()),
            change = next_change(&mut changes, written.id) => if !change { return Err(RESTARTING.to_owned()) },
            () = &mut sleep => return Err(pending_message(&waiting_for)),
        }
    }
}

/// Waits until this record may have changed; returns false when the store is closed.
async fn next_change(changes: &mut tokio::sync::broadcast::Receiver<crate::store::PhoneChanged>, id: PhoneId) -> bool {
    loop {
        match changes.recv().await {
            Ok(change) if change.id == id => return true,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return true,
            Err(RecvError::Closed) => return false,
        }
    }
}

/// Why a request is rejected before anything is written.
#[derive(Debug, thiserror::Error)]
enum RequestRejection {
    #[error("this gateway has no provider '{0}': remove the app object gangway-{0}, or install the vendor's folder")]
    UnknownProvider(String),
    #[error(
        "the phone {mac} is in service with the manufacturer \"{title}\": choose that one, or remove the phone in the \
         gangway admin page first if this is another device"
    )]
    OtherProvider { mac: Mac, title: String },
    #[error(
        "{mac} is the address of a phone of another manufacturer: choose {entries} instead. If the phone really is made \
         by {vendor}, set extra_ouis = {prefix} for vendor:{vendor} in gangway and try again"
    )]
    OtherPrefix { mac: Mac, entries: String, vendor: String, prefix: String },
    #[error(
        "the base {mac} has {accounts} accounts and all of them are in use: take one off first (gangway phones remove \
         {mac} --user NAME), or use another base"
    )]
    Full { mac: Mac, accounts: u16 },
    #[error(
        "the phone {mac} is in service in another instance of this gateway, which uses the same account at the redirect \
         service: remove it there first"
    )]
    OtherInstance { mac: Mac },
    #[error(
        "{what} cannot be given to a {title} phone, whose files hold no {cannot}: change it at the user and try again"
    )]
    Unwritable { what: &'static str, title: String, cannot: &'static str },
    #[error(
        "Users names no address of the PBX: set the DNS name of the PBX in its configuration, or the setting registrar in \
         gangway"
    )]
    NoPbxAddress,
    #[error("the phone {0} is blocked: allow it in the gangway admin page first")]
    Blocked(Mac),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of writing a request.
struct Written {
    id: PhoneId,
    /// The provisioning count of this user's account.
    provisioning: u32,
    /// The request repeats an earlier one, so nothing was changed.
    is_repeat: bool,
    /// The code waits for the result of another user's code, which is being tried.
    has_code_left: bool,
}

impl Written {
    fn new(phone: &Phone, request: &ProvisionRequest, applied: Applied) -> Self {
        let own = phone
            .accounts
            .iter()
            .filter(|account| account.username == request.username && account.hwid.eq_ignore_ascii_case(&request.hwid));
        Self {
            id: phone.id,
            provisioning: own.map(|account| account.provisioning).max().unwrap_or(phone.provisioning),
            is_repeat: applied == Applied::Nothing,
            has_code_left: applied != Applied::Nothing
                && phone.code.as_ref() != Some(&request.code)
                && !phone.sysclient.spent.holds(&request.code),
        }
    }
}

/// Writes the request to the record.
async fn write(engine: &Engine, locks: &MacLocks, request: &ProvisionRequest) -> Result<Written, RequestRejection> {
    let store = &engine.deps.store;
    let provider = engine
        .deps
        .providers
        .provider(&request.provider)
        .ok_or_else(|| RequestRejection::UnknownProvider(request.provider.clone()))?;
    let existing = engine.deps.store.phones().by_mac(request.instance, request.mac);
    let in_service = existing.filter(|phone| phone.removed_at.is_none() && phone.wanted != Wanted::Removed);
    match in_service {
        None => oui_check::check(engine, request, &provider)?,
        Some(phone) if phone.wanted == Wanted::Blocked => return Err(RequestRejection::Blocked(request.mac)),
        Some(phone) if phone.provider != request.provider => {
            let known = engine.deps.providers.provider(&phone.provider);
            let title = known.map_or_else(|| phone.vendor.clone(), |known| known.title);
            return Err(RequestRejection::OtherProvider { mac: request.mac, title });
        }
        Some(_) => {}
    }
    let exact = [
        ("the HW-ID", request.hwid.as_str()),
        ("the user's name", request.username.as_str()),
        ("the user's password", request.password.expose()),
        ("the address of the PBX", request.dns.as_str()),
    ];
    for (what, value) in exact {
        if let Some(cannot) = engine.deps.providers.cannot_carry(&provider.vendor, value) {
            return Err(RequestRejection::Unwritable { what, title: provider.title, cannot });
        }
    }
    if request.dns.is_empty() && registrar(engine, request, &provider).is_empty() {
        return Err(RequestRejection::NoPbxAddress);
    }
    let guid = learn_guid(engine, request).await;
    // Two instances may share a redirect account; the second must see what the first wrote.
    let shared = engine.deps.account(request.instance, &provider.vendor).map(|AccountFacts { account, .. }| {
        let RedirectAccount { protocol, url, user, .. } = account;
        locks.of(Lock::Account { protocol, url, user, mac: request.mac })
    });
    let _alone = match &shared {
        Some(lock) => Some(lock.lock().await),
        None => None,
    };
    check_other_instances(engine, request, &provider)?;
    let now = engine.deps.now();
    let days = engine
        .deps
        .store
        .settings()
        .layers(request.instance)
        .effective(&crate::settings::Lookup::instance(), None)
        .u32("window_days");
    let terms = apply::Terms {
        request,
        provider: &provider,
        accounts: &|model| engine.deps.providers.accounts(&request.provider, model),
        guid: guid.as_deref(),
        window_days: days,
        now,
    };
    let roster = store.phones();
    let existing = match roster.by_mac(request.instance, request.mac) {
        Some(phone) => phone,
        None => {
            let mut phone = Phone::new(request.instance, request.mac, &request.provider, &provider.vendor, now);
            let mut events = Vec::new();
            terms.apply(&mut phone, &mut events);
            match store.phones().create(phone, events).await {
                Ok(phone) => return Ok(Written::new(&phone, request, Applied::New)),
                // Another process created the phone first.
                Err(StoreError::Exists(_)) => roster
                    .by_mac(request.instance, request.mac)
                    .ok_or(RequestRejection::Store(StoreError::Exists(request.mac)))?,
                Err(error) => return Err(error.into()),
            }
        }
    };
    let (phone, applied) = store.phones().change(existing.id, |phone, events| terms.apply(phone, events)).await?;
    if let Applied::Full { accounts } = applied {
        return Err(RequestRejection::Full { mac: request.mac, accounts });
    }
    Ok(Written::new(&phone, request, applied))
}

/// A redirect account contains a phone once: two instances with the same account would take it from each other.
fn check_other_instances(
    engine: &Engine,
    request: &ProvisionRequest,
    provider: &ProviderFacts,
) -> Result<(), RequestRejection> {
    let account = |instance| engine.deps.account(instance, &provider.vendor).map(|facts| facts.account);
    let Some(own) = account(request.instance) else { return Ok(()) };
    for instance in engine.deps.instances.iter().filter(|instance| instance.id != request.instance) {
        let there = engine.deps.store.phones().by_mac(instance.id, request.mac);
        let is_in_service = there.is_some_and(|phone| {
            phone.removed_at.is_none() && phone.wanted != Wanted::Removed || phone_has_entry(&phone)
        });
        if is_in_service
            && account(instance.id).is_some_and(|theirs| {
                theirs.protocol == own.protocol && theirs.url == own.url && theirs.user == own.user
            })
        {
            // Only the operator may know which instance it is, not another tenant.
            tracing::warn!(mac = %request.mac, instance = %instance.label(), "refused: in service there already");
            return Err(RequestRejection::OtherInstance { mac: request.mac });
        }
    }
    Ok(())
}

/// Where the phone registers according to the settings; empty if they do not say.
fn registrar(engine: &Engine, request: &ProvisionRequest, provider: &ProviderFacts) -> String {
    let lookup = Lookup { vendor: Some(&provider.vendor), mac: Some(request.mac), ..Lookup::instance() };
    let layers = engine.deps.store.settings().layers(request.instance);
    layers.effective_of(&["registrar"], &lookup, None).text("registrar").to_owned()
}

fn phone_has_entry(phone: &Phone) -> bool {
    phone.removed_at.is_none() && phone.redirect_entry.is_some()
}

/// The user's GUID, if it matters: for a known phone with an account that has a GUID. A renamed user is the same user;
/// a user who was deleted and created again under the same name is not.
async fn learn_guid(engine: &Engine, request: &ProvisionRequest) -> Option<String> {
    let phone = engine.deps.store.phones().by_mac(request.instance, request.mac)?;
    if phone.accounts.iter().all(|account| account.user_guid.is_none()) {
        return None;
    }
    let key = UserKey { guid: None, h323: request.username.clone() };
    engine.deps.pbx.user(request.instance, key).await.ok().map(|user| user.guid)
}
