//! The protocol between the admin page and the gateway (`docs/admin-api.md`): messages of the api `gangway` over an
//! AppWebsocket, with answers in parts and subscriptions. The use cases and the types of their requests and responses
//! are those of [`crate::service`].

mod answers;
pub mod methods;
mod requests;
mod response;
mod session;
pub mod socket;
mod subscriptions;
mod upload;
