//! Table `token`: API tokens of scripts. They are cached in memory, so that no request reads the database. A token
//! revoked by another process is rejected after the next check for external changes. A token created by another process
//! is accepted at once.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use gangway_base::secret::Secret;
use sqlx::SqliteConnection;

use super::{
    Sqlite,
    codec::{ms, ms_opt, time, time_opt},
    error_context::ErrorContext,
};
use crate::{
    phone::instance::InstanceId,
    store::{
        api::{
            error::StoreError,
            token::{ApiToken, NewToken, TOKEN_PREFIX, TokenRepository},
        },
        memory::tokens::{ByInstance, TokenCache, digest},
    },
};

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

/// The tokens of all instances.
pub(in crate::store) async fn load(connection: &mut SqliteConnection) -> Result<TokenCache, StoreError> {
    Ok(TokenCache::new(read(connection).await?))
}

/// Loads changes made by another process.
pub(in crate::store) async fn refresh(store: &Sqlite, connection: &mut SqliteConnection) -> Result<(), StoreError> {
    if read(connection).await? != *store.inner.memory.tokens.all() {
        // Hold the write connection, so that an older state cannot overwrite a newer one.
        let mut writing = store.inner.writer.hold().await;
        store.inner.memory.tokens.replace(read(&mut writing).await?);
    }
    Ok(())
}

impl TokenRepository for Sqlite {
    async fn create_token(&self, instance: InstanceId, new: NewToken) -> Result<(Secret, ApiToken), StoreError> {
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
        self.inner.memory.tokens.change(|tokens| tokens.entry(instance).or_default().push(token.clone()));
        Ok((text, token))
    }

    async fn revoke_token(&self, instance: InstanceId, id: i64) -> Result<bool, StoreError> {
        let mut writer = self.inner.writer.take().await;
        let done = sqlx::query!("DELETE FROM token WHERE instance_id = ? AND id = ?", instance.0, id)
            .execute(&mut *writer)
            .await
            .attempt("revoke the token")?;
        self.inner.memory.tokens.change(|tokens| tokens.entry(instance).or_default().retain(|token| token.id != id));
        Ok(done.rows_affected() > 0)
    }

    async fn look_for_tokens(&self) -> Result<(), StoreError> {
        let mut reader = self.readers()?.acquire().await.attempt("look for a token")?;
        refresh(self, &mut reader).await
    }
}

impl Sqlite {
    /// Replaces all tokens with those that another store has in memory.
    pub(in crate::store) async fn take_tokens_of(&self, other: &Self) -> Result<(), StoreError> {
        let action = "write the tokens";
        let tokens = other.inner.memory.tokens.all();
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
}
