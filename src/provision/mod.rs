//! Provisioning: the facets of a phone decided and carried out.

pub mod ports;
