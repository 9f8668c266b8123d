//! API tokens for scripts. They are created here and at the command line by the same rules, and shown once.

use std::time::Duration;

use gangway_base::{clock::SharedClock, secret::Secret};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    audit,
    caller::Caller,
    error::{InvalidField, ServiceError},
    types::{TokenInfo, TokenList},
};
use crate::{
    base::i18n::Message,
    phone::instance::InstanceId,
    store::{ApiToken, NewToken, Store, TokenScope},
};

/// Maximum number of tokens per instance, because every presented token is compared with all of them.
const MOST: usize = 100;
/// Maximum length of a name, in characters.
const NAME: usize = 60;
/// Maximum lifetime of a token that expires, in days.
const DAYS: u32 = 3650;
const DAY: Duration = Duration::from_hours(24);

/// The request for a new token.
#[derive(Debug, Clone, Deserialize)]
pub struct NewTokenForm {
    /// The name of the token.
    pub name: String,
    /// `read` or `write`.
    pub scope: String,
    /// Lifetime in days. Without it, the token never expires.
    #[serde(default)]
    pub days: Option<u32>,
}

/// Creates a token. The text is shown once and not stored.
///
/// # Errors
/// The invalid fields, or that the store cannot be written.
pub async fn create(
    store: &Store,
    clock: &SharedClock,
    person: &Caller,
    form: &NewTokenForm,
) -> Result<(Secret, ApiToken), ServiceError> {
    let instance = person.instance.id;
    let invalid = |name: &str, message| InvalidField { name: name.to_owned(), message };
    let mut fields = Vec::new();
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        fields.push(invalid("name", Message::new("token.name").with("most", NAME)));
    } else if store.api_tokens().of(instance).iter().any(|token| token.name == name) {
        fields.push(invalid("name", Message::new("token.name-taken").with("name", name)));
    }
    let scope = form.scope.parse::<TokenScope>();
    if scope.is_err() {
        fields.push(invalid("scope", Message::new("token.scope")));
    }
    if form.days.is_some_and(|days| !(1..=DAYS).contains(&days)) {
        fields.push(invalid("days", Message::new("token.days").with("most", DAYS)));
    }
    let (Ok(scope), true) = (scope, fields.is_empty()) else {
        return Err(ServiceError::TokenRefused(fields));
    };
    if store.api_tokens().of(instance).len() >= MOST {
        return Err(ServiceError::TooManyTokens(MOST));
    }
    let expires = form.days.map(|days| clock.now().saturating_add(DAY.saturating_mul(days)).unwrap_or(Timestamp::MAX));
    let until = expires.map_or_else(|| "until it is revoked".to_owned(), |at| format!("until {at:.0}"));
    audit::entry(store, person, name, &format!("make the {} token {name}, valid {until}", scope.as_str())).await?;
    let new = NewToken { name: name.to_owned(), scope, expires, created_by: audit::name(person) };
    Ok(store.api_tokens().create(instance, new).await?)
}

/// Revokes a token. Returns its name.
///
/// # Errors
/// If there is none, or the store cannot be written.
pub async fn revoke(store: &Store, person: &Caller, id: i64) -> Result<String, ServiceError> {
    let instance = person.instance.id;
    let Some(token) = store.api_tokens().of(instance).into_iter().find(|token| token.id == id) else {
        return Err(ServiceError::UnknownToken);
    };
    audit::entry(store, person, &token.name, &format!("revoke the token {}", token.name)).await?;
    store.api_tokens().revoke(instance, id).await?;
    Ok(token.name)
}

/// Describes a token without its secret.
#[must_use]
pub fn info(token: &ApiToken, now: Timestamp) -> TokenInfo {
    TokenInfo {
        id: token.id,
        name: token.name.clone(),
        scope: token.scope.as_str().to_owned(),
        created: token.created.into(),
        created_by: token.created_by.clone(),
        expires: token.expires.map(Into::into),
        expired: token.expires.is_some_and(|end| end <= now),
    }
}

/// Returns the tokens of an instance.
#[must_use]
pub fn tokens(store: &Store, clock: &SharedClock, instance: InstanceId) -> TokenList {
    let now = clock.now();
    TokenList { tokens: store.api_tokens().of(instance).iter().map(|token| info(token, now)).collect() }
}
