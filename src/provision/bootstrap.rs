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

/// An unused URL expires after this time.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The ticket that belongs to a one-time token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapTicket {
    /// The phone.
    pub mac: Mac,
    /// When the ticket expires.
    pub until: Timestamp,
    /// The file has been fetched; the CA it names can still be fetched.
    pub used: bool,
    /// The plain-HTTP base URL given to the phone, up to but without the token; ends with `/`.
    pub base: String,
}

impl BootstrapTicket {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (mac, until) = (Mac::from_hex(parts.next()?)?, parts.next()?.parse().ok()?);
        let (used, base) = (parts.next()? == "used", parts.next()?.to_owned());
        Some(Self { mac, until: Timestamp::from_second(until).ok()?, used, base })
    }

    fn text(&self) -> String {
        let state = if self.used { "used" } else { "fresh" };
        format!("{} {} {state} {}", self.mac, self.until.as_second(), self.base)
    }
}

/// The fact name for a token: the store contains only its hash.
fn key(token: &str) -> String {
    let hash = Sha256::digest(token.as_bytes());
    format!("bootstrap.{}", HEXLOWER.encode(&hash[..16]))
}

fn key_of(mac: Mac) -> String {
    format!("bootstrap_of.{mac}")
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
    if let Some(former) = store.fact(instance, &key_of(mac)) {
        store.set_fact(instance, &former, None).await?;
        failpoint(Failpoint::FormerTicketGone).await;
    }
    let token = new_token();
    let until = now.saturating_add(LIFETIME).unwrap_or(Timestamp::MAX);
    let key = key(token.expose());
    // The reference is written first: a crash between the two writes leaves no valid ticket without a reference to it.
    store.set_fact(instance, &key_of(mac), Some(&key)).await?;
    failpoint(Failpoint::TicketNamed).await;
    store
        .set_fact(instance, &key, Some(&BootstrapTicket { mac, until, used: false, base: base.to_owned() }.text()))
        .await?;
    failpoint(Failpoint::TicketWritten).await;
    Ok(token)
}

/// The ticket of a token, if it has not expired.
#[must_use]
pub fn find(store: &Store, instance: InstanceId, token: &str, now: Timestamp) -> Option<BootstrapTicket> {
    let ticket = BootstrapTicket::parse(&store.fact(instance, &key(token))?)?;
    (now < ticket.until).then_some(ticket)
}

/// Marks the file as fetched. The mark is on disk when this returns.
///
/// # Errors
/// When the store cannot write it; the file must not be delivered then.
pub async fn spend(
    store: &Store,
    instance: InstanceId,
    token: &str,
    ticket: BootstrapTicket,
) -> Result<(), StoreError> {
    failpoint(Failpoint::TicketCame).await;
    store.set_fact(instance, &key(token), Some(&BootstrapTicket { used: true, ..ticket }.text())).await?;
    failpoint(Failpoint::TicketSpent).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_back() {
        let until = Timestamp::from_second(1_800_000_000).unwrap();
        for used in [false, true] {
            let base = "http://gw.example.com:8080/example.com/gw/phone/".to_owned();
            let ticket = BootstrapTicket { mac: Mac::from_hex("805ec0123456").unwrap(), until, used, base };
            assert_eq!(BootstrapTicket::parse(&ticket.text()), Some(ticket));
        }
        assert_eq!(BootstrapTicket::parse("805ec0123456"), None);
    }
}
