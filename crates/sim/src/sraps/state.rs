//! State of the service.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use crate::redirect_service::RedirectState;

/// The vendor whose phones it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Snom's SRAPS.
    Snom,
    /// Gigaset's GRAPE.
    Gigaset,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrapsAccount {
    /// Its secret.
    pub secret: String,
    /// The company it belongs to.
    pub company: String,
    /// False for the role `None`, which may read but not write.
    pub may_write: bool,
}

/// A phone that a company has claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct SrapsEndpoint {
    /// The company it belongs to.
    pub company: String,
    /// The last object written.
    pub body: Value,
}

/// An authenticated call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrapsCall {
    /// The access key.
    pub account: String,
    /// The HTTP method.
    pub method: String,
    /// Path below `/api/v1/`, with the query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// Behaviours that tests can select.
#[derive(Debug, Clone)]
pub struct SrapsSwitches {
    /// Every call gets this HTTP status and a web page.
    pub status: Option<u16>,
    /// How far the service's clock is ahead, in seconds.
    pub clock_ahead: i64,
    /// Every timestamp is rejected as stale.
    pub always_stale: bool,
    /// The time it reports is signed with a wrong secret.
    pub forge_time: bool,
    /// Answers carry `Server-Authorization`.
    pub sign_answers: bool,
    /// The field of error bodies: `message`, `error` or `detail`.
    pub error_field: &'static str,
    /// The status for a phone of another company (undocumented).
    pub foreign_status: u16,
    /// Reading a phone of another company returns that it does not exist; only a write reveals it.
    pub hides_foreign: bool,
    /// Target of links, instead of the service itself.
    pub links_to: Option<String>,
    /// Maximum page size.
    pub largest_page: usize,
}

impl Default for SrapsSwitches {
    fn default() -> Self {
        Self {
            status: None,
            clock_ahead: 0,
            always_stale: false,
            forge_time: false,
            sign_answers: true,
            error_field: "message",
            foreign_status: 403,
            hides_foreign: false,
            links_to: None,
            largest_page: 1000,
        }
    }
}

/// A phone setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) uuid: String,
    pub(super) name: String,
    pub(super) section: &'static str,
}

/// State and records of the service.
#[derive(Debug)]
pub struct SrapsState {
    /// Access keys by id.
    pub accounts: BTreeMap<String, SrapsAccount>,
    /// Phones by MAC (12 lower-case hex digits), of all companies.
    pub endpoints: BTreeMap<String, SrapsEndpoint>,
    /// Calls in order.
    pub calls: Vec<SrapsCall>,
    /// Error texts of rejected signatures, in order.
    pub refused: Vec<&'static str>,
    /// Paths factory-fresh phones asked for, in order.
    pub phone_requests: Vec<String>,
    /// The selected behaviours.
    pub switches: SrapsSwitches,
    pub(super) settings: Vec<Known>,
    pub(super) nonces: HashSet<String>,
    flavour: Flavour,
}

/// Number of settings that the service had in spring 2026.
const SETTINGS: usize = 1179;

impl SrapsState {
    pub(super) fn new(flavour: Flavour, id: &str, secret: &str) -> Self {
        let uuid = |number: usize| format!("{number:08x}0123456789abcdef01234567");
        let mut settings: Vec<Known> = (0..SETTINGS)
            .map(|number| Known { uuid: uuid(number), name: format!("setting_{number}"), section: "phone-settings" })
            .collect();
        // The name also occurs earlier in another section. Both entries are beyond the first page of any size.
        settings[1040] = Known { uuid: uuid(1040), name: target_name(flavour).into(), section: "gui-languages" };
        settings[1105] = Known { uuid: uuid(1105), name: target_name(flavour).into(), section: "phone-settings" };
        if flavour == Flavour::Gigaset {
            settings[1040].name = "setting_1040".into();
        }
        let account = SrapsAccount { secret: secret.to_owned(), company: "our-company".into(), may_write: true };
        Self {
            accounts: BTreeMap::from([(id.to_owned(), account)]),
            endpoints: BTreeMap::new(),
            calls: Vec::new(),
            refused: Vec::new(),
            phone_requests: Vec::new(),
            switches: SrapsSwitches::default(),
            settings,
            nonces: HashSet::new(),
            flavour,
        }
    }

    /// The UUID of the setting that redirects a phone.
    pub(super) fn target_uuid(&self) -> String {
        let name = target_name(self.flavour);
        let found = self.settings.iter().find(|known| known.name == name && known.section == "phone-settings");
        found.map(|known| known.uuid.clone()).unwrap_or_default()
    }

    pub(super) fn endpoint(&self, company: &str, url: &str) -> SrapsEndpoint {
        let settings = json!({self.target_uuid(): {"value": url, "attrs": {"perm": "RW"}}});
        let body = json!({"autoprovisioning_enabled": true, "settings_manager": settings});
        SrapsEndpoint { company: company.to_owned(), body }
    }
}

fn target_name(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::Snom => "setting_server",
        Flavour::Gigaset => "ProvisioningServer",
    }
}

impl RedirectState for SrapsState {
    type Switches = SrapsSwitches;

    fn switches(&mut self) -> &mut SrapsSwitches {
        &mut self.switches
    }

    fn target(&self, mac: &str) -> Option<String> {
        let body = &self.endpoints.get(mac)?.body;
        if body["autoprovisioning_enabled"] != true {
            return None;
        }
        body["settings_manager"][self.target_uuid()]["value"].as_str().map(str::to_owned)
    }
}
