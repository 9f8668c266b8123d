//! Carries out actions, one function per action. An intended call is on disk before it is sent, and its result is
//! written right after it; each is a single change of the record.

use std::{sync::Arc, time::Duration};

use gangway_base::secret::Secret;
use gangway_wire::sysclient::SILENCE;
use jiff::Timestamp;

use super::{
    endpoint_queue::EndpointHealth,
    engine::Engine,
    events::FacetEvent,
    flow::{Action, FacetTask, SysclientTarget},
    retry_on_config_change::fingerprint,
    running::ActionGuard,
    transitions,
};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    catalog::ReprovisionPolicy,
    devices::sysclients::SysclientSpec,
    pbx::user_objects::{PbxError, UserKey},
    phone::{
        facet::RedirectState,
        record::{Account, Flags, Phone, PhoneId},
    },
    redirect::{Operation, RedirectFailure, RedirectResult, ServerEntry},
    store::{NewEvent, StoreError},
};

/// How long each of several Devices apps may take to accept a code. Users waits 30 s for the result.
const SILENCE_OF_SEVERAL: Duration = Duration::from_secs(8);
/// How long a connection to Devices waits for the PBX to tell the device's name.
const NAME_PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn execute(
    engine: &Arc<Engine>,
    phone: &Phone,
    concern: FacetTask,
    action: Action,
    running: &mut ActionGuard,
) -> Result<(), StoreError> {
    match action {
        Action::Connect(hold) => return self::hold(engine, phone, hold).await,
        Action::Disconnect => {
            engine.fleet.drop_phone(phone.id);
            engine.set_current_spec(phone.id, None);
            failpoint(Failpoint::Dropped).await;
            return Ok(());
        }
        Action::Register { url, server_name } => return register(engine, phone, url, server_name, running).await,
        Action::Verify { url } => return verify(engine, phone, url, running).await,
        Action::Deregister => return deregister(engine, phone, running).await,
        Action::WriteFlags(flags) => return write_flags(engine, phone, concern, flags, running).await,
        Action::CheckRegistration => return ask_registration(engine, phone, concern, running).await,
        Action::RecordNoDevices
        | Action::RecordNoCredential
        | Action::RecordNotConfigured
        | Action::RecordNoUrl(_)
        | Action::RecordRedirectUnavailable(_)
        | Action::RecordServerRejected(_)
        | Action::MarkOverdue
        | Action::CloseWindow
        | Action::DisableAccount
        | Action::Archive => {}
    }
    note(engine, phone.id, concern, action).await
}

/// Writes a decision that affects the record only. Such writes are batched with others, because there may be thousands
/// when a shared fact changes.
pub(super) async fn note(
    engine: &Arc<Engine>,
    phone: PhoneId,
    concern: FacetTask,
    action: Action,
) -> Result<(), StoreError> {
    let (wanted, written) = match action {
        Action::MarkOverdue => (Failpoint::OverdueWanted, Failpoint::OverdueWritten),
        Action::CloseWindow => (Failpoint::WindowWanted, Failpoint::WindowClosed),
        Action::DisableAccount => (Failpoint::WithholdWanted, Failpoint::WithholdWritten),
        Action::Archive => (Failpoint::BuryWanted, Failpoint::Buried),
        _ => (Failpoint::NoteWanted, Failpoint::NoteWritten),
    };
    let now = engine.deps.now();
    failpoint(wanted).await;
    let deciding = Arc::clone(engine);
    let change = move |record: &mut Phone, events: &mut Vec<NewEvent>| {
        // The phone may have been provisioned again, moved or removed since the decision: its current record counts.
        if let Some(action) = deciding.revalidate(record, concern, &action) {
            apply(&deciding, record, concern, &action, now, events);
        }
    };
    engine.deps.store.phones().change_later(phone, Box::new(change)).await?;
    failpoint(written).await;
    Ok(())
}

