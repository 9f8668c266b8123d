//! The table of redirect protocols: their names, default URLs, capabilities, and the settings of an account. Settings,
//! manifests and the redirect client read it. To add a protocol, add a row here and a folder in
//! `src/redirect/protocols/`, and enter it in the list of implementations there; a test compares both.

/// The capabilities of a redirect service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether it supports a separate URL per phone.
    pub unique_url: bool,
    /// Whether phones support `user:password@` in a URL (the service has no fields for credentials).
    pub credentials_in_url: bool,
    /// Whether the URL of an existing server entry can be changed.
    pub edit_server: bool,
    /// Whether it has named server entries at all; without them `EnsureServer` completes without a call.
    pub server_entries: bool,
}

/// A redirect protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedirectProtocolInfo {
    /// Its name in the setting `redirect.<vendor>.protocol`.
    pub name: &'static str,
    /// The service's default URL, used if the setting `redirect.<vendor>.url` is empty.
    pub default_url: &'static str,
    /// The capabilities of the service.
    pub capabilities: Capabilities,
    /// The settings `redirect.<vendor>.<name>` that an account of this protocol uses.
    pub account: &'static [&'static str],
}

/// The protocol name in a manifest or a setting for a vendor without a redirect service.
pub const NO_PROTOCOL: &str = "none";

/// All supported protocols.
pub const REDIRECT_PROTOCOLS: &[RedirectProtocolInfo] = &[
    RedirectProtocolInfo {
        name: "yealink-xmlrpc",
        default_url: "https://api-dm.yealink.com:8443/xmlrpc",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: true,
        },
        account: &["url", "user", "password", "server_name"],
    },
    RedirectProtocolInfo {
        name: "yealink-ymcs",
        // The host depends on the account's region (eu, us, au), which the portal shows next to the keys.
        default_url: "https://eu-api.ymcs.yealink.com",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: false,
            edit_server: true,
            server_entries: true,
        },
        account: &["url", "user", "password", "server_name", "mac_only"],
    },
    RedirectProtocolInfo {
        name: "snom-xmlrpc",
        // The service requires the trailing slash.
        default_url: "https://secure-provisioning.snom.com:8083/xmlrpc/",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: false,
        },
        account: &["url", "user", "password"],
    },
    RedirectProtocolInfo {
        name: "snom-sraps",
        // Also available at https://secure-provisioning.snom.com/api/v1/.
        default_url: "https://api.sraps.snom.com/api/v1/",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: false,
        },
        account: &["url", "user", "password"],
    },
    RedirectProtocolInfo {
        name: "gigaset-grape",
        default_url: "https://api.grape.gigaset.net/api/v1/",
        capabilities: Capabilities {
            unique_url: true,
            credentials_in_url: true,
            edit_server: false,
            server_entries: false,
        },
        account: &["url", "user", "password"],
    },
];

/// The allowed values of the setting `redirect.<vendor>.protocol`.
pub(super) const PROTOCOL_WORDS: [&str; REDIRECT_PROTOCOLS.len() + 1] = {
    let mut words = [NO_PROTOCOL; REDIRECT_PROTOCOLS.len() + 1];
    let mut row = 0;
    while row < REDIRECT_PROTOCOLS.len() {
        words[row] = REDIRECT_PROTOCOLS[row].name;
        row += 1;
    }
    words
};

/// The protocol with this name.
#[must_use]
pub fn redirect_protocol(name: &str) -> Option<&'static RedirectProtocolInfo> {
    REDIRECT_PROTOCOLS.iter().find(|protocol| protocol.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::REDIRECT_SETTINGS;

    #[test]
    fn accounts_use_settings_that_exist_and_every_setting_is_used() {
        for protocol in REDIRECT_PROTOCOLS {
            for name in protocol.account {
                assert!(REDIRECT_SETTINGS.iter().any(|setting| setting.name == *name), "{}: {name}", protocol.name);
            }
        }
        for setting in REDIRECT_SETTINGS.iter().filter(|setting| setting.name != "protocol") {
            assert!(
                REDIRECT_PROTOCOLS.iter().any(|protocol| protocol.account.contains(&setting.name)),
                "no protocol uses {}",
                setting.name
            );
        }
    }
}
