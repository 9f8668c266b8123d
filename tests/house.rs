//! Tests the structure of the repository: module layers, dependency cycles, names, documents.

#![expect(clippy::unwrap_used, reason = "a failing test panics")]

#[path = "house/documents.rs"]
mod documents;
#[path = "house/names.rs"]
mod names;
#[path = "house/rooms.rs"]
mod rooms;
#[path = "house/security.rs"]
mod security;
#[path = "house/sources.rs"]
mod sources;