fn apply(
    engine: &Engine,
    phone: &mut Phone,
    concern: FacetTask,
    action: &Action,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    match (action, concern) {
        (Action::RecordNoDevices, _) => transitions::no_devices(phone, now),
        (Action::RecordNoCredential, _) => transitions::no_credential(phone, now),
        (Action::RecordNotConfigured, _) => transitions::unconfigured(phone, now),
        (Action::RecordNoUrl(error), _) => transitions::no_url(phone, error, now),
        (Action::RecordRedirectUnavailable(until), _) => {
            transitions::service_away(phone, engine.away_why(phone), *until, now);
        }
        (Action::RecordServerRejected(sentence), _) => transitions::server_refused(phone, sentence, now, events),
        (Action::MarkOverdue, _) => transitions::overdue(phone, now, events),
        (Action::CloseWindow, _) => transitions::close_window(phone, now, events),
        (Action::DisableAccount, FacetTask::Presence(line)) => transitions::withhold(phone, line, now, events),
        (Action::Archive, _) => transitions::archive(phone, now, events),
        _ => {}
    }
}

/// Opens or replaces the sysclient. Product and version are written first, because they are part of the digest.
async fn hold(engine: &Engine, phone: &Phone, mut hold: SysclientTarget) -> Result<(), StoreError> {
    if let Some(named) = learn_device_names(engine, phone).await? {
        hold.identity.name = engine.deps.identity(&named).name;
    }
    let now = engine.deps.now();
    let has_code = hold.credential.code().is_some();
    let connecting =
        |phone: &mut Phone| transitions::connecting(phone, &hold.identity, hold.url.as_str(), has_code, now);
    let mut after = phone.clone();
    connecting(&mut after);
    if after != *phone {
        engine.deps.store.phones().change(phone.id, |phone, _| connecting(phone)).await?;
    }
    failpoint(Failpoint::HoldWritten).await;
    engine.set_current_spec(phone.id, Some(hold.clone()));
    // A code may belong to another Devices app, which is to be tried before Users stops waiting.
    let is_one_of_several = has_code && phone.code_origin.made_at.is_none() && engine.deps.devices(phone).len() > 1;
    let SysclientTarget { url, credential, identity } = hold;
    engine.fleet.hold(SysclientSpec {
        phone: phone.id,
        instance: phone.instance,
        url,
        mac: phone.mac,
        identity,
        silence_limit: if is_one_of_several { SILENCE_OF_SEVERAL } else { SILENCE },
        credential,
    });
    failpoint(Failpoint::Held).await;
    Ok(())
}

/// Asks a PBX for the names that the devices of the phone's users have there, once for each provisioning. Returns the
/// changed record. A PBX that does not answer in time is asked at the next connection or daily audit.
async fn learn_device_names(engine: &Engine, phone: &Phone) -> Result<Option<Phone>, StoreError> {
    let unnamed = phone.accounts.iter().filter(|account| account.device_name.is_none());
    let until = engine.deps.now().saturating_add(NAME_PATIENCE).unwrap_or(Timestamp::MAX);
    let mut named = Vec::new();
    for account in unnamed {
        let user = tokio::select! {
            user = engine.deps.pbx.user(phone.instance, key_of(account)) => user,
            () = engine.deps.clock.sleep_until(until) => break,
        };
        let Ok(user) = user else { break };
        let name = user.device(&account.hwid).map(|device| device.name.clone()).unwrap_or_default();
        named.push((account.clone(), name));
    }
    if named.is_empty() {
        return Ok(None);
    }
    let (changed, ()) = engine
        .deps
        .store
        .phones()
        .change(phone.id, |phone, events| {
            for (account, name) in &named {
                let Some(current) = phone.accounts.iter_mut().find(|current| is_same(current, account)) else {
                    continue;
                };
                current.device_name = Some(name.clone());
                if !name.is_empty() {
                    events.push(FacetEvent::Named { user: &current.username, name }.into());
                }
            }
        })
        .await?;
    Ok(Some(Phone::clone(&changed)))
}

