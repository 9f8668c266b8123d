//! Carries actions out: one function per action. What is meant to happen is on disk before it leaves, what came of it
//! right after; both in one change of the record each.

use std::sync::Arc;

use gangway_base::secret::Secret;
use jiff::Timestamp;

use super::{
    endpoint_queue::Seen,
    engine::Engine,
    flow::{Action, Concern, Hold},
    ports::SameMac,
    running::Running,
    transitions,
};
use crate::{
    base::failpoint::{CrashPoint, pass},
    devices::sysclients::HoldSpec,
    pbx::user_objects::{PbxError, UserKey},
    phone::record::{Account, Flags, Phone, PhoneId},
    redirect::{Operation, Outcome, ServerEntry, Trouble},
    store::{NewEvent, StoreError},
};

pub(super) async fn carry_out(
    engine: &Arc<Engine>,
    phone: &Phone,
    concern: Concern,
    action: Action,
    running: &mut Running,
) -> Result<(), StoreError> {
    match action {
        Action::Hold(hold) => return self::hold(engine, phone, hold).await,
        Action::Drop => {
            engine.fleet.drop_phone(phone.id);
            engine.set_held(phone.id, None);
            pass(CrashPoint::Dropped).await;
            return Ok(());
        }
        Action::Register { url, server_name } => return register(engine, phone, url, server_name, running).await,
        Action::Verify { url } => return verify(engine, phone, url, running).await,
        Action::Deregister => return deregister(engine, phone, running).await,
        Action::WriteFlags(flags) => return write_flags(engine, phone, concern, flags, running).await,
        Action::AskRegistration => return ask_registration(engine, phone, concern, running).await,
        Action::NoteNoDevices
        | Action::NoteNoCredential
        | Action::NoteNotConfigured
        | Action::NoteNoUrl(_)
        | Action::NoteRedirectAway(_)
        | Action::NoteServerRefused(_)
        | Action::MarkOverdue
        | Action::CloseWindow
        | Action::Withhold
        | Action::Bury => {}
    }
    note(engine, phone.id, concern, action).await
}

/// Writes down what a decision comes to that concerns the record alone; together with what others have to note, as
/// thousands may when something they share changes.
pub(super) async fn note(
    engine: &Arc<Engine>,
    phone: PhoneId,
    concern: Concern,
    action: Action,
) -> Result<(), StoreError> {
    let (wanted, written) = match action {
        Action::MarkOverdue => (CrashPoint::OverdueWanted, CrashPoint::OverdueWritten),
        Action::CloseWindow => (CrashPoint::WindowWanted, CrashPoint::WindowClosed),
        Action::Withhold => (CrashPoint::WithholdWanted, CrashPoint::WithholdWritten),
        Action::Bury => (CrashPoint::BuryWanted, CrashPoint::Buried),
        _ => (CrashPoint::NoteWanted, CrashPoint::NoteWritten),
    };
    let now = engine.world.now();
    pass(wanted).await;
    let deciding = Arc::clone(engine);
    let change = move |record: &mut Phone, events: &mut Vec<NewEvent>| {
        // Provisioned anew, moved or taken back since that was decided: what its record says now counts.
        if let Some(action) = deciding.still_wants(record, concern, &action) {
            write_down(&deciding, record, concern, &action, now, events);
        }
    };
    engine.world.store.change_phone_later(phone, Box::new(change)).await?;
    pass(written).await;
    Ok(())
}

fn write_down(
    engine: &Engine,
    phone: &mut Phone,
    concern: Concern,
    action: &Action,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) {
    match (action, concern) {
        (Action::NoteNoDevices, _) => transitions::no_devices(phone, now),
        (Action::NoteNoCredential, _) => transitions::no_credential(phone, now),
        (Action::NoteNotConfigured, _) => transitions::unconfigured(phone, now),
        (Action::NoteNoUrl(error), _) => transitions::no_url(phone, error, now),
        (Action::NoteRedirectAway(until), _) => {
            transitions::service_away(phone, engine.away_why(phone), *until, now);
        }
        (Action::NoteServerRefused(sentence), _) => transitions::server_refused(phone, sentence, now, events),
        (Action::MarkOverdue, _) => transitions::overdue(phone, now, events),
        (Action::CloseWindow, _) => transitions::close_window(phone, now, events),
        (Action::Withhold, Concern::Presence(line)) => transitions::withhold(phone, line, now, events),
        (Action::Bury, _) => transitions::bury(phone, now, events),
        _ => {}
    }
}

