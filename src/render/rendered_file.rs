//! A rendered file of a phone.

use bytes::Bytes;

use crate::catalog::Format;

/// A file, ready to be sent.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The content.
    pub body: Bytes,
    /// Quoted keyed hash of the bytes. Equal bytes have equal tags; the tag reveals nothing without the key.
    pub etag: String,
    /// Content-Type.
    pub content_type: String,
    /// File format.
    pub format: Format,
    /// Notes for the administrator about values that could not be written.
    pub notes: Vec<String>,
}
