//! The table of protocols. A new protocol needs one file and one line here.

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

/// The capabilities of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// It supports a URL per phone.
    pub unique_url: bool,
    /// Phones accept `user:password@` in a URL (the service has no fields for credentials).
    pub credentials_in_url: bool,
    /// The URL of an existing server entry can be changed.
    pub edit_server: bool,
    /// It has named server entries. Without them, `EnsureServer` completes without a call.
    pub server_entries: bool,
}

/// One protocol.
pub struct Protocol {
    /// The value of the setting `redirect.<vendor>.protocol`.
    pub name: &'static str,
    /// The service's default address, used when the setting `redirect.<vendor>.url` is empty.
    pub default_url: &'static str,
    /// The capabilities of the service.
    pub capabilities: Capabilities,
    /// Starts an operation at this address.
    pub start: fn(&Operation, &RedirectAccount, Url, &ProtocolContext) -> Box<dyn RedirectProtocol>,
}

/// All supported protocols.
pub static PROTOCOLS: &[Protocol] = &[
    Protocol {
        name: "yealink-xmlrpc",
        default_url: "https://api-dm.yealink.com:8443/xmlrpc",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: true,
        },
        start: yealink_xmlrpc::start,
    },
    Protocol {
        name: "yealink-ymcs",
        // The account's region determines the address (eu, us, au); the portal shows it next to the keys.
        default_url: "https://eu-api.ymcs.yealink.com",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: false,
            edit_server: true,
            server_entries: true,
        },
        start: yealink_ymcs::start,
    },
    Protocol {
        name: "snom-xmlrpc",
        // The service requires the slash.
        default_url: "https://secure-provisioning.snom.com:8083/xmlrpc/",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: false,
        },
        start: snom_xmlrpc::start,
    },
    Protocol {
        name: "snom-sraps",
        // Also answers at https://secure-provisioning.snom.com/api/v1/.
        default_url: "https://api.sraps.snom.com/api/v1/",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: false,
        },
        start: snom_sraps::start,
    },
    Protocol {
        name: "gigaset-grape",
        default_url: "https://api.grape.gigaset.net/api/v1/",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: false,
        },
        start: gigaset_grape::start,
    },
];

/// The protocol with this name.
#[must_use]
pub fn protocol(name: &str) -> Option<&'static Protocol> {
    PROTOCOLS.iter().find(|protocol| protocol.name == name)
}