/// Opens (or replaces) the sysclient. Product and version are written first: they are part of the digest.
async fn hold(engine: &Engine, phone: &Phone, hold: Hold) -> Result<(), StoreError> {
    let now = engine.world.now();
    let provider = engine.world.providers.provider(&phone.provider);
    let vendor = provider.map_or_else(|| phone.vendor.clone(), |provider| provider.title);
    let product = phone.model.as_ref().map_or_else(|| vendor.clone(), |model| format!("{vendor} {model}"));
    let version = phone.firmware.clone().unwrap_or_else(|| "unknown".to_owned());
    let mut after = phone.clone();
    transitions::connecting(&mut after, &product, &version, hold.url.as_str(), now);
    if after != *phone {
        engine
            .world
            .store
            .change_phone(phone.id, |phone, _| {
                transitions::connecting(phone, &product, &version, hold.url.as_str(), now);
            })
            .await?;
    }
    pass(CrashPoint::HoldWritten).await;
    engine.set_held(phone.id, Some(hold.clone()));
    let Hold { url, credential } = hold;
    engine.fleet.hold(HoldSpec {
        phone: phone.id,
        instance: phone.instance,
        url,
        mac: phone.mac,
        product,
        version,
        credential,
    });
    pass(CrashPoint::Held).await;
    Ok(())
}

