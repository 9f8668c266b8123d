//! Table `token`: API tokens of scripts. They are cached in memory, so that no request reads the database. A token
//! revoked by another process is rejected after the next check for external changes. A token created by another process
//! is accepted at once.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use gangway_base::secret::Secret;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use sqlx::SqliteConnection;
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::Mutex;

use super::codec::{ms, ms_opt, time, time_opt};
use crate::phone::instance::InstanceId;
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};

/// Prefix of every token, so that it can be recognised anywhere.
pub const TOKEN_PREFIX: &str = "gw_";

/// The permissions of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenScope {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

impl TokenScope {
    /// The stored name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl std::str::FromStr for TokenScope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "read" => Ok(Self::Read),
            "write" => Ok(Self::Write),
            _ => Err("a token's scope is read or write"),
        }
    }
}

/// A stored token, without the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Row id; increases with time.
    pub id: i64,
    /// Name for the administrator.
    pub name: String,
    /// Its permissions.
    pub scope: TokenScope,
    /// When it was created.
    pub created: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// When it expires, if at all.
    pub expires: Option<Timestamp>,
    digest: [u8; 32],
}

/// Parameters of a new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// Name for the administrator; must be unique in the instance.
    pub name: String,
    /// Its permissions.
    pub scope: TokenScope,
    /// When it expires, if at all.
    pub expires: Option<Timestamp>,
    /// Who creates it.
    pub created_by: String,
}

/// Result of checking a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenCheck {
    /// The token is valid.
    Good(ApiToken),
    /// The token expired at this time.
    Expired(Timestamp),
    /// The token was never created, or it was revoked.
    Unknown,
}

type ByInstance = HashMap<InstanceId, Vec<ApiToken>>;

/// Minimum pause between two look-ups of an unknown token: unknown clients cause at most fifty a second.
const LOOK: Duration = Duration::from_millis(20);
/// Number of characters of every token.
const LENGTH: usize = TOKEN_PREFIX.len() + 43;

/// The tokens of all instances.
pub(in crate::store) struct TokenCache {
    known: ArcSwap<ByInstance>,
    looked: Mutex<TokenLookup>,
}

/// The last look-up of an unknown token.
#[derive(Default)]
struct TokenLookup {
    begun: Option<Instant>,
    /// When the last completed look-up began.
    ended: Option<Instant>,
}

async fn read(connection: &mut SqliteConnection) -> Result<ByInstance, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id AS "id!", instance_id, name, scope, digest, created, created_by, expires FROM token ORDER BY id"#
    )
    .fetch_all(connection)
    .await
    .attempt("read the tokens")?;
    let mut tokens = ByInstance::new();
    for row in rows {
        let (Ok(scope), Ok(digest)) = (row.scope.parse(), <[u8; 32]>::try_from(row.digest)) else {
            tracing::warn!(token = row.name, "a token this version cannot read lets nobody in");
            continue;
        };
        tokens.entry(InstanceId(row.instance_id)).or_default().push(ApiToken {
            id: row.id,
            name: row.name,
            scope,
            created: time(row.created),
            created_by: row.created_by,
            expires: time_opt(row.expires),
            digest,
        });
    }
    Ok(tokens)
}

impl TokenCache {
    pub(in crate::store) async fn load(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        Ok(Self { known: ArcSwap::from_pointee(read(connection).await?), looked: Mutex::default() })
    }
}

