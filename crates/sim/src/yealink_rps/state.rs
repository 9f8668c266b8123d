//! State of the redirection service.

use std::{collections::BTreeMap, time::Duration};

use crate::{redirect_service::RedirectState, xmlrpc::Value};

/// A registered phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpsEntry {
    /// The account it belongs to.
    pub owner: String,
    /// Name of the server entry.
    pub server: String,
    /// The phone's own URL. It takes precedence over the server's.
    pub unique_url: Option<String>,
}

/// A server entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpsServer {
    /// The account that created it.
    pub owner: String,
    /// URL that its phones are redirected to.
    pub url: String,
}

/// A received call and the answer to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Method name without `redirect.`.
    pub method: String,
    /// The parameters.
    pub params: Vec<Value>,
    /// The text of the answer.
    pub answer: String,
}

/// Behaviours that tests can select.
#[derive(Debug, Clone, Default)]
pub struct RpsSwitches {
    /// Every call is answered with this HTTP status.
    pub status: Option<u16>,
    /// Every call takes this long (one minute at most).
    pub slow: Option<Duration>,
    /// `registerDeviceWithUniqueUrl` does not exist.
    pub no_unique_url: bool,
    /// Answers are indented.
    pub pretty: bool,
    /// Override takes a phone from another customer (the documents contradict each other).
    pub override_takes_over: bool,
}

/// State and records of the service.
#[derive(Debug)]
pub struct RpsState {
    /// Passwords by user.
    pub accounts: BTreeMap<String, String>,
    /// Server entries by name, of all customers.
    pub servers: BTreeMap<String, RpsServer>,
    /// Phones by MAC (12 lower-case hex digits), of all customers.
    pub phones: BTreeMap<String, RpsEntry>,
    /// MAC prefixes that belong to Yealink; empty accepts every MAC.
    pub known_ouis: Vec<String>,
    /// Calls in order.
    pub calls: Vec<Call>,
    /// Number of calls with wrong or missing credentials.
    pub refused_logins: usize,
    /// MACs of phones that asked for a redirect, in order.
    pub phone_requests: Vec<String>,
    /// The selected behaviours.
    pub switches: RpsSwitches,
}

impl RpsState {
    pub(super) fn new(user: &str, password: &str) -> Self {
        Self {
            accounts: BTreeMap::from([(user.to_owned(), password.to_owned())]),
            servers: BTreeMap::new(),
            phones: BTreeMap::new(),
            known_ouis: Vec::new(),
            calls: Vec::new(),
            refused_logins: 0,
            phone_requests: Vec::new(),
            switches: RpsSwitches::default(),
        }
    }
}

impl RedirectState for RpsState {
    type Switches = RpsSwitches;

    fn switches(&mut self) -> &mut RpsSwitches {
        &mut self.switches
    }

    fn target(&self, mac: &str) -> Option<String> {
        let entry = self.phones.get(mac)?;
        let of_server = || self.servers.get(&entry.server).map(|server| server.url.clone());
        entry.unique_url.clone().or_else(of_server)
    }
}
