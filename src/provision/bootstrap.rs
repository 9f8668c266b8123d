//! One-time URLs over plain HTTP for phones that do not trust our certificate yet. Such a URL gives access to the CA
//! and the https URL only, so an eavesdropper learns nothing that opens a file. The phone then connects by https
//! without a token, as an administrator has allowed.

use data_encoding::HEXLOWER;
use gangway_base::{mac::Mac, secret::Secret};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::{instance::InstanceId, record::new_token},
    store::{Store, StoreError},
};

pub use crate::store::BootstrapTicket;

/// An unused URL expires after this time.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The hash of a token: the store has nothing else.
fn hash_of(token: &str) -> String {
    let hash = Sha256::digest(token.as_bytes());
    HEXLOWER.encode(&hash[..16])
}

/// Creates a token for a phone, to be appended to `base`. An earlier token of the phone becomes invalid.
///
/// # Errors
/// When the store cannot write it.
pub async fn make(
    store: &Store,
    instance: InstanceId,
    mac: Mac,
    base: &str,
    now: Timestamp,
) -> Result<Secret, StoreError> {
    failpoint(Failpoint::TicketWanted).await;
    let token = new_token();
    let until = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    let ticket = BootstrapTicket { mac, until, used: false, base: base.to_owned() };
    store.learned().set_ticket(instance, &hash_of(token.expose()), ticket).await?;
    failpoint(Failpoint::TicketWritten).await;
    Ok(token)
}

/// The ticket of a token, if it has not expired.
#[must_use]
pub fn find(store: &Store, instance: InstanceId, token: &str, now: Timestamp) -> Option<BootstrapTicket> {
    let ticket = store.learned().ticket(instance, &hash_of(token))?;
    (now < ticket.until).then_some(ticket)
}

/// Marks the file as fetched. The mark is on disk when this returns.
///
/// # Errors
/// When the store cannot write it; the file must not be delivered then.
pub async fn spend(store: &Store, instance: InstanceId, token: &str) -> Result<(), StoreError> {
    failpoint(Failpoint::TicketCame).await;
    store.learned().spend_ticket(instance, &hash_of(token)).await?;
    failpoint(Failpoint::TicketSpent).await;
    Ok(())
}
