//! Who did what: an entry in the phone's time line for everything a person does to it.

use crate::{
    apis::admin::Person,
    phone::record::PhoneId,
    store::{NewEvent, Store, StoreError},
    wire::appws::LoginKind,
};

/// The kind of these entries.
pub const KIND: &str = "person";

/// The person, for people: long name, login, where from.
#[must_use]
pub fn name(person: &Person) -> String {
    let identity = &person.identity;
    let long = identity.info.as_ref().and_then(|info| info.cn.clone()).unwrap_or_else(|| identity.dn.clone());
    let long = if long.is_empty() { identity.sip.clone() } else { long };
    let how = if identity.kind == LoginKind::PasswordLogin { ", instance password" } else { "" };
    format!("{long} ({}{how}) at {}", identity.sip, person.source.to_canonical())
}

/// Writes the entry; before the deed, so that there is none without.
///
/// # Errors
/// When the store cannot be written; then nothing must be done.
pub async fn note(store: &Store, person: &Person, phone: PhoneId, deed: &str) -> Result<(), StoreError> {
    let name = name(person);
    tracing::info!(instance = %person.instance.label(), phone = phone.0, person = %name, deed, "a person acts");
    let event = NewEvent { kind: KIND, text: format!("{deed}, by {name}."), detail: Some(deed.to_owned()) };
    store.change_phone(phone, |_, events| events.push(event)).await?;
    Ok(())
}
