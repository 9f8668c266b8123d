//! The implementations of the protocols in `settings/redirect_protocols.rs`, one folder or file each.

pub mod gigaset_grape;
pub mod snom_sraps;
pub mod snom_xmlrpc;
pub mod xmlrpc_call;
pub mod yealink_xmlrpc;
pub mod yealink_ymcs;

use url::Url;

use super::{
    account_cache::ProtocolContext,
    operation::{Operation, RedirectAccount},
    protocol::RedirectProtocol,
};
use crate::settings::{REDIRECT_PROTOCOLS, RedirectProtocolInfo, redirect_protocol};

/// Begins an operation at this address.
type Start = fn(&Operation, &RedirectAccount, Url, &ProtocolContext) -> Box<dyn RedirectProtocol>;

/// The implementation of each protocol by its name.
const IMPLEMENTATIONS: &[(&str, Start)] = &[
    ("yealink-xmlrpc", yealink_xmlrpc::start),
    ("yealink-ymcs", yealink_ymcs::start),
    ("snom-xmlrpc", snom_xmlrpc::start),
    ("snom-sraps", snom_sraps::start),
    ("gigaset-grape", gigaset_grape::start),
];

/// A protocol with its implementation.
#[derive(Clone, Copy)]
pub struct Protocol {
    /// Its row in the table.
    pub info: &'static RedirectProtocolInfo,
    /// Begins an operation.
    pub start: Start,
}

/// The protocol of this name.
#[must_use]
pub fn protocol(name: &str) -> Option<Protocol> {
    let info = redirect_protocol(name)?;
    let (_, start) = IMPLEMENTATIONS.iter().find(|(implemented, _)| *implemented == name)?;
    Some(Protocol { info, start: *start })
}

/// Every protocol, in the order of the table.
pub fn protocols() -> impl Iterator<Item = Protocol> {
    REDIRECT_PROTOCOLS.iter().filter_map(|info| protocol(info.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_table_is_implemented() {
        let rows: Vec<&str> = REDIRECT_PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        let implemented: Vec<&str> = IMPLEMENTATIONS.iter().map(|(name, _)| *name).collect();
        assert_eq!(rows, implemented);
    }
}
