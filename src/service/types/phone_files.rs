//! The file of a phone: comparison with the former one, and the logins that stand in it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Rfc3339Time;

/// The file that a phone fetched last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HeldFile {
    /// When it was stored.
    pub at: Rfc3339Time,
    /// Its name.
    pub name: String,
    /// Whether it is the newest: a later file may have been delivered and not stored.
    pub last: bool,
}

/// A line of the file that a phone has, of the one it would get now, or of both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiffLine {
    /// `same`, `added` or `removed`.
    pub kind: String,
    /// Its number in the former file, from 1.
    pub was: Option<usize>,
    /// Its number in the current file, from 1.
    pub n: Option<usize>,
    /// Secrets are `***`.
    pub text: String,
    /// `same`, `changed`, `new` or `gone` where the line hides a secret.
    pub secret: Option<String>,
}

/// The file that a phone fetched last, compared with the one it would get now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigDiff {
    /// The former file.
    pub held: HeldFile,
    /// Number of added lines.
    pub added: usize,
    /// Number of removed lines.
    pub removed: usize,
    /// The lines of both files.
    pub lines: Vec<DiffLine>,
}

/// A login that the gateway generated for a phone. It contains a secret: it is serialised for its reader only.
#[derive(Clone, Serialize, ToSchema)]
pub struct RevealedLogin {
    /// The user name.
    pub user: String,
    /// The password.
    #[serde(serialize_with = "super::revealed")]
    #[schema(value_type = String)]
    pub password: gangway_base::secret::Secret,
}
