//! API tokens.

use gangway_base::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Rfc3339Time;

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenInfo {
    /// Grows with time.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// `read` or `write`.
    pub scope: String,
    /// When it was created.
    pub created: Rfc3339Time,
    /// By whom.
    pub created_by: String,
    /// When it ends by itself.
    pub expires: Option<Rfc3339Time>,
    /// Whether it has ended.
    pub expired: bool,
}

/// The tokens of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// The tokens.
    pub tokens: Vec<TokenInfo>,
}

/// A new token. This is the only type that contains the token itself.
#[derive(Clone, Serialize, ToSchema)]
pub struct CreatedToken {
    /// Its number.
    pub id: i64,
    /// The token.
    #[serde(serialize_with = "super::revealed")]
    #[schema(value_type = String)]
    pub token: Secret,
}
