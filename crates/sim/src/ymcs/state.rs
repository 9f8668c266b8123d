//! What the service knows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A phone that is registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct YmcsDevice {
    /// Its id in paths.
    pub id: String,
    /// Whether it is on our account.
    pub is_ours: bool,
    /// Serial number, when it was added with one.
    pub serial: Option<String>,
    /// Its own URL, which wins over the server's.
    pub unique_url: Option<String>,
    /// Server entry.
    pub server_id: Option<String>,
    /// Credentials beside the URL.
    pub credentials: Option<(String, String)>,
    /// What the phone asks for when it was added without its serial number.
    pub pin: Option<String>,
}

/// A server entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YmcsServer {
    /// Its id in paths.
    pub id: String,
    /// Whether it is on our account.
    pub is_ours: bool,
    /// Where its phones are sent.
    pub url: String,
    /// Credentials beside the URL.
    pub credentials: Option<(String, String)>,
}

/// A call as it came, and how it was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct YmcsCall {
    /// Verb and path below `/v2/`.
    pub what: String,
    /// The body.
    pub body: Value,
    /// Status of the answer.
    pub status: u16,
}

/// Behaviours a test can choose.
#[derive(Debug, Clone)]
pub struct YmcsSwitches {
    /// Every call gets this HTTP status.
    pub status: Option<u16>,
    /// Every call is one too many.
    pub too_many: bool,
    /// No token is taken, however fresh.
    pub no_token_holds: bool,
    /// How long tokens say they hold, in seconds.
    pub expires_in: u32,
    /// Yealink lets this account add phones by their MAC alone.
    pub mac_only: bool,
}

impl Default for YmcsSwitches {
    fn default() -> Self {
        Self { status: None, too_many: false, no_token_holds: false, expires_in: 86_400, mac_only: false }
    }
}

/// Everything the service knows and has recorded.
#[derive(Debug)]
pub struct YmcsState {
    /// Access key id and secret.
    pub key: (String, String),
    /// Tokens that hold.
    pub tokens: BTreeSet<String>,
    /// Tokens given so far.
    pub tokens_given: usize,
    /// Nonces seen.
    pub nonces: BTreeSet<String>,
    /// Phones by MAC (12 lower-case hex digits), of all organisations.
    pub devices: BTreeMap<String, YmcsDevice>,
    /// Server entries by name, of all organisations.
    pub servers: BTreeMap<String, YmcsServer>,
    /// Serial numbers the vendor knows, by MAC; a phone without one here may have any.
    pub labels: BTreeMap<String, String>,
    /// Calls in order.
    pub calls: Vec<YmcsCall>,
    /// MACs of phones that asked where to go, in order.
    pub phone_requests: Vec<String>,
    /// Behaviours.
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

    /// The URL of a phone, with `user:password@` where the entry has credentials.
    pub(super) fn target(&self, mac: &str) -> Option<String> {
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
