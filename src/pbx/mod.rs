//! The PBXs: their connected sessions, the app objects they have for gangway, and their user objects.

pub mod admin_api;
pub mod app_objects;
pub mod devices_address;
pub mod sessions;
pub mod user_objects;
