//! What can be wanted of a redirect service, and on whose behalf.

use gangway_base::{mac::Mac, secret::Secret};

use crate::phone::instance::InstanceId;

/// Our credentials at a vendor's redirect service (settings `redirect.<vendor>.*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectAccount {
    /// The tenant whose account it is.
    pub instance: InstanceId,
    /// The vendor folder.
    pub vendor: String,
    /// A name out of [`super::PROTOCOLS`], or `none`.
    pub protocol: String,
    /// The service's address; empty = the protocol's usual one.
    pub url: String,
    /// The account's user.
    pub user: String,
    /// The account's password.
    pub password: Secret,
    /// A server name chosen by a person; `None` = derived from the domain.
    pub server_name: Option<String>,
    /// Phones may be added by their MAC alone where the service wants more.
    pub mac_only: bool,
}

/// A named provisioning server at a redirect service. The URL may carry `user:password@`, so it is a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its name, see [`super::server_name`].
    pub name: String,
    /// Where phones of this entry are sent: the same URL for all of them.
    pub url: Secret,
}

/// One thing wanted of a redirect service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Make sure that our server entry exists (`ADD SERVER`, sent at every start).
    EnsureServer(ServerEntry),
    /// Whose is this phone?
    Check {
        /// The phone.
        mac: Mac,
    },
    /// Does the service send this phone where it should? Nothing is changed.
    Verify {
        /// The phone.
        mac: Mac,
        /// Where it should be sent.
        url: Secret,
    },
    /// Send this phone to us: to its own URL where the service can do that, else to the server entry.
    Register {
        /// The phone.
        mac: Mac,
        /// The phone's own URL (with its token); `None` where only the shared one is wanted.
        unique_url: Option<Secret>,
        /// The entry used where the service knows no URLs per phone.
        server: ServerEntry,
        /// The phone's serial number where it is known.
        serial: Option<String>,
    },
    /// Send this phone nowhere any more.
    Deregister {
        /// The phone.
        mac: Mac,
    },
    /// Try the credentials without changing anything.
    Probe,
}

impl Operation {
    /// The phone it is about.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        match self {
            Self::Check { mac } | Self::Verify { mac, .. } | Self::Register { mac, .. } | Self::Deregister { mac } => {
                Some(*mac)
            }
            Self::EnsureServer(_) | Self::Probe => None,
        }
    }

    /// A word for metrics.
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

    /// Texts that must not show up in the history or in a sentence. URLs of server entries and phones are known to
    /// their owner anyway; what is secret in them is the user information and the token (the last path segment).
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

/// The last path segment when it is long enough to be a token.
fn last_segment(url: &str) -> Option<Secret> {
    let segment = url.trim_end_matches('/').rsplit('/').next()?;
    (segment.len() >= 16).then(|| Secret::new(segment))
}

fn user_information(url: &str) -> Option<Secret> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    authority.rsplit_once('@').map(|(user, _)| Secret::new(user))
}