/// Sends the phone to us.
async fn register(
    engine: &Engine,
    phone: &Phone,
    url: Secret,
    server_name: String,
    running: &mut Running,
) -> Result<(), StoreError> {
    let store = &engine.world.store;
    let Some(facts) = engine.world.account(phone.instance, &phone.vendor) else { return Ok(()) };
    let Some(server) = facts.server else { return Ok(()) };
    let now = engine.world.now();
    // Another provisioning may have come between the decision and now: then this URL is not wanted any more.
    let (_, is_current) = store
        .change_phone(phone.id, |record, _| {
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
    pass(CrashPoint::RegisterWritten).await;
    let server = ServerEntry { name: server_name, url: server.url };
    let serial = engine.world.serial(phone);
    let operation = Operation::Register { mac: phone.mac, unique_url: Some(url.clone()), server, serial };
    let outcome = engine.redirects.run(facts.account, operation, Some((phone.id, phone.mac))).await;
    if !is_answer(&outcome, running) {
        return Ok(());
    }
    pass(CrashPoint::RegisterAnswered).await;
    let (now, pause) = (engine.world.now(), running.pause());
    store
        .change_phone(phone.id, |phone, events| {
            transitions::registered(phone, &url, &outcome, now, pause, events);
        })
        .await?;
    pass(CrashPoint::RegisteredWritten).await;
    Ok(())
}

/// Compares what the redirect service holds with what it was given.
async fn verify(engine: &Engine, phone: &Phone, url: Secret, running: &mut Running) -> Result<(), StoreError> {
    let Some(facts) = engine.world.account(phone.instance, &phone.vendor) else { return Ok(()) };
    let by_entry = phone.redirect_entry.as_ref().is_some_and(|entry| entry.server_name.is_some());
    let held = match (by_entry, facts.server) {
        // It knows no URL per phone.
        (true, Some(server)) => server.url,
        _ => url.clone(),
    };
    let operation = Operation::Verify { mac: phone.mac, url: held };
    let outcome = engine.redirects.run(facts.account, operation, Some((phone.id, phone.mac))).await;
    if !is_answer(&outcome, running) {
        return Ok(());
    }
    pass(CrashPoint::VerifyAnswered).await;
    let (now, pause) = (engine.world.now(), running.pause());
    engine
        .world
        .store
        .change_phone(phone.id, |phone, events| {
            transitions::verified(phone, &url, &outcome, now, pause, events);
        })
        .await?;
    pass(CrashPoint::VerifiedWritten).await;
    Ok(())
}

/// Takes the phone off the redirect service.
async fn deregister(engine: &Engine, phone: &Phone, running: &mut Running) -> Result<(), StoreError> {
    let Some(facts) = engine.world.account(phone.instance, &phone.vendor) else { return Ok(()) };
    let operation = Operation::Deregister { mac: phone.mac };
    let outcome = engine.redirects.run(facts.account, operation, Some((phone.id, phone.mac))).await;
    if !is_answer(&outcome, running) {
        return Ok(());
    }
    pass(CrashPoint::DeregisterAnswered).await;
    let (now, pause) = (engine.world.now(), running.pause());
    engine
        .world
        .store
        .change_phone(phone.id, |phone, events| transitions::deregistered(phone, &outcome, now, pause, events))
        .await?;
    pass(CrashPoint::DeregisteredWritten).await;
    Ok(())
}

/// Notes whether the service was reached; false when nothing was sent because the gateway stops.
fn is_answer(outcome: &Outcome, running: &mut Running) -> bool {
    match outcome {
        Outcome::Transport(Trouble::Stopping) => false,
        _ => {
            running.saw(Seen::of(outcome));
            true
        }
    }
}

fn account_of(phone: &Phone, concern: Concern) -> Option<&Account> {
    match concern {
        Concern::UserObject(line) | Concern::Registration(line) | Concern::Presence(line) => phone.account(line),
        _ => None,
    }
}

fn key_of(account: &Account) -> UserKey {
    UserKey { guid: account.user_guid.clone(), h323: account.username.clone() }
}

/// Writes the flags; the user's GUID is learned on the way.
async fn write_flags(
    engine: &Engine,
    phone: &Phone,
    concern: Concern,
    flags: Flags,
    running: &mut Running,
) -> Result<(), StoreError> {
    let Some(account) = account_of(phone, concern) else { return Ok(()) };
    let (pbx, line) = (&engine.world.pbx, account.line);
    let mut key = key_of(account);
    let result = async {
        if key.guid.is_none() {
            key.guid = Some(pbx.user(phone.instance, key.clone()).await?.guid);
        }
        pass(CrashPoint::FlagsWanted).await;
        pbx.set_flags(phone.instance, key.clone(), account.hwid.clone(), flags).await
    }
    .await;
    running.saw(if matches!(result, Err(PbxError::NoSession)) { Seen::Away(None) } else { Seen::Answered });
    pass(CrashPoint::FlagsAnswered).await;
    let now = engine.world.now();
    engine
        .world
        .store
        .change_phone(phone.id, |record, events| {
            // The account may have gone to another user meanwhile.
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
    pass(CrashPoint::FlagsWritten).await;
    Ok(())
}

/// Asks every connected PBX for the account's registration.
async fn ask_registration(
    engine: &Engine,
    phone: &Phone,
    concern: Concern,
    running: &mut Running,
) -> Result<(), StoreError> {
    let Some(account) = account_of(phone, concern) else { return Ok(()) };
    let line = account.line;
    let provider = engine.world.providers.provider(&phone.provider);
    let has_handsets = provider.is_some_and(|provider| provider.same_mac == SameMac::Add);
    let is_set = engine.world.settings(phone).text("sip_account") == "username";
    let by_name = is_set || phone.shares_hwid(account, has_handsets);
    let result = engine.world.pbx.registration(phone.instance, key_of(account), account.hwid.clone(), by_name).await;
    running.saw(if matches!(result, Err(PbxError::NoSession)) { Seen::Away(None) } else { Seen::Answered });
    pass(CrashPoint::RegistrationAnswered).await;
    let now = engine.world.now();
    engine
        .world
        .store
        .change_phone(phone.id, |record, events| {
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
    pass(CrashPoint::RegistrationWritten).await;
    Ok(())
}

fn is_same(current: &Account, asked: &Account) -> bool {
    current.line == asked.line && current.hwid == asked.hwid && current.username == asked.username
}
