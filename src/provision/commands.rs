//! Writes what administrators request for a phone into its record. The serving process carries them out, even if it is
//! another process; these functions need only the store.

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;

use super::{events::FacetEvent, flow::release_is_delivered};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::{
        facet::{DevicesState, RedirectState, Wanted},
        record::{Account, CodeOrigin, Credentials, FirstContact, Phone, PhoneId},
    },
    store::{NewEvent, Store, StoreError},
};

/// Writes a change to the record.
async fn write<R>(
    store: &Store,
    phone: PhoneId,
    change: impl FnOnce(&mut Phone, &mut Vec<NewEvent>) -> R,
) -> Result<R, StoreError> {
    failpoint(Failpoint::IntentWanted).await;
    let (_, result) = store.phones().change(phone, change).await?;
    failpoint(Failpoint::IntentWritten).await;
    Ok(result)
}

/// Sets whether the phone is to be active, released, blocked or removed.
///
/// # Errors
/// When the store cannot write it.
pub async fn want(store: &Store, phone: PhoneId, wanted: Wanted) -> Result<(), StoreError> {
    write(store, phone, |phone, events| apply_want(phone, wanted, events)).await
}

fn apply_want(phone: &mut Phone, wanted: Wanted, events: &mut Vec<NewEvent>) {
    if phone.removed_at.is_some() || phone.wanted == wanted {
        return;
    }
    phone.wanted = wanted;
    events.push(FacetEvent::Wanted { what: wanted.text() }.into());
    if wanted == Wanted::Removed {
        // An earlier rejection or pause must not prevent the entry from being withdrawn.
        if matches!(phone.redirect.state, RedirectState::Refused | RedirectState::Pending) {
            phone.redirect.state = RedirectState::Pending;
        }
        phone.redirect.next_attempt = None;
    }
}

/// Why a phone cannot be allowed to bootstrap again.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// The phone is blocked; only activating it ends a block.
    #[error(
        "{0} is blocked, and allowing it once does not change that: `gangway phones activate {0}` puts it back into service first"
    )]
    Blocked(Mac),
    /// The phone's record is a tombstone.
    #[error("{0} has been removed: provision it again in Profile or UsersAdmin")]
    Removed(Mac),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Allows the phone to fetch its file again with what it gets through the redirect service, as after a factory reset:
/// the bootstrap window is opened again. A request without any token is allowed only if `first_contact` permits it.
///
/// # Errors
/// When the phone is blocked or removed, or the store cannot write it.
pub async fn allow(
    store: &Store,
    phone: PhoneId,
    first_contact: FirstContact,
    now: Timestamp,
) -> Result<(), AllowError> {
    let Some(instance) = store.phones().get(phone).map(|record| record.instance) else { return Ok(()) };
    let days =
        store.settings().layers(instance).effective(&crate::settings::Lookup::instance(), None).u32("window_days");
    write(store, phone, |phone, events| apply_allow(phone, days, first_contact, now, events)).await?
}

/// Checks whether the phone can be allowed to bootstrap in its present state.
///
/// # Errors
/// When it is blocked or removed.
pub fn may_be_allowed(phone: &Phone) -> Result<(), AllowError> {
    match phone.wanted {
        _ if phone.removed_at.is_some() => Err(AllowError::Removed(phone.mac)),
        Wanted::Blocked => Err(AllowError::Blocked(phone.mac)),
        Wanted::Active | Wanted::Released | Wanted::Removed => Ok(()),
    }
}

/// Whether the phone would get the open part only, because its users' passwords were dropped when an earlier bootstrap
/// window expired unused. Then it must be provisioned again.
#[must_use]
pub fn lacks_passwords(phone: &Phone) -> bool {
    phone.accounts.iter().any(Account::lacks_password)
}

fn apply_allow(
    phone: &mut Phone,
    days: u32,
    first_contact: FirstContact,
    now: Timestamp,
    events: &mut Vec<NewEvent>,
) -> Result<(), AllowError> {
    may_be_allowed(phone)?;
    phone.window.open(now, days);
    phone.window.first_contact = first_contact;
    events.push(FacetEvent::Allowed { without_passwords: lacks_passwords(phone) }.into());
    Ok(())
}

/// Changes the phone's own credentials. The former ones stay valid until the phone has authenticated with the new ones,
/// which it gets with its next file. Until then a further change has no effect, because the phone may have either.
///
/// Returns whether the credentials were changed: not for a removed phone, and not while a change is in progress.
///
/// # Errors
/// When the store cannot write it.
pub async fn rotate(store: &Store, phone: PhoneId) -> Result<bool, StoreError> {
    write(store, phone, apply_rotate).await
}

