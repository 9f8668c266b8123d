//! A file of a phone as it was rendered.

use bytes::Bytes;

use crate::catalog::Format;

/// A file, ready to be sent.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The bytes.
    pub body: Bytes,
    /// Quoted keyed hash of the bytes: equal bytes, equal tag; tells nothing to who lacks the key.
    pub etag: String,
    /// Content-Type.
    pub content_type: String,
    /// Format of the bytes.
    pub format: Format,
    /// What could not be written, for people.
    pub notes: Vec<String>,
}