/// Registers the phone at the redirect service.
async fn register(
    engine: &Engine,
    phone: &Phone,
    url: Secret,
    server_name: String,
    running: &mut ActionGuard,
) -> Result<(), StoreError> {
    let store = &engine.deps.store;
    let Some(facts) = engine.deps.account(phone.instance, &phone.vendor) else { return Ok(()) };
    let Some(server) = facts.server else { return Ok(()) };
    let now = engine.deps.now();
    // The phone may have been provisioned again since the decision; then this URL is outdated.
    let (_, is_current) = store
        .phones()
        .change(phone.id, |record, _| {
            let is_current = record.token == phone.token && record.wanted == phone.wanted;
            if is_current {
                transitions::registering(record, &url, now);
            }
            is_current
        })
        .await?;
    if !is_current {
        return Ok(());
    }
    failpoint(Failpoint::RegisterWritten).await;
    let server = ServerEntry { name: server_name, url: server.url };
    let serial = engine.deps.serial(phone);
    let used = fingerprint(Some(&facts.account));
    let operation = Operation::Register { mac: phone.mac, unique_url: Some(url.clone()), server, serial };
    let outcome = engine.redirects.run(facts.account, operation, Some((phone.id, phone.mac))).await;
    if !is_answer(&outcome, running) {
        return Ok(());
    }
    failpoint(Failpoint::RegisterAnswered).await;
    let (now, pause) = (engine.deps.now(), running.pause());
    let is_current = engine.is_current_account(phone.instance, &phone.vendor, &used);
    store
        .phones()
        .change(phone.id, |phone, events| {
            transitions::registered(phone, &url, &outcome, now, pause, events);
            retry_with_new_account(phone, is_current, now);
        })
        .await?;
    failpoint(Failpoint::RegisteredWritten).await;
    Ok(())
}

/// Compares the entry at the redirect service with what it was given.
async fn verify(engine: &Engine, phone: &Phone, url: Secret, running: &mut ActionGuard) -> Result<(), StoreError> {
    let Some(facts) = engine.deps.account(phone.instance, &phone.vendor) else { return Ok(()) };
    let by_entry = phone.redirect_entry.as_ref().is_some_and(|entry| entry.server_name.is_some());
    let expected_url = match (by_entry, facts.server) {
        // The service has no URLs per phone.
        (true, Some(server)) => server.url,
        _ => url.clone(),
    };
    let used = fingerprint(Some(&facts.account));
    let operation = Operation::Verify { mac: phone.mac, url: expected_url };
    let outcome = engine.redirects.run(facts.account, operation, Some((phone.id, phone.mac))).await;
    if !is_answer(&outcome, running) {
        return Ok(());
    }
    failpoint(Failpoint::VerifyAnswered).await;
    let (now, pause) = (engine.deps.now(), running.pause());
    let is_current = engine.is_current_account(phone.instance, &phone.vendor, &used);
    engine
        .deps
        .store
        .phones()
        .change(phone.id, |phone, events| {
            transitions::verified(phone, &url, &outcome, now, pause, events);
            retry_with_new_account(phone, is_current, now);
        })
        .await?;
    failpoint(Failpoint::VerifiedWritten).await;
    Ok(())
}

/// Removes the phone from the redirect service.
async fn deregister(engine: &Engine, phone: &Phone, running: &mut ActionGuard) -> Result<(), StoreError> {
    let Some(facts) = engine.deps.account(phone.instance, &phone.vendor) else { return Ok(()) };
    let used = fingerprint(Some(&facts.account));
    let operation = Operation::Deregister { mac: phone.mac };
    let outcome = engine.redirects.run(facts.account, operation, Some((phone.id, phone.mac))).await;
    if !is_answer(&outcome, running) {
        return Ok(());
    }
    failpoint(Failpoint::DeregisterAnswered).await;
    let (now, pause) = (engine.deps.now(), running.pause());
    let is_current = engine.is_current_account(phone.instance, &phone.vendor, &used);
    engine
        .deps
        .store
        .phones()
        .change(phone.id, |phone, events| {
            transitions::deregistered(phone, &outcome, now, pause, events);
            retry_with_new_account(phone, is_current, now);
        })
        .await?;
    failpoint(Failpoint::DeregisteredWritten).await;
    Ok(())
}

/// An account that was corrected during a call is tried at once: nothing else would notice the correction.
fn retry_with_new_account(phone: &mut Phone, is_current: bool, now: Timestamp) {
    if !is_current && phone.redirect.state == RedirectState::Refused {
        phone.redirect.reach(RedirectState::Pending, now);
    }
}

/// Records whether the service was reached; returns false if nothing was sent because the gateway stops.
fn is_answer(outcome: &RedirectResult, running: &mut ActionGuard) -> bool {
    match outcome {
        RedirectResult::Transport(RedirectFailure::Stopping) => false,
        _ => {
            running.saw(EndpointHealth::of(outcome));
            true
        }
    }
}