fn apply_rotate(phone: &mut Phone, events: &mut Vec<NewEvent>) -> bool {
    if phone.removed_at.is_some() || phone.former.is_some() {
        return false;
    }
    let fresh = Credentials::generate(phone.mac);
    phone.former = Some(std::mem::replace(&mut phone.own, fresh).password);
    events.push(FacetEvent::CredentialsRotated.into());
    true
}

/// Why an account was not removed.
#[derive(Debug, thiserror::Error)]
pub enum TakeOffError {
    /// The phone has no such user.
    #[error("the phone has no account of '{0}': `gangway phones show` lists them")]
    Unknown(String),
    /// The phone would have no account left.
    #[error("'{0}' is the only user of this phone: remove the phone itself")]
    Last(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Removes the accounts of one user from a phone with several users; the others are unchanged. The phone's next file
/// switches the removed accounts off.
///
/// # Errors
/// When the phone has no account of this user, or no other user, or the store cannot write it.
pub async fn release_or_remove(store: &Store, phone: PhoneId, user: &str) -> Result<(), TakeOffError> {
    write(store, phone, |phone, events| {
        let is_own = |account: &Account| account.username.eq_ignore_ascii_case(user);
        if !phone.accounts.iter().any(is_own) {
            return Err(TakeOffError::Unknown(user.to_owned()));
        }
        if phone.accounts.iter().all(is_own) {
            return Err(TakeOffError::Last(user.to_owned()));
        }
        phone.accounts.retain(|account| !is_own(account));
        events.push(FacetEvent::AccountRemoved { user }.into());
        Ok(())
    })
    .await?
}

/// What is known of a provisioning code that the gateway fetched from Devices.
#[derive(Debug, Clone)]
pub struct CodeFacts {
    /// The sysclient URL of the Devices app that made it.
    pub made_at: Option<String>,
    /// When it expires.
    pub valid_until: Option<Timestamp>,
    /// The domain it leads to.
    pub domain: Option<String>,
    /// The category it leads to.
    pub category: String,
}

impl CodeFacts {
    /// Records where the phone's code comes from. The phone will be in the domain and category of the code.
    pub fn note(&self, phone: &mut Phone) {
        let Self { made_at, valid_until, domain, category } = self.clone();
        phone.code_origin = CodeOrigin { made_at, valid_until, refused_at: Vec::new() };
        phone.devices_domain = domain.or(phone.devices_domain.take());
        phone.category = Some(category);
    }
}

/// A provisioning code that the gateway fetched from Devices.
#[derive(Debug, Clone)]
pub struct FetchedCode {
    /// The code.
    pub code: Secret,
    /// What is known of it.
    pub facts: CodeFacts,
}

/// Gives the phone a new Devices code.
///
/// # Errors
/// When the store cannot write it.
pub async fn new_code(store: &Store, phone: PhoneId, code: FetchedCode, now: Timestamp) -> Result<(), StoreError> {
    write(store, phone, |phone, _| {
        phone.code = Some(code.code);
        code.facts.note(phone);
        if phone.devices.state == DevicesState::NotInDomain {
            phone.devices.reach(DevicesState::Connecting, now);
        }
    })
    .await
}

/// Compares the entry at the redirect service with the expected one now. A phone that was never registered, or was
/// rejected, is registered again instead. With `repair`, a difference found before is overwritten.
///
/// # Errors
/// When the store cannot write it.
pub async fn check_redirect(store: &Store, phone: PhoneId, repair: bool, now: Timestamp) -> Result<(), StoreError> {
    write(store, phone, |phone, _| apply_check(phone, repair, now)).await
}

fn apply_check(phone: &mut Phone, repair: bool, now: Timestamp) {
    if phone.removed_at.is_some() || phone.wanted != Wanted::Active {
        return;
    }
    match phone.redirect.state {
        RedirectState::NotConfigured => {}
        RedirectState::Refused | RedirectState::ForeignOwner if repair || phone.redirect.next_attempt.is_none() => {
            phone.redirect.reach(RedirectState::Pending, now);
        }
        RedirectState::Pending | RedirectState::Redirected | RedirectState::Refused | RedirectState::ForeignOwner => {
            phone.redirect.next_attempt = Some(now);
        }
    }
}

/// Requests one check of the phone's registrations at the PBXs now.
///
/// # Errors
/// When the store cannot write it.
pub async fn request_registration_check(store: &Store, phone: PhoneId, now: Timestamp) -> Result<(), StoreError> {
    write(store, phone, |phone, _| {
        for account in &mut phone.accounts {
            account.registration.next_attempt = Some(now);
        }
    })
    .await
}

/// Whether the requested state of the phone has been reached.
#[must_use]
pub fn is_carried_out(phone: &Phone) -> bool {
    match phone.wanted {
        Wanted::Active | Wanted::Blocked => true,
        Wanted::Released => release_is_delivered(phone),
        Wanted::Removed => phone.removed_at.is_some(),
    }
}
