//! Provisioning: the facets of a phone decided and carried out.

pub mod flow;
pub mod ports;
#[cfg(test)]
mod sample;