/// Loads changes made by another process.
pub(in crate::store) async fn refresh(store: &Store, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if read(connection).await? != **store.inner.tokens.known.load() {
        // Hold the write connection, so that an older state cannot overwrite a newer one.
        let mut writing = store.inner.writer.hold().await;
        store.inner.tokens.known.store(Arc::new(read(&mut writing).await?));
    }
    Ok(())
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Store {
    /// The tokens of an instance, oldest first.
    #[must_use]
    pub fn tokens(&self, instance: InstanceId) -> Vec<ApiToken> {
        self.inner.tokens.known.load().get(&instance).cloned().unwrap_or_default()
    }

    /// Checks a token for an instance. All tokens are compared, each in constant time.
    #[must_use]
    pub fn shown_token(&self, instance: InstanceId, shown: &str) -> TokenCheck {
        let digest = digest(shown);
        let tokens = self.inner.tokens.known.load();
        let own = tokens.get(&instance).map(Vec::as_slice).unwrap_or_default();
        let mut found = 0_u32;
        for (token, place) in own.iter().zip(1_u32..) {
            let is_it: Choice = token.digest.ct_eq(&digest);
            found.conditional_assign(&place, is_it);
        }
        let token = found.checked_sub(1).and_then(|place| own.get(place as usize));
        match token {
            None => TokenCheck::Unknown,
            Some(token) => match token.expires {
                Some(end) if end <= self.inner.clock.now() => TokenCheck::Expired(end),
                _ => TokenCheck::Good(token.clone()),
            },
        }
    }

    /// Same as [`Self::shown_token`], but looks up an unknown token in the database first, as another process may have
    /// just created it. Concurrent callers share the next look-up. The caller must check first whether the client is
    /// locked out.
    pub async fn prove_token(&self, instance: InstanceId, shown: &str) -> TokenCheck {
        let known = self.shown_token(instance, shown);
        if known != TokenCheck::Unknown || shown.len() != LENGTH || !shown.starts_with(TOKEN_PREFIX) {
            return known;
        }
        let asked = Instant::now();
        let mut looked = self.inner.tokens.looked.lock().await;
        if looked.ended.is_none_or(|ended| ended < asked) {
            if let Some(begun) = looked.begun {
                tokio::time::sleep(LOOK.saturating_sub(begun.elapsed())).await;
            }
            let begun = Instant::now();
            looked.begun = Some(begun);
            if let Err(error) = self.look_for_tokens().await {
                tracing::debug!(%error, "a token that is not known cannot be looked for");
            }
            looked.ended = Some(begun);
        }
        drop(looked);
        self.shown_token(instance, shown)
    }

    async fn look_for_tokens(&self) -> Result<(), StoreError> {
        let mut reader = self.readers()?.acquire().await.attempt("look for a token")?;
        refresh(self, &mut reader).await
    }

    /// Creates a token. The token text is returned only here.
    ///
    /// # Errors
    /// When the database cannot be written, or the name already exists.
    pub async fn create_token(&self, instance: InstanceId, new: NewToken) -> Result<(Secret, ApiToken), StoreError> {
        let bytes: [u8; 32] = rand::random();
        let text = Secret::new(format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)));
        let digest = digest(text.expose());
        let created = self.inner.clock.now();
        let (scope, kept, at, expires) = (new.scope.as_str(), digest.as_slice(), ms(created), ms_opt(new.expires));
        let mut writer = self.inner.writer.take().await;
        let id = sqlx::query_scalar!(
            r#"INSERT INTO token (instance_id, name, scope, digest, created, created_by, expires)
            VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id AS "id!""#,
            instance.0,
            new.name,
            scope,
            kept,
            at,
            new.created_by,
            expires
        )
        .fetch_one(&mut *writer)
        .await
        .attempt("make the token")?;
        let NewToken { name, scope, expires, created_by } = new;
        let token = ApiToken {
            id,
            name,
            scope,
            created: time(at),
            created_by,
            expires: expires.map(|at| time(ms(at))),
            digest,
        };
        let mut tokens = ByInstance::clone(&self.inner.tokens.known.load());
        tokens.entry(instance).or_default().push(token.clone());
        self.inner.tokens.known.store(Arc::new(tokens));
        Ok((text, token))
    }

    /// Replaces all tokens with those that another store has in memory.
    pub(in crate::store) async fn take_tokens_of(&self, other: &Self) -> Result<(), StoreError> {
        let action = "write the tokens";
        let tokens = other.inner.tokens.known.load_full();
        let mut transaction = self.inner.writer.begin(action).await?;
        sqlx::query("DELETE FROM token").execute(&mut *transaction).await.attempt(action)?;
        for (instance, token) in tokens.iter().flat_map(|(instance, all)| all.iter().map(move |one| (instance, one))) {
            sqlx::query(
                "INSERT INTO token (id, instance_id, name, scope, digest, created, created_by, expires)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(token.id)
            .bind(instance.0)
            .bind(&token.name)
            .bind(token.scope.as_str())
            .bind(token.digest.as_slice())
            .bind(ms(token.created))
            .bind(&token.created_by)
            .bind(ms_opt(token.expires))
            .execute(&mut *transaction)
            .await
            .attempt(action)?;
        }
        transaction.commit().await.map(drop)
    }

    /// Revokes a token. Returns whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn revoke_token(&self, instance: InstanceId, id: i64) -> Result<bool, StoreError> {
        let mut writer = self.inner.writer.take().await;
        let done = sqlx::query!("DELETE FROM token WHERE instance_id = ? AND id = ?", instance.0, id)
            .execute(&mut *writer)
            .await
            .attempt("revoke the token")?;
        let mut tokens = ByInstance::clone(&self.inner.tokens.known.load());
        tokens.entry(instance).or_default().retain(|token| token.id != id);
        self.inner.tokens.known.store(Arc::new(tokens));
        Ok(done.rows_affected() > 0)
    }
}
