//! API tokens of scripts. Reads come from memory.

use gangway_base::secret::Secret;

use super::{
    ApiToken, NewToken, Store, StoreError, TokenCheck, api::token::TokenRepository, memory::tokens::TokenCache,
};
use crate::phone::instance::InstanceId;

/// API tokens of scripts. Reads come from memory.
#[derive(Debug, Clone, Copy)]
pub struct TokenRecords<'s>(&'s Store);

impl Store {
    /// API tokens of scripts. Reads come from memory.
    #[must_use]
    pub fn api_tokens(&self) -> TokenRecords<'_> {
        TokenRecords(self)
    }
}

impl TokenRecords<'_> {
    /// The tokens of an instance, oldest first.
    #[must_use]
    pub fn of(self, instance: InstanceId) -> Vec<ApiToken> {
        self.0.database.memory().tokens.of(instance)
    }

    /// Checks a token for an instance. All tokens are compared, each in constant time.
    #[must_use]
    pub fn check(self, instance: InstanceId, shown: &str) -> TokenCheck {
        self.0.database.memory().tokens.check(instance, shown, self.0.database.now())
    }

    /// Same as [`Self::check`], but looks up an unknown token in the database first, as another process may have
    /// just created it. Concurrent callers share the next look-up. The caller must check first whether the client is
    /// locked out.
    pub async fn prove(self, instance: InstanceId, shown: &str) -> TokenCheck {
        let known = self.check(instance, shown);
        if known != TokenCheck::Unknown || !TokenCache::is_token(shown) {
            return known;
        }
        let look = async || {
            if let Err(error) = self.0.database.look_for_tokens().await {
                tracing::debug!(%error, "a token that is not known cannot be looked for");
            }
        };
        self.0.database.memory().tokens.look_up(look).await;
        self.check(instance, shown)
    }

    /// Creates a token. The token text is returned only here.
    ///
    /// # Errors
    /// When the database cannot be written, or the name already exists.
    pub async fn create(self, instance: InstanceId, new: NewToken) -> Result<(Secret, ApiToken), StoreError> {
        self.0.database.create_token(instance, new).await
    }

    /// Revokes a token. Returns whether there was one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn revoke(self, instance: InstanceId, id: i64) -> Result<bool, StoreError> {
        self.0.database.revoke_token(instance, id).await
    }
}