fn account_of(phone: &Phone, concern: FacetTask) -> Option<&Account> {
    match concern {
        FacetTask::UserObject(line) | FacetTask::Registration(line) | FacetTask::Presence(line) => phone.account(line),
        _ => None,
    }
}

fn key_of(account: &Account) -> UserKey {
    UserKey { guid: account.user_guid.clone(), h323: account.username.clone() }
}

/// Writes the flags; also learns the user's GUID.
async fn write_flags(
    engine: &Engine,
    phone: &Phone,
    concern: FacetTask,
    flags: Flags,
    running: &mut ActionGuard,
) -> Result<(), StoreError> {
    let Some(account) = account_of(phone, concern) else { return Ok(()) };
    let (pbx, line) = (&engine.deps.pbx, account.line);
    let mut key = key_of(account);
    let result = async {
        if key.guid.is_none() {
            key.guid = Some(pbx.user(phone.instance, key.clone()).await?.guid);
        }
        failpoint(Failpoint::FlagsWanted).await;
        pbx.set_flags(phone.instance, key.clone(), account.hwid.clone(), flags).await
    }
    .await;
    running.saw(if matches!(result, Err(PbxError::NoSession)) {
        EndpointHealth::Away(None)
    } else {
        EndpointHealth::Answered
    });
    failpoint(Failpoint::FlagsAnswered).await;
    let now = engine.deps.now();
    engine
        .deps
        .store
        .phones()
        .change(phone.id, |record, events| {
            // The account may have been reassigned to another user in the meantime.
            let Some(current) = record.accounts.iter_mut().find(|current| is_same(current, account)) else { return };
            if key.guid.is_some() {
                current.user_guid.clone_from(&key.guid);
            }
            match &result {
                Ok(written) => {
                    transitions::flags_written(record, line, account.provisioning, flags, written, now, events);
                }
                Err(error) => transitions::flags_failed(record, line, error, now, rand::random(), events),
            }
        })
        .await?;
    failpoint(Failpoint::FlagsWritten).await;
    Ok(())
}

/// Asks every connected PBX for the account's registration.
async fn ask_registration(
    engine: &Engine,
    phone: &Phone,
    concern: FacetTask,
    running: &mut ActionGuard,
) -> Result<(), StoreError> {
    let Some(account) = account_of(phone, concern) else { return Ok(()) };
    let line = account.line;
    let result = registration_of(engine, phone, account).await;
    running.saw(if matches!(result, Err(PbxError::NoSession)) {
        EndpointHealth::Away(None)
    } else {
        EndpointHealth::Answered
    });
    failpoint(Failpoint::RegistrationAnswered).await;
    let now = engine.deps.now();
    engine
        .deps
        .store
        .phones()
        .change(phone.id, |record, events| {
            if !record.accounts.iter().any(|current| is_same(current, account)) {
                return;
            }
            match &result {
                Ok(Some(address)) => transitions::registration_seen(record, line, address, now, events),
                Ok(None) => transitions::registration_unseen(record, line, now, events),
                Err(error) => transitions::registration_failed(record, line, error, now),
            }
        })
        .await?;
    failpoint(Failpoint::RegistrationWritten).await;
    Ok(())
}

/// Asks every connected PBX from which address the account is registered.
pub(super) async fn registration_of(
    engine: &Engine,
    phone: &Phone,
    account: &Account,
) -> Result<Option<String>, PbxError> {
    let provider = engine.deps.providers.provider(&phone.provider);
    let has_handsets = provider.is_some_and(|provider| provider.same_mac == ReprovisionPolicy::Add);
    let is_set = engine.deps.settings(phone).text("sip_account") == "username";
    let by_name = is_set || phone.shares_hwid(account, has_handsets);
    engine.deps.pbx.registration(phone.instance, key_of(account), account.hwid.clone(), by_name).await
}

/// Whether the account is still that of the request, so that its result applies.
pub(super) fn is_same(current: &Account, requested: &Account) -> bool {
    current.line == requested.line && current.hwid == requested.hwid && current.username == requested.username
}
