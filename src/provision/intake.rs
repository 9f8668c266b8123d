//! A request of Users: written into the record first, then answered from it.

mod apply;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::broadcast::error::RecvError;

pub(super) use self::apply::Applied;
use super::{
    engine::Engine,
    ports::ProviderFacts,
    verdict::{Verdict, goes_on, is_known_trouble, verdict},
    world::AccountFacts,
};
use crate::{
    phone::{
        facet::Wanted,
        instance::InstanceId,
        mac::Mac,
        record::{Phone, PhoneId},
    },
    redirect::RedirectAccount,
    secret::Secret,
    store::StoreError,
};

/// How long Users waits for an answer.
pub const DEADLINE: Duration = Duration::from_secs(30);
const RESTARTING: &str = "gangway is restarting; the phone is stored and provisioning goes on";

/// ProvisioningPhone, read and decrypted.
#[derive(Debug, Clone)]
pub struct ProvisionRequest {
    /// The tenant.
    pub instance: InstanceId,
    /// The provider whose app got it.
    pub provider: String,
    /// The phone.
    pub mac: Mac,
    /// The Devices provisioning code.
    pub code: Secret,
    /// HW-ID of the device on the user object.
    pub hwid: String,
    /// H.323 name of the user.
    pub username: String,
    /// Long name.
    pub cn: String,
    /// The user's PBX password.
    pub password: Secret,
    /// PBX domain.
    pub domain: String,
    /// PBX address.
    pub dns: String,
}

pub(super) type MacLock = tokio::sync::Mutex<()>;

/// What one request at a time may look at and write.
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

/// Takes one request and waits for its verdict.
pub(super) async fn request(engine: &Engine, locks: &MacLocks, request: ProvisionRequest) -> Result<(), String> {
    // Subscribed before anything is written, so that no change is missed.
    let mut changes = engine.world.store.changes();
    let deadline = engine.world.now().saturating_add(DEADLINE).unwrap_or(jiff::Timestamp::MAX);
    let (id, provisioning, is_repeat) = {
        let lock = locks.of(Lock::Record(request.instance, request.mac));
        let _serialised = lock.lock().await;
        let written = write(engine, locks, &request).await;
        written.map_err(|refusal| refusal.to_string())?
    };
    let sleep = engine.world.clock.sleep_until(deadline);
    tokio::pin!(sleep);
    loop {
        let Some(phone) = engine.world.store.roster().get(id) else {
            return Err("The phone was removed meanwhile.".to_owned());
        };
        if phone.provisioning != provisioning {
            return Err("Another request for this phone came meanwhile; its answer counts.".to_owned());
        }
        if phone.wanted != Wanted::Active {
            return Err(format!("Somebody changed the phone meanwhile: {}.", phone.wanted.text()));
        }
        let waiting_for = match verdict(&phone) {
            Verdict::Ok => return Ok(()),
            Verdict::Failed(sentence) => return Err(sentence),
            Verdict::Open(waiting_for) => waiting_for,
        };
        if is_repeat && is_known_trouble(&phone) {
            return Err(goes_on(&waiting_for));
        }
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return Err(RESTARTING.to_owned()),
            change = next_change(&mut changes, id) => if !change { return Err(RESTARTING.to_owned()) },
            () = &mut sleep => return Err(goes_on(&waiting_for)),
        }
    }
}

/// Waits until this record may have changed; false when the store is gone.
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

/// Why a request is refused before anything is written.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this gateway has no provider '{0}': remove the app object gangway-{0}, or install the vendor's folder")]
    UnknownProvider(String),
    #[error(
        "the phone {mac} is in service as a {vendor} phone: remove it there first if this is another device, or \
         provision it with the right manufacturer"
    )]
    OtherVendor { mac: Mac, vendor: String },
    #[error(
        "the phone {mac} is in service in another instance of this gateway, which uses the same account at the redirect \
         service: remove it there first"
    )]
    OtherInstance { mac: Mac },
    #[error("the phone {0} is blocked: allow it in the gangway admin page first")]
    Blocked(Mac),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the request; the phone, its provisioning count, and whether nothing had to be changed.
