//! What the redirection service knows.

use std::collections::BTreeMap;

use crate::xmlrpc::Value;

/// A phone that is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnomEntry {
    /// The account it belongs to.
    pub owner: String,
    /// Where it is sent.
    pub url: String,
}

/// A call as it came, and what was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct SnomCall {
    /// Without `redirect.`.
    pub method: String,
    /// The parameters.
    pub params: Vec<Value>,
    /// The texts of the answer.
    pub answer: String,
}

/// Behaviours a test can choose.
#[derive(Debug, Clone, Default)]
pub struct SnomRpsSwitches {
    /// Every call gets this HTTP status.
    pub status: Option<u16>,
    /// Registering an own phone says `Ok` and keeps the URL it had.
    pub keeps_first_url: bool,
    /// `checkPhone` does not know foreign phones; only registering tells.
    pub sneaky: bool,
}

/// Everything the service knows and has recorded.
#[derive(Debug)]
pub struct SnomRpsState {
    /// Passwords by user.
    pub accounts: BTreeMap<String, String>,
    /// Phones by MAC (12 lower-case hex digits), of all customers.
    pub phones: BTreeMap<String, SnomEntry>,
    /// Calls in order.
    pub calls: Vec<SnomCall>,
    /// Calls with wrong or no credentials.
    pub refused_logins: usize,
    /// MACs of phones that asked where to go, in order.
    pub phone_requests: Vec<String>,
    /// Behaviours.
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
