//! API tokens for scripts. They are created here and at the command line by the same rules, and shown once.

use std::time::Duration;

use gangway_base::{clock::SharedClock, secret::Secret};
use gangway_wire::appws::Envelope;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ServiceDependencies, audit,
    device_row::time,
    response::{MessageResult, RequestError, one, read, result},
    text::Text,
};
use crate::{
    phone::instance::InstanceId,
    service::caller::Caller,
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
) -> Result<(Secret, ApiToken), RequestError> {
    let instance = person.instance.id;
    let mut fields = Vec::new();
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > NAME || name.chars().any(char::is_control) {
        fields.push(("name".to_owned(), Text::new("token.name").with("most", NAME)));
    } else if store.api_tokens().of(instance).iter().any(|token| token.name == name) {
        fields.push(("name".to_owned(), Text::new("token.name-taken").with("name", name)));
    }
    let scope = form.scope.parse::<TokenScope>();
    if scope.is_err() {
        fields.push(("scope".to_owned(), Text::new("token.scope")));
    }
    if form.days.is_some_and(|days| !(1..=DAYS).contains(&days)) {
        fields.push(("days".to_owned(), Text::new("token.days").with("most", DAYS)));
    }
    let (Ok(scope), true) = (scope, fields.is_empty()) else {
        return Err(RequestError { text: Text::new("token.refused"), fields });
    };
    if store.api_tokens().of(instance).len() >= MOST {
        return Err(Text::new("token.too-many").with("most", MOST).into());
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
pub async fn revoke(store: &Store, person: &Caller, id: i64) -> Result<String, RequestError> {
    let instance = person.instance.id;
    let Some(token) = store.api_tokens().of(instance).into_iter().find(|token| token.id == id) else {
        return Err(Text::new("token.unknown").into());
    };
    audit::entry(store, person, &token.name, &format!("revoke the token {}", token.name)).await?;
    store.api_tokens().revoke(instance, id).await?;
    Ok(token.name)
}

/// Serialises a token without its secret.
#[must_use]
pub fn token_json(token: &ApiToken, now: Timestamp) -> Value {
    json!({
        "id": token.id, "name": token.name, "scope": token.scope.as_str(), "created": time(token.created),
        "createdBy": token.created_by, "expires": token.expires.map(time),
        "expired": token.expires.is_some_and(|end| end <= now),
    })
}

/// Answers `Tokens`.
///
/// # Errors
/// Never fails; the type is that of answers.
pub fn tokens(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let now = deps.clock.now();
    let rows: Vec<Value> = deps.store.api_tokens().of(instance).iter().map(|token| token_json(token, now)).collect();
    super::response::list(result(message), "tokens", &rows)
}

/// Answers `TokenCreate`, the only message that contains a token.
///
/// # Errors
/// See [`create`].
pub async fn create_message(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let form: NewTokenForm = read(message)?;
    let (text, token) = create(&deps.store, &deps.clock, person, &form).await?;
    one(result(message).field("id", token.id).field("token", text.expose()))
}

#[derive(Deserialize)]
struct Revoke {
    id: i64,
}

/// Answers `TokenRevoke`.
///
/// # Errors
/// See [`revoke`].
pub async fn revoke_message(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let request: Revoke = read(message)?;
    revoke(&deps.store, person, request.id).await?;
    one(result(message))
}
