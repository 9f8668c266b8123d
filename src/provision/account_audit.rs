//! The daily audit: asks the PBX whether every account's user still exists and still has the device. Users and devices
//! can be deleted without notice to the gateway. Each account has its own time of day, which spreads the requests over
//! the day.

use std::sync::Arc;

use super::{account_slots::AccountSlots, engine::Engine, transitions};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    pbx::user_objects::{PbxError, UserKey},
    phone::{
        facet::Wanted,
        record::{Account, Gone, Phone, PhoneId},
    },
    store::StoreError,
};

const SLOTS: AccountSlots = AccountSlots { period: 86_400, is_checked: |phone, _| is_checked(phone) };

/// Whether the audit covers the phone: it is in service, so an account may be removed without a notification.
fn is_checked(phone: &Phone) -> bool {
    phone.removed_at.is_none() && phone.wanted == Wanted::Active
}

/// Audits every account once a day, one after another, until the gateway stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut after = engine.deps.now();
    loop {
        let now = engine.deps.now();
        let (accounts, next) = SLOTS.due(&engine.deps.store.phones().all(), after, now);
        for (phone, line) in accounts {
            let look = check(&engine, phone, line);
            tokio::select! {
                biased;
                () = engine.tasks.stopping() => return,
                result = look => if let Err(error) = result {
                    tracing::error!(phone = phone.0, "what the PBX says of an account cannot be stored: {error}");
                }
            }
        }
        after = now;
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return,
            () = engine.deps.clock.sleep_until(next) => {}
        }
    }
}

/// Asks for one account now.
pub(super) async fn check(engine: &Engine, id: PhoneId, line: u16) -> Result<(), StoreError> {
    let Some(phone) = engine.deps.store.phones().get(id).filter(|phone| is_checked(phone)) else { return Ok(()) };
    let Some(account) = phone.account(line) else { return Ok(()) };
    let key = UserKey { guid: account.user_guid.clone(), h323: account.username.clone() };
    let (guid, name, gone) = match engine.deps.pbx.user(phone.instance, key).await {
        Ok(user) => {
            let name = user.device(&account.hwid).map(|device| device.name.clone());
            let gone = name.is_none().then_some(Gone::Entry);
            (user.guid, name, gone)
        }
        Err(PbxError::UserNotFound) => (String::new(), None, Some(Gone::User)),
        // Treat errors as unknown; retry at the next daily check.
        Err(error) => {
            tracing::debug!(mac = %phone.mac, line, "the PBX cannot tell whether the account is still there: {error}");
            return Ok(());
        }
    };
    failpoint(Failpoint::PresenceAnswered).await;
    let is_news = match gone {
        Some(gone) => account.orphaned.is_none_or(|orphaned| orphaned.gone != gone),
        None if name != account.device_name => true,
        None => account.user_guid.is_none() || account.orphaned.is_some_and(|known| known.gone != Gone::Device),
    };
    if !is_news {
        return Ok(());
    }
    let now = engine.deps.now();
    let same = |current: &Account| {
        current.hwid == account.hwid
            && current.username == account.username
            && current.provisioning == account.provisioning
    };
    engine
        .deps
        .store
        .phones()
        .change(id, |phone, events| {
            // The account may have been provisioned again in the meantime.
            if !phone.account(line).is_some_and(same) {
                return;
            }
            if let (Some(name), Some(current)) = (name, phone.accounts.iter_mut().find(|current| current.line == line))
            {
                current.device_name = Some(name);
            }
            match gone {
                Some(gone) => transitions::absent(phone, line, gone, now, events),
                None => transitions::present(phone, line, &guid, events),
            }
        })
        .await?;
    failpoint(Failpoint::PresenceWritten).await;
    Ok(())
}
