//! The hourly audit: asks the PBXs whether the phones in service are still registered. A phone that lost its
//! registration says nothing; neither does one whose user got another password. Each account has its own time within the
//! hour, which paces the requests.

use std::sync::Arc;

use futures_util::StreamExt;

use super::{account_audit, account_slots::AccountSlots, engine::Engine, steps, transitions};
use crate::{
    phone::{
        facet::{RegistrationState, Wanted},
        record::{Account, Phone, PhoneId},
    },
    store::StoreError,
};

const SLOTS: AccountSlots = AccountSlots { period: 3_600, is_checked };
/// Accounts that are asked for at the same time.
const AT_ONCE: usize = 4;

/// Whether the audit covers the account: it is in service, and it is not asked for anyway in the minutes after a
/// delivery.
fn is_checked(phone: &Phone, account: &Account) -> bool {
    let has_file = phone.delivery.as_ref().is_some_and(|delivery| delivery.provisioning >= account.provisioning);
    phone.removed_at.is_none()
        && phone.wanted == Wanted::Active
        && has_file
        && account.registration.next_attempt.is_none()
        && account.registration.state != RegistrationState::Unknown
}

/// Audits every account once an hour until the gateway stops.
pub(super) async fn run(engine: Arc<Engine>) {
    let mut after = engine.deps.now();
    loop {
        let now = engine.deps.now();
        let (accounts, next) = SLOTS.due(&engine.deps.store.phones().all(), after, now);
        let all = futures_util::stream::iter(accounts).for_each_concurrent(AT_ONCE, |(phone, line)| {
            let engine = &engine;
            async move {
                if let Err(error) = check(engine, phone, line).await {
                    tracing::error!(phone = phone.0, "what the PBXs say of a registration cannot be stored: {error}");
                }
            }
        });
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return,
            () = all => {}
        }
        after = now;
        tokio::select! {
            biased;
            () = engine.tasks.stopping() => return,
            () = engine.deps.clock.sleep_until(next) => {}
        }
    }
}

async fn check(engine: &Engine, id: PhoneId, line: u16) -> Result<(), StoreError> {
    let Some(phone) = engine.deps.store.phones().get(id) else { return Ok(()) };
    let Some(account) = phone.account(line).filter(|account| is_checked(&phone, account)) else { return Ok(()) };
    // Treat errors as unknown; the next audit asks again.
    let Ok(address) = steps::registration_of(engine, &phone, account).await else { return Ok(()) };
    let was_registered = account.registration.state == RegistrationState::Registered;
    let is_news = match &address {
        Some(address) => !was_registered || account.registered_address.as_ref() != Some(address),
        None => was_registered,
    };
    if !is_news {
        return Ok(());
    }
    let now = engine.deps.now();
    let change = |phone: &mut Phone, events: &mut Vec<_>| {
        // The account may have been provisioned again in the meantime.
        if !phone.account(line).is_some_and(|current| steps::is_same(current, account)) {
            return;
        }
        match &address {
            Some(address) => transitions::registration_seen(phone, line, address, now, events),
            None => transitions::registration_lost(phone, line, now, events),
        }
    };
    engine.deps.store.phones().change(id, change).await?;
    if address.is_none() {
        // A deleted user or device is the cause that can be told.
        account_audit::check(engine, id, line).await?;
    }
    Ok(())
}
