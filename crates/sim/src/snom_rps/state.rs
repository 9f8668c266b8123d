//! State of the redirection service.

use std::collections::BTreeMap;

use crate::{redirect_service::RedirectState, xmlrpc::Value};

/// A registered phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnomEntry {
    /// The account it belongs to.
    pub owner: String,
    /// URL the phone is redirected to.
    pub url: String,
}

/// A received call and the answer to it.
#[derive(Debug, Clone, PartialEq)]
pub struct SnomCall {
    /// Method name without `redirect.`.
    pub method: String,
    /// The parameters.
    pub params: Vec<Value>,
    /// The texts of the answer.
    pub answer: String,
}

/// Behaviours that tests can select.
#[derive(Debug, Clone, Default)]
pub struct SnomRpsSwitches {
    /// Every call is answered with this HTTP status.
    pub status: Option<u16>,
    /// Registering an own phone again answers `Ok` but keeps the old URL.
    pub keeps_first_url: bool,
    /// `checkPhone` reports foreign phones as unknown; only registering reveals them.
    pub hides_foreign_phones: bool,
}

/// State and records of the service.
#[derive(Debug)]
pub struct SnomRpsState {
    /// Passwords by user.
    pub accounts: BTreeMap<String, String>,
    /// Phones by MAC (12 lower-case hex digits), of all customers.
    pub phones: BTreeMap<String, SnomEntry>,
    /// Calls in order.
    pub calls: Vec<SnomCall>,
    /// Number of calls with wrong or missing credentials.
    pub refused_logins: usize,
    /// MACs of phones that asked for a redirect, in order.
    pub phone_requests: Vec<String>,
    /// The selected behaviours.
    pub switches: SnomRpsSwitches,
}

impl SnomRpsState {
    pub(super) fn new(user: &str, password: &str) -> Self {
        Self {
            accounts: BTreeMap::from([(user.to_owned(), password.to_owned())]),
            phones: BTreeMap::new(),
            calls: Vec::new(),
            refused_logins: 0,
            phone_requests: Vec::new(),
            switches: SnomRpsSwitches::default(),
        }
    }
}

impl RedirectState for SnomRpsState {
    type Switches = SnomRpsSwitches;

    fn switches(&mut self) -> &mut SnomRpsSwitches {
        &mut self.switches
    }

    fn target(&self, mac: &str) -> Option<String> {
        self.phones.get(mac).map(|entry| entry.url.clone())
    }
}