async fn write(engine: &Engine, locks: &MacLocks, request: &ProvisionRequest) -> Result<(PhoneId, u32, bool), Refusal> {
    let store = &engine.world.store;
    let provider = engine
        .world
        .providers
        .provider(&request.provider)
        .ok_or_else(|| Refusal::UnknownProvider(request.provider.clone()))?;
    let guid = learn_guid(engine, request).await;
    // Of two instances that share a redirect account the second must see what the first wrote.
    let shared = engine.world.account(request.instance, &provider.vendor).map(|AccountFacts { account, .. }| {
        let RedirectAccount { protocol, url, user, .. } = account;
        locks.of(Lock::Account { protocol, url, user, mac: request.mac })
    });
    let _alone = match &shared {
        Some(lock) => Some(lock.lock().await),
        None => None,
    };
    check_other_instances(engine, request, &provider)?;
    let now = engine.world.now();
    let days = engine.world.store.layers(request.instance).effective(&Default::default(), None).u32("window_days");
    let terms = apply::Terms { request, provider: &provider, guid: guid.as_deref(), window_days: days, now };
    let roster = store.roster();
    let existing = match roster.by_mac(request.instance, request.mac) {
        Some(phone) => phone,
        None => {
            let mut phone = Phone::new(request.instance, request.mac, &request.provider, &provider.vendor, now);
            let mut events = Vec::new();
            terms.apply(&mut phone, &mut events);
            match store.create_phone(phone, events).await {
                Ok(phone) => return Ok((phone.id, phone.provisioning, false)),
                // Another process was faster.
                Err(StoreError::Exists(_)) => roster
                    .by_mac(request.instance, request.mac)
                    .ok_or(Refusal::Store(StoreError::Exists(request.mac)))?,
                Err(error) => return Err(error.into()),
            }
        }
    };
    if existing.buried.is_none() && existing.wanted != Wanted::Removed {
        if existing.vendor != provider.vendor {
            return Err(Refusal::OtherVendor { mac: request.mac, vendor: existing.vendor.clone() });
        }
        if existing.wanted == Wanted::Blocked {
            return Err(Refusal::Blocked(request.mac));
        }
    }
    let (phone, applied) = store.change_phone(existing.id, |phone, events| terms.apply(phone, events)).await?;
    Ok((phone.id, phone.provisioning, applied == Applied::Nothing))
}

/// A redirect account knows a phone once: two instances with the same account would take it from each other.
fn check_other_instances(engine: &Engine, request: &ProvisionRequest, provider: &ProviderFacts) -> Result<(), Refusal> {
    let account = |instance| engine.world.account(instance, &provider.vendor).map(|facts| facts.account);
    let Some(own) = account(request.instance) else { return Ok(()) };
    for instance in engine.world.instances.iter().filter(|instance| instance.id != request.instance) {
        let there = engine.world.store.roster().by_mac(instance.id, request.mac);
        let is_in_service = there
            .is_some_and(|phone| phone.buried.is_none() && phone.wanted != Wanted::Removed || phone_has_entry(&phone));
        if is_in_service
            && account(instance.id).is_some_and(|theirs| {
                theirs.protocol == own.protocol && theirs.url == own.url && theirs.user == own.user
            })
        {
            // Which one is the operator's to know, not another tenant's.
            tracing::warn!(mac = %request.mac, instance = %instance.label(), "refused: in service there already");
            return Err(Refusal::OtherInstance { mac: request.mac });
        }
    }
    Ok(())
}

fn phone_has_entry(phone: &Phone) -> bool {
    phone.buried.is_none() && phone.redirect_entry.is_some()
}

/// The user's GUID where it decides: a known phone whose account has a GUID, but another name.
async fn learn_guid(engine: &Engine, request: &ProvisionRequest) -> Option<String> {
    let phone = engine.world.store.roster().by_mac(request.instance, request.mac)?;
    let may_be_renamed =
        phone.accounts.iter().any(|account| account.user_guid.is_some() && account.username != request.username);
    if !may_be_renamed {
        return None;
    }
    let key = super::ports::UserKey { guid: None, h323: request.username.clone() };
    engine.world.pbx.user(request.instance, key).await.ok().map(|user| user.guid)
}
