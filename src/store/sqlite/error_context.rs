//! Maps errors of sqlx to errors of the store.

use crate::store::api::error::StoreError;

/// Primary result codes of SQLite (<https://www.sqlite.org/rescode.html>).
mod code {
    pub(in crate::store) const PERM: i32 = 3;
    pub(in crate::store) const BUSY: i32 = 5;
    pub(in crate::store) const LOCKED: i32 = 6;
    pub(in crate::store) const READONLY: i32 = 8;
    pub(in crate::store) const CORRUPT: i32 = 11;
    pub(in crate::store) const FULL: i32 = 13;
    pub(in crate::store) const CONSTRAINT: i32 = 19;
    pub(in crate::store) const NOTADB: i32 = 26;
}

/// Maps an sqlx error to a kind the administrator can act on. `action` completes "cannot ...".
pub(in crate::store) fn sort(action: &'static str, source: sqlx::Error) -> StoreError {
    match primary(&source) {
        Some(code::FULL) => StoreError::DiskFull { action },
        Some(code::READONLY | code::PERM) => StoreError::ReadOnly { action },
        Some(code::BUSY | code::LOCKED) => StoreError::Locked { action },
        Some(code::CORRUPT | code::NOTADB) => StoreError::Corrupt { action, reason: source.to_string(), copy: None },
        _ if is_of_another_content(&source) => StoreError::Corrupt { action, reason: source.to_string(), copy: None },
        code => StoreError::Database { action, source: Box::new(source), is_refused: code == Some(code::CONSTRAINT) },
    }
}

/// Whether the query fails because the tables or their content do not match the schema. This happens when the file has
/// pages of two databases.
fn is_of_another_content(source: &sqlx::Error) -> bool {
    match source {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        sqlx::Error::Database(error) => {
            ["no such table", "no such column"].iter().any(|begin| error.message().starts_with(begin))
        }
        _ => false,
    }
}

/// The primary result code of SQLite.
fn primary(source: &sqlx::Error) -> Option<i32> {
    match source {
        sqlx::Error::Database(error) => {
            error.code().and_then(|code| code.parse::<i32>().ok()).map(|extended| extended & 0xff)
        }
        sqlx::Error::PoolTimedOut => Some(code::BUSY),
        _ => None,
    }
}

/// Adds the attempted action to the error of a query.
pub(in crate::store) trait ErrorContext<T> {
    fn attempt(self, action: &'static str) -> Result<T, StoreError>;
}

impl<T> ErrorContext<T> for Result<T, sqlx::Error> {
    fn attempt(self, action: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| sort(action, source))
    }
}
