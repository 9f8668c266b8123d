//! Seals secrets before they reach a database.

pub(in crate::store) mod key;
pub(in crate::store) mod key_file;
pub(in crate::store) mod keyring;
pub(in crate::store) mod secret_blob;
