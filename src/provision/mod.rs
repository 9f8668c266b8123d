//! Provisioning: decides the facets of a phone (`flow`), carries actions out (`scheduler`, `steps`), accepts the
//! requests of Users (`request`), and records what administrators request (`commands`).

mod account_audit;
mod account_slots;
pub mod adapters;
pub mod bootstrap;
pub mod bootstrap_account;
pub mod commands;
mod context;
mod deadlines;
mod endpoint_queue;
mod engine;
pub(crate) mod events;
pub mod flow;
pub mod migration_progress;
pub mod ports;
mod provisioning;
pub mod public_url;
mod redirect_accounts;
mod registration_audit;
mod request;
pub mod request_status;
mod retry_on_config_change;
mod running;
#[cfg(test)]
pub(crate) mod sample;
mod scheduler;
mod server_entries;
mod steps;
mod sysclient_events;
#[cfg(test)]
mod tests;
pub mod timeline_texts;
pub mod transitions;

pub use self::{
    adapters::Manifests,
    commands::{CodeFacts, FetchedCode},
    provisioning::{Provisioning, ProvisioningDependencies},
    public_url::{PublicUrlsOf, UrlOf, public_urls, token_urls},
    request::{DEADLINE, ProvisionRequest},
};
