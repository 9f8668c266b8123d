//! The operations of redirect services, and the accounts they use.

use gangway_base::{mac::Mac, secret::Secret};

use crate::phone::instance::InstanceId;

/// Our credentials at a vendor's redirect service (settings `redirect.<vendor>.*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectAccount {
    /// The tenant whose account it is.
    pub instance: InstanceId,
    /// The vendor folder.
    pub vendor: String,
    /// A name out of [`crate::settings::REDIRECT_PROTOCOLS`], or `none`.
    pub protocol: String,
    /// The service's address; empty for the protocol's default.
    pub url: String,
    /// The account's user.
    pub user: String,
    /// The account's password.
    pub password: Secret,
    /// A server name chosen by an administrator; `None` to derive it from the domain.
    pub server_name: Option<String>,
    /// Whether phones may be added by MAC alone where the service asks for more.
    pub mac_only: bool,
}

/// A named provisioning server at a redirect service. The URL may carry `user:password@`, so it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its name, see [`super::server_name`].
    pub name: String,
    /// The URL that phones with this entry are sent to; the same for all of them.
    pub url: Secret,
}

/// An operation of a redirect service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Makes sure that our server entry exists (`ADD SERVER`, sent at every start).
    EnsureServer(ServerEntry),
    /// Checks which account the phone belongs to.
    Check {
        /// The phone.
        mac: Mac,
    },
    /// Checks whether the service sends this phone to the right URL. Changes nothing.
    Verify {
        /// The phone.
        mac: Mac,
        /// The URL that the phone should be sent to.
        url: Secret,
    },
    /// Sends this phone to us: to its own URL if the service supports that, else to the server entry.
    Register {
        /// The phone.
        mac: Mac,
        /// The phone's own URL (with its token); `None` if only the shared one is wanted.
        unique_url: Option<Secret>,
        /// The entry to use if the service does not support URLs per phone.
        server: ServerEntry,
        /// The phone's serial number, if known.
        serial: Option<String>,
    },
    /// Removes the redirection of this phone.
    Deregister {
        /// The phone.
        mac: Mac,
    },
    /// Checks the credentials without changing anything.
    Probe,
}

impl Operation {
    /// The phone that the operation is for.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        match self {
            Self::Check { mac } | Self::Verify { mac, .. } | Self::Register { mac, .. } | Self::Deregister { mac } => {
                Some(*mac)
            }
            Self::EnsureServer(_) | Self::Probe => None,
        }
    }

    /// The label in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::EnsureServer(_) => "ensure_server",
            Self::Check { .. } => "check",
            Self::Verify { .. } => "verify",
            Self::Register { .. } => "register",
            Self::Deregister { .. } => "deregister",
            Self::Probe => "probe",
        }
    }

    /// Texts that must not appear in the history or in a sentence. Owners know the URLs of server entries and phones
    /// anyway; the secret parts are the user information and the token (the last path segment).
    pub(super) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Register { unique_url, server, .. } => {
                let token = unique_url.as_ref().and_then(|url| last_segment(url.expose()));
                token.into_iter().chain(user_information(server.url.expose())).collect()
            }
            Self::Verify { url, .. } => {
                last_segment(url.expose()).into_iter().chain(user_information(url.expose())).collect()
            }
            Self::EnsureServer(server) => user_information(server.url.expose()).into_iter().collect(),
            Self::Check { .. } | Self::Deregister { .. } | Self::Probe => Vec::new(),
        }
    }
}

/// The last path segment, if it is long enough to be a token.
fn last_segment(url: &str) -> Option<Secret> {
    let segment = url.trim_end_matches('/').rsplit('/').next()?;
    (segment.len() >= 16).then(|| Secret::new(segment))
}

fn user_information(url: &str) -> Option<Secret> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    authority.rsplit_once('@').map(|(user, _)| Secret::new(user))
}
