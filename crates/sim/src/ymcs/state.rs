//! State of the service.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::redirect_service::RedirectState;

/// A registered phone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YmcsDevice {
    /// Its id in paths.
    pub id: String,
    /// Whether it belongs to the test's account.
    pub is_ours: bool,
    /// Serial number, when it was added with one.
    pub serial: Option<String>,
    /// The phone's own URL. It takes precedence over the server's.
    pub unique_url: Option<String>,
    /// Server entry.
    pub server_id: Option<String>,
    /// Credentials sent with the URL.
    pub credentials: Option<(String, String)>,
    /// The PIN that the phone asks for if it was added without its serial number.
    pub pin: Option<String>,
}

/// A server entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YmcsServer {
    /// Its id in paths.
    pub id: String,
    /// Whether it belongs to the test's account.
    pub is_ours: bool,
    /// URL that its phones are redirected to.
    pub url: String,
    /// Credentials sent with the URL.
    pub credentials: Option<(String, String)>,
}

/// A received call and the status of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct YmcsCall {
    /// HTTP method and path below `/v2/`.
    pub what: String,
    /// The body.
    pub body: Value,
    /// Status of the answer.
    pub status: u16,
}

/// Behaviours that tests can select.
#[derive(Debug, Clone)]
pub struct YmcsSwitches {
    /// Every call is answered with this HTTP status.
    pub status: Option<u16>,
    /// Every call is rejected as exceeding the rate limit.
    pub too_many: bool,
    /// Every token is rejected, even a fresh one.
    pub no_token_holds: bool,
    /// Token lifetime that the service reports, in seconds.
    pub expires_in: u32,
    /// Yealink allows this account to add phones by their MAC alone.
    pub mac_only: bool,
}

impl Default for YmcsSwitches {
    fn default() -> Self {
        Self { status: None, too_many: false, no_token_holds: false, expires_in: 86_400, mac_only: false }
    }
}

/// State and records of the service.
#[derive(Debug)]
pub struct YmcsState {
    /// Access key id and secret.
    pub key: (String, String),
    /// Valid tokens.
    pub tokens: BTreeSet<String>,
    /// Number of tokens issued so far.
    pub tokens_given: usize,
    /// Nonces seen.
    pub nonces: BTreeSet<String>,
    /// Phones by MAC (12 lower-case hex digits), of all organisations.
    pub devices: BTreeMap<String, YmcsDevice>,
    /// Server entries by name, of all organisations.
    pub servers: BTreeMap<String, YmcsServer>,
    /// Serial numbers known to the vendor, by MAC. A phone without an entry accepts any serial number.
    pub labels: BTreeMap<String, String>,
    /// Calls in order.
    pub calls: Vec<YmcsCall>,
    /// MACs of phones that asked for a redirect, in order.
    pub phone_requests: Vec<String>,
    /// The selected behaviours.
    pub switches: YmcsSwitches,
    next_id: u32,
}

impl YmcsState {
    pub(super) fn new(id: &str, secret: &str) -> Self {
        Self {
            key: (id.to_owned(), secret.to_owned()),
            tokens: BTreeSet::new(),
            tokens_given: 0,
            nonces: BTreeSet::new(),
            devices: BTreeMap::new(),
            servers: BTreeMap::new(),
            labels: BTreeMap::new(),
            calls: Vec::new(),
            phone_requests: Vec::new(),
            switches: YmcsSwitches::default(),
            next_id: 0,
        }
    }

    pub(super) fn fresh_id(&mut self) -> String {
        self.next_id += 1;
        format!("{:032x}", self.next_id)
    }
}

impl RedirectState for YmcsState {
    type Switches = YmcsSwitches;

    fn switches(&mut self) -> &mut YmcsSwitches {
        &mut self.switches
    }

    fn target(&self, mac: &str) -> Option<String> {
        let device = self.devices.get(mac)?;
        let server = device.server_id.as_ref().and_then(|id| self.servers.values().find(|server| server.id == *id));
        let (url, credentials) = match (&device.unique_url, server) {
            (Some(url), _) if !url.is_empty() => (url, &device.credentials),
            (_, Some(server)) => (&server.url, &server.credentials),
            _ => return None,
        };
        match (url.split_once("://"), credentials) {
            (Some((scheme, rest)), Some((user, password))) => Some(format!("{scheme}://{user}:{password}@{rest}")),
            _ => Some(url.clone()),
        }
    }
}
