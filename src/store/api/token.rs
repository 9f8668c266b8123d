//! API tokens of scripts.

use gangway_base::secret::Secret;
use jiff::Timestamp;

use super::error::StoreError;
use crate::phone::instance::InstanceId;

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
    /// SHA-256 of the token.
    pub(in crate::store) digest: [u8; 32],
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

/// The tokens in the database, by the digest of their text. What is committed is put into memory.
pub(in crate::store) trait TokenRepository {
    /// Creates a token. The token text is returned only here.
    async fn create_token(&self, instance: InstanceId, new: NewToken) -> Result<(Secret, ApiToken), StoreError>;

    /// Revokes a token. Returns whether there was one.
    async fn revoke_token(&self, instance: InstanceId, id: i64) -> Result<bool, StoreError>;

    /// Takes over tokens that another process created or revoked.
    async fn look_for_tokens(&self) -> Result<(), StoreError>;
}
