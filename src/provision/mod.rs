//! Provisioning: the facets of a phone decided (`flow`) and carried out (`engine`, `steps`), the requests of Users
//! taken (`intake`), what people want written down (`intents`).

pub mod acknowledgement;
pub mod adapters;
pub mod bootstrap;
mod due;
mod endpoints;
mod engine;
pub(crate) mod events;
pub mod flow;
mod handle;
mod inbox;
mod intake;
pub mod intents;
pub mod moving;
pub mod outcome;
pub mod ports;
mod presence;
pub mod public_url;
mod retry;
#[cfg(test)]
pub(crate) mod sample;
pub mod sayings;
mod server;
mod steps;
#[cfg(test)]
mod tests;
pub mod urls;
pub mod verdict;
mod world;

pub use self::{
    adapters::Manifests,
    handle::{Deps, Provisioning},
    intake::{DEADLINE, ProvisionRequest},
    public_url::{PublicUrlsOf, UrlOf, public_urls, token_urls},
};
