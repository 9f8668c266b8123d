//! State of the PBX.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    objects::{AppObject, PbxUser, is_hw},
    registration::Registration,
};

/// Names and addresses of a PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PbxConfig {
    /// System name: the domain.
    pub domain: String,
    /// PBX name.
    pub name: String,
    /// The PBX's address as configured on phones; the "DNS" field.
    pub dns: String,
}

impl Default for PbxConfig {
    fn default() -> Self {
        Self { domain: "example.com".into(), name: "pbx".into(), dns: "pbx.example.com".into() }
    }
}

/// Behaviours that tests can select.
#[derive(Debug, Clone)]
pub struct PbxSwitches {
    /// UpdateObject silently does not store `mr`.
    pub mr_does_not_stick: bool,
    /// ServicesInfo carries the ids directly in `info` instead of in `info.apis`.
    pub flat_services_info: bool,
    /// GetObjectResult has only the requested properties, not even the guid.
    pub bare_properties: bool,
    /// Flags of app objects are read as `true` instead of `"on"`.
    pub flags_as_bool: bool,
    /// `apps` of app objects is read as a list of names instead of a text with commas.
    pub apps_as_list: bool,
    /// UpdateObject silently does not store `apps` of an existing app object.
    pub apps_do_not_stick: bool,
    /// GetAppObjects sends this many rows at a time, and the rest when it is asked for with `more`.
    pub app_objects_at_once: usize,
    /// UpdateObject fails with this error.
    pub update_error: Option<String>,
    /// AppInfoResult is read with the key `seviceInfo` only, the typo of one place of the documents.
    pub reads_misspelt_info: bool,
    /// GetServiceLoginResult has no `pbxObj`.
    pub no_pbx_obj: bool,
    /// The PBX is offline: it makes and keeps no connection.
    pub away: bool,
    /// First and longest pause before reconnecting.
    pub reconnect: (Duration, Duration),
}

impl Default for PbxSwitches {
    fn default() -> Self {
        Self {
            mr_does_not_stick: false,
            flat_services_info: false,
            bare_properties: false,
            flags_as_bool: false,
            apps_as_list: false,
            apps_do_not_stick: false,
            app_objects_at_once: usize::MAX,
            update_error: None,
            reads_misspelt_info: false,
            no_pbx_obj: false,
            away: false,
            reconnect: (Duration::from_millis(100), Duration::from_secs(2)),
        }
    }
}

/// Direction of a recorded message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the gateway.
    Received,
    /// To the gateway.
    Sent,
}

/// A message on an app object's connection.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Name of the app object.
    pub app: String,
    /// The direction.
    pub direction: Direction,
    /// The message.
    pub message: Value,
}

/// The connection of one app object.
#[derive(Debug, Clone, Default)]
pub struct Link {
    /// True while the connection is logged in.
    pub connected: bool,
    /// True if AppInfoResult has arrived on the current connection.
    pub info_seen: bool,
    /// Number of connection attempts.
    pub attempts: u64,
    /// Number of successful logins.
    pub logins: u64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// A change of this number ends the current connection.
    pub(super) epoch: u64,
    /// Distinguishes an object from an earlier one of the same name, whose task may not have ended yet.
    pub(super) born: u64,
}

/// State and records of the PBX.
#[derive(Debug)]
pub struct PbxState {
    /// Names and addresses.
    pub config: PbxConfig,
    /// User objects.
    pub users: Vec<PbxUser>,
    /// App objects by name.
    pub apps: BTreeMap<String, AppObject>,
    /// Connections by app object.
    pub links: BTreeMap<String, Link>,
    /// Registered phones.
    pub regs: Vec<Registration>,
    /// Rejected registrations with their reasons.
    pub refused_regs: Vec<String>,
    /// Every message on every connection, in order.
    pub recorded: Vec<Recorded>,
    /// Writes that must never happen.
    pub violations: Vec<String>,
    /// The selected behaviours.
    pub switches: PbxSwitches,
    /// App objects that UpdateObject created or gave the Websocket mark and that are not connected yet.
    pub(super) to_connect: Vec<String>,
    /// Counts the changes that subscribers of Services are notified of.
    pub(super) services_version: u64,
}

impl PbxState {
    pub(super) fn new(config: PbxConfig) -> Self {
        Self {
            config,
            users: Vec::new(),
            apps: BTreeMap::new(),
            links: BTreeMap::new(),
            regs: Vec::new(),
            refused_regs: Vec::new(),
            recorded: Vec::new(),
            violations: Vec::new(),
            switches: PbxSwitches::default(),
            to_connect: Vec::new(),
            services_version: 0,
        }
    }

    /// The device entry with this hardware id, of any user.
    #[must_use]
    pub fn device(&self, hw: &str) -> Option<&Value> {
        self.users.iter().flat_map(|user| &user.devices).find(|device| is_hw(device, hw))
    }

    /// A user by name.
    #[must_use]
    pub fn user(&self, h323: &str) -> Option<&PbxUser> {
        self.users.iter().find(|user| user.h323 == h323)
    }

    /// The app object that publishes a provisioning provider with this title.
    #[must_use]
    pub fn provider(&self, title: &str) -> Option<String> {
        let publishes = |app: &&AppObject| {
            let apis = app.service_info.as_ref().map(|info| &info["apis"]["com.innovaphone.provisioning"]);
            apis.is_some_and(|api| api["title"] == title)
        };
        self.apps.values().find(publishes).map(|app| app.name.clone())
    }

    /// The messages with this `mt` received from the gateway.
    #[must_use]
    pub fn received(&self, mt: &str) -> Vec<Value> {
        let wanted = |seen: &&Recorded| seen.direction == Direction::Received && seen.message["mt"] == mt;
        self.recorded.iter().filter(wanted).map(|seen| seen.message.clone()).collect()
    }
}
