//! The PBXs: their connected sessions, their app objects for gangway, and their user objects.

pub mod admin_api;
pub mod app_object_plan;
pub mod app_object_setup;
pub mod app_objects;
pub mod devices_address;
pub mod sessions;
pub mod user_objects;
