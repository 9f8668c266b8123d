//! One-time URLs by plain HTTP for phones that do not trust our certificate yet. Behind such a URL lie the CA and the https
//! URL, and nothing else; who reads along learns nothing that opens a file. The phone then comes by https without a token, as a
//! person has allowed it to.

use data_encoding::HEXLOWER;
use gangway_base::{mac::Mac, secret::Secret};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::{instance::InstanceId, record::new_token},
    store::{Store, StoreError},
};

/// A URL nobody used is worth nothing after this.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// What a one-time token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapTicket {
    /// The phone.
    pub mac: Mac,
    /// Until when.
    pub until: Timestamp,
    /// The file has been fetched; the CA it names may still be.
    pub used: bool,
    /// The plain-HTTP base the phone was given, up to and without the token; ends with `/`.
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

/// The store keeps no token, only its hash.
fn key(token: &str) -> String {
    let hash = Sha256::digest(token.as_bytes());
    format!("bootstrap.{}", HEXLOWER.encode(&hash[..16]))
}

fn key_of(mac: Mac) -> String {
    format!("bootstrap_of.{mac}")
}

/// Makes a token for a phone, to be given away behind `base`; one made before is worth nothing any more.
///
/// # Errors
/// When it cannot be written.
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
    // In this order: whoever is killed between the two leaves nothing behind that opens anything and that nobody knows of.
    store.set_fact(instance, &key_of(mac), Some(&key)).await?;
    failpoint(Failpoint::TicketNamed).await;
    store
        .set_fact(instance, &key, Some(&BootstrapTicket { mac, until, used: false, base: base.to_owned() }.text()))
        .await?;
    failpoint(Failpoint::TicketWritten).await;
    Ok(token)
}

/// What a token stands for, while it is worth something.
#[must_use]
pub fn find(store: &Store, instance: InstanceId, token: &str, now: Timestamp) -> Option<BootstrapTicket> {
    let ticket = BootstrapTicket::parse(&store.fact(instance, &key(token))?)?;
    (now < ticket.until).then_some(ticket)
}

/// Marks the file as fetched; on disk when it answers.
///
/// # Errors
/// When it cannot be written: the file must not be given then.
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
