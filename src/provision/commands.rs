//! What people want of a phone, written into its record. Whoever serves carries it out, also when that is another
//! process; these functions need nothing but the store.

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;

use super::{events::FacetEvent, flow::release_is_delivered};
use crate::{
    base::failpoint::{Failpoint, failpoint},
    phone::{
        facet::{DevicesState, RedirectState, Wanted},
        record::{Account, Credentials, FirstContact, Phone, PhoneId},
    },
    store::{NewEvent, Store, StoreError},
};

/// Writes down what is wanted.
async fn write<R>(
    store: &Store,
    phone: PhoneId,
    change: impl FnOnce(&mut Phone, &mut Vec<NewEvent>) -> R,
) -> Result<R, StoreError> {
    failpoint(Failpoint::IntentWanted).await;
    let (_, result) = store.change_phone(phone, change).await?;
    failpoint(Failpoint::IntentWritten).await;
    Ok(result)
}

/// Wants it active, released, blocked or removed.
///
/// # Errors
/// When the store cannot write it.
pub async fn want(store: &Store, phone: PhoneId, wanted: Wanted) -> Result<(), StoreError> {
    write(store, phone, |phone, events| apply_want(phone, wanted, events)).await
}

fn apply_want(phone: &mut Phone, wanted: Wanted, events: &mut Vec<NewEvent>) {
    if phone.buried.is_some() || phone.wanted == wanted {
        return;
    }
    phone.wanted = wanted;
    events.push(FacetEvent::Wanted { what: wanted.text() }.into());
    if wanted == Wanted::Removed {
        // A refusal of the past must not keep the entry from being taken back; an old pause neither.
        if matches!(phone.redirect.state, RedirectState::Refused | RedirectState::Pending) {
            phone.redirect.state = RedirectState::Pending;
        }
        phone.redirect.next_attempt = None;
    }
}

/// Why a phone was not allowed to come once more.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// Only activating it ends a block.
    #[error(
        "{0} is blocked, and allowing it once does not change that: `gangway phones activate {0}` puts it back into service first"
    )]
    Blocked(Mac),
    /// Its record is a tombstone.
    #[error("{0} has been removed: provision it again in Profile or UsersAdmin")]
    Removed(Mac),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Lets the phone fetch its file once more with what travels through the redirect service, as after a factory reset:
/// the window is opened anew. Coming without a token at all is allowed only where `first_contact` says so.
///
/// # Errors
/// When the phone is blocked or removed, or the store cannot write it.
pub async fn allow(
    store: &Store,
    phone: PhoneId,
    first_contact: FirstContact,
    now: Timestamp,
) -> Result<(), AllowError> {
    let Some(instance) = store.roster().get(phone).map(|record| record.instance) else { return Ok(()) };
    let days = store.layers(instance).effective(&crate::settings::Lookup::instance(), None).u32("window_days");
    write(store, phone, |phone, events| apply_allow(phone, days, first_contact, now, events)).await?
}

/// Why the phone cannot be allowed to come once more as it is now.
///
/// # Errors
/// When it is blocked or removed.
pub fn may_be_allowed(phone: &Phone) -> Result<(), AllowError> {
    match phone.wanted {
        _ if phone.buried.is_some() => Err(AllowError::Removed(phone.mac)),
        Wanted::Blocked => Err(AllowError::Blocked(phone.mac)),
        Wanted::Active | Wanted::Released | Wanted::Removed => Ok(()),
    }
}

/// Whether the phone would get the open part only, because its users' passwords were dropped when an earlier window ended
/// unused: then only provisioning it again helps.
#[must_use]
pub fn lacks_passwords(phone: &Phone) -> bool {
    phone.accounts.iter().any(|account| account.password.is_empty())
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

/// Changes the phone's own credentials. The former ones stay good until the phone has proven the new ones, which come to
/// it with its next file; as long as it has not, another change is none: the phone may hold either.
///
/// Returns whether there was something to change: a removed phone has none, and a change may be under way.
///
/// # Errors
/// When the store cannot write it.
pub async fn rotate(store: &Store, phone: PhoneId) -> Result<bool, StoreError> {
    write(store, phone, apply_rotate).await
}

fn apply_rotate(phone: &mut Phone, events: &mut Vec<NewEvent>) -> bool {
    if phone.buried.is_some() || phone.former.is_some() {
        return false;
    }
    let fresh = Credentials::generate(phone.mac);
    phone.former = Some(std::mem::replace(&mut phone.own, fresh).password);
    events.push(FacetEvent::CredentialsRotated.into());
    true
}

/// Why an account was not taken off.
#[derive(Debug, thiserror::Error)]
pub enum TakeOffError {
    /// The phone has no such user.
    #[error("the phone has no account of '{0}': `gangway phones show` lists them")]
    Unknown(String),
    /// It would have none left.
    #[error("'{0}' is the only user of this phone: remove the phone itself")]
    Last(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes the accounts of one user off a phone with several; the others stay as they are. Its next file switches the
/// accounts off.
///
/// # Errors
/// When there is no such user, no other one, or the store cannot write it.
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

/// Gives the phone a new Devices code.
///
/// # Errors
/// When the store cannot write it.
pub async fn new_code(store: &Store, phone: PhoneId, code: Secret, now: Timestamp) -> Result<(), StoreError> {
    write(store, phone, |phone, _| {
        phone.code = Some(code);
        if phone.devices.state == DevicesState::NotInDomain {
            phone.devices.reach(DevicesState::Connecting, now);
        }
    })
    .await
}

/// Compares now what the redirect service holds with what it should. What was never registered, or was refused, is
/// tried again instead; with `repair` a difference found before is overwritten.
///
/// # Errors
/// When the store cannot write it.
pub async fn check_redirect(store: &Store, phone: PhoneId, repair: bool, now: Timestamp) -> Result<(), StoreError> {
    write(store, phone, |phone, _| apply_check(phone, repair, now)).await
}

fn apply_check(phone: &mut Phone, repair: bool, now: Timestamp) {
    if phone.buried.is_some() || phone.wanted != Wanted::Active {
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

/// Asks the PBXs for the registrations of the phone once, now.
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

/// Whether nothing is left to do for what is wanted of it.
#[must_use]
pub fn is_carried_out(phone: &Phone) -> bool {
    match phone.wanted {
        Wanted::Active | Wanted::Blocked => true,
        Wanted::Released => release_is_delivered(phone),
        Wanted::Removed => phone.buried.is_some(),
    }
}
