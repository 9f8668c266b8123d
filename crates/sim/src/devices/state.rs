//! State of the Devices service: domains, categories, codes, devices, items, connections.

use std::collections::BTreeMap;

use bytes::Bytes;
use gangway_base::clock::SharedClock;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{CODE, ROLLOUT_CODE, frame, sysclient_password, without_nulls};
use crate::crypt;

/// A domain.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Domain password, accepted in addition to the instance password.
    pub password: Option<String>,
}

/// A category of devices inside a domain.
#[derive(Debug, Clone)]
pub struct Category {
    /// Its number.
    pub id: u64,
    /// The domain it belongs to.
    pub domain: u64,
    /// Name, unique only within its domain.
    pub name: String,
    /// True for provisioning and device configurations; false for update or backup jobs.
    pub config: bool,
}

/// A device configuration: one JSON object as it is sent. Its plain passwords (`turnPassword`, `logPassword`) are
/// encrypted for each device.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigItem {
    /// Categories it applies to; empty means all.
    pub categories: Vec<u64>,
    /// `type` and its fields.
    pub content: Value,
}

/// A known device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Number.
    pub id: u64,
    /// Hardware id from the device's identify message.
    pub hw_id: String,
    /// Domain that the device was provisioned into.
    pub domain: u64,
    /// Category that the device was provisioned into.
    pub category: u64,
    /// Product from identify.
    pub product: String,
    /// Version from identify.
    pub version: String,
    /// Name from identify; empty if there was none.
    pub name: String,
    /// `platform.type` from identify.
    pub kind: String,
    /// True for devices of other vendors.
    pub other: bool,
    /// The sysclient password that Devices and the device share.
    pub password: String,
    /// True while the device is connected and authenticated.
    pub online: bool,
}

impl Device {
    /// Returns the `device` object of the AppWebsocket API.
    pub(super) fn describe(&self) -> Value {
        let name = (!self.name.is_empty()).then_some(&self.name);
        without_nulls(json!({
            "id": self.id, "hwId": self.hw_id, "name": name, "domainId": self.domain, "product": self.product,
            "version": self.version, "type": self.kind, "pbxActive": false, "online": self.online,
            "other": self.other, "ethIfs": [],
        }))
    }
}

/// A provisioning code.
#[derive(Debug, Clone)]
pub struct Code {
    /// Category it provisions into.
    pub category: u64,
    /// When the code expires.
    pub valid_until: Timestamp,
    /// Hardware id of the device that used the code.
    pub used_by: Option<String>,
}

/// Progress of a device's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Station {
    /// Identify with an accepted code.
    IdentifiedWithCode,
    /// Identify with an unknown, used or expired code. The service does not answer.
    CodeRefused,
    /// Identify without code and digest. The service sent a challenge.
    Challenged,
    /// Identify with the correct digest.
    Proven,
    /// Identify with a wrong digest. The service does not answer.
    DigestRefused,
    /// The device identified while another of its connections was still open.
    Duplicate,
    /// The sysclient password was sent.
    PasswordSent,
    /// The last configuration item was sent.
    LastSent,
    /// The connection ended.
    Closed,
}

/// One event on a sysclient connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysclientRecord {
    /// Time of the event.
    pub at: Timestamp,
    /// Number of the connection.
    pub connection: u64,
    /// Hardware id; empty before identify.
    pub hw_id: String,
    /// The station that was reached.
    pub station: Station,
}

/// An open sysclient connection.
#[derive(Debug)]
pub struct Connection {
    /// Hardware id, once the device has identified itself.
    pub hw_id: Option<String>,
    /// True once the device is authenticated in its domain.
    pub proven: bool,
    /// True once the whole configuration was sent.
    pub configured: bool,
    /// Fields of the last identify message.
    pub identify: Value,
    pub(super) challenge: Option<String>,
    pub(super) out: mpsc::Sender<Outgoing>,
    pub(super) tunnels: BTreeMap<u32, mpsc::Sender<(u32, Vec<u8>)>>,
}

/// Output to one connection.
#[derive(Debug)]
pub(super) enum Outgoing {
    Frame(Bytes),
    Close,
}

/// Behaviours that tests can select.
#[derive(Debug, Clone, Default)]
pub struct DevicesSwitches {
    /// GetUserInfo is unknown (the 13r1 edition has only GetLoginInfo).
    pub only_login_info: bool,
    /// `last` is inside `config` instead of next to it.
    pub last_inside_config: bool,
    /// The initial items end with a message that has `last` but no `config`.
    pub bare_last: bool,
    /// Sysclient connections are accepted but never answered.
    pub never_answers: bool,
    /// Neither GetUserInfo nor GetLoginInfo is answered.
    pub no_user_info: bool,
    /// How GetDevices understands `categories`, which no document explains.
    pub category_filter: CategoryFilter,
    /// DeviceUpdate is sent when a device gets another category.
    pub tells_category_changes: bool,
    /// AppWebsockets are accepted only at addresses of this form.
    pub address: AddressForm,
}

/// How a list of categories in GetDevices is understood.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CategoryFilter {
    /// Ids, like the list of domains.
    #[default]
    Ids,
    /// Names.
    Names,
    /// Not at all: the filter is ignored.
    Ignored,
}

/// The forms of the address of an AppWebsocket that clients of the vendor use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AddressForm {
    /// All of them, as observed.
    #[default]
    Any,
    /// The instance without a slash at the end.
    Bare,
    /// The app.
    App,
}

/// State and records of the service.
#[derive(Debug)]
pub struct DevicesState {
    /// Instance password.
    pub password: String,
    /// Domains; the first is the instance domain.
    pub domains: Vec<Domain>,
    /// Categories.
    pub categories: Vec<Category>,
    /// Provisioning codes issued.
    pub codes: BTreeMap<String, Code>,
    /// Known devices by hardware id.
    pub devices: BTreeMap<String, Device>,
    /// Configurations in the order they are sent.
    pub items: Vec<ConfigItem>,
    /// Administrative password that the domain distributes.
    pub admin_password: Option<String>,
    /// Open sysclient connections.
    pub connections: BTreeMap<u64, Connection>,
    /// Times of all sysclient connects, identified or not.
    pub connects: Vec<Timestamp>,
    /// Largest number of connections open at once.
    pub most_connections: usize,
    /// Events on the connections.
    pub seen: Vec<SysclientRecord>,
    /// Received close frames: the hardware id (`None` on an AppWebsocket) and the code, 1005 if there was none.
    pub goodbyes: Vec<(Option<String>, u16)>,
    /// Number of invalid frames.
    pub odd_frames: usize,
    /// Number of Websocket pings answered on AppWebsockets.
    pub api_pings: usize,
    /// Number of Websocket pings answered on sysclient connections.
    pub pings: usize,
    /// Messages received on AppWebsockets.
    pub requests: Vec<Value>,
    /// The selected behaviours.
    pub switches: DevicesSwitches,
    pub(super) subscribers: BTreeMap<u64, (mpsc::Sender<String>, Value)>,
    pub(super) only_path: Option<String>,
    pub(super) clock: Time,
    next_id: u64,
}

/// The clock that decides whether codes are valid.
pub(super) struct Time(pub(super) SharedClock);

impl std::fmt::Debug for Time {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Time")
    }
}

impl DevicesState {
    pub(super) fn new(domain: &str, password: &str, clock: SharedClock) -> Self {
        let ntp = json!({ "type": "NTP", "ntp1": "10.0.0.1", "tz": "CET-1CEST-2,M3.5.0/2,M10.5.0/3" });
        Self {
            password: password.into(),
            domains: vec![Domain { id: 1, name: domain.into(), password: None }],
            categories: vec![
                Category { id: 1, domain: 1, name: "Phones".into(), config: true },
                Category { id: 2, domain: 1, name: "Nightly updates".into(), config: false },
            ],
            codes: BTreeMap::new(),
            devices: BTreeMap::new(),
            items: vec![ConfigItem { categories: Vec::new(), content: ntp }],
            admin_password: None,
            connections: BTreeMap::new(),
            connects: Vec::new(),
            most_connections: 0,
            seen: Vec::new(),
            goodbyes: Vec::new(),
            odd_frames: 0,
            api_pings: 0,
            pings: 0,
            requests: Vec::new(),
            switches: DevicesSwitches::default(),
            subscribers: BTreeMap::new(),
            only_path: None,
            clock: Time(clock),
            next_id: 100,
        }
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    pub(super) fn make_code(&mut self, category: u64, rollout: bool) -> (String, Timestamp) {
        let code = crypt::digits(12);
        let validity = if rollout { ROLLOUT_CODE } else { CODE };
        let valid_until = self.clock.0.now().saturating_add(validity).unwrap_or(Timestamp::MAX);
        self.codes.insert(code.clone(), Code { category, valid_until, used_by: None });
        (code, valid_until)
    }

    /// Marks a code as used; `None` if it is unknown, expired or already used.
    pub(super) fn spend_code(&mut self, code: &str, hw_id: &str) -> Option<u64> {
        let now = self.clock.0.now();
        let entry = self.codes.get_mut(code).filter(|entry| entry.used_by.is_none() && now < entry.valid_until)?;
        entry.used_by = Some(hw_id.into());
        Some(entry.category)
    }

    pub(super) fn domain_of(&self, category: u64) -> u64 {
        self.categories.iter().find(|found| found.id == category).map_or(1, |found| found.domain)
    }

    /// How often a device reached a station.
    #[must_use]
    pub fn count(&self, hw_id: &str, station: Station) -> usize {
        self.seen.iter().filter(|seen| seen.hw_id == hw_id && seen.station == station).count()
    }

    /// The newest open connection of a device.
    #[must_use]
    pub fn connection(&self, hw_id: &str) -> Option<&Connection> {
        self.connections.values().rev().find(|open| open.hw_id.as_deref() == Some(hw_id))
    }

    pub(super) fn note(&mut self, connection: u64, hw_id: &str, station: Station) {
        let at = self.clock.0.now();
        self.seen.push(SysclientRecord { at, connection, hw_id: hw_id.into(), station });
    }

    pub(super) fn goodbye(&mut self, hw_id: Option<String>, reason: Option<&actix_ws::CloseReason>) {
        self.goodbyes.push((hw_id, reason.map_or(1005, |reason| reason.code.into())));
    }

    pub(super) fn send(&mut self, connection: u64, bytes: Vec<u8>) -> bool {
        let open = self.connections.get(&connection);
        open.is_some_and(|open| open.out.try_send(Outgoing::Frame(bytes.into())).is_ok())
    }

    pub(super) fn send_to(&mut self, hw_id: &str, bytes: Vec<u8>) -> bool {
        let open = self.connection(hw_id);
        open.is_some_and(|open| open.out.try_send(Outgoing::Frame(bytes.into())).is_ok())
    }

    pub(super) fn close_connections(&mut self, hw_id: Option<&str>) {
        for open in self.connections.values() {
            if hw_id.is_none() || open.hw_id.as_deref() == hw_id {
                let _ = open.out.try_send(Outgoing::Close);
            }
        }
    }

    /// The items of a category as sent to this device, with passwords encrypted by its password.
    pub(super) fn items_for(&self, device: &Device) -> Vec<Value> {
        let concerned = |item: &&ConfigItem| item.categories.is_empty() || item.categories.contains(&device.category);
        self.items.iter().filter(concerned).map(|item| encrypted(&item.content, &device.password)).collect()
    }

    pub(super) fn send_to_all(&mut self, item: &ConfigItem) {
        let open: Vec<(u64, String)> = self
            .connections
            .iter()
            .filter(|(_, open)| open.proven)
            .filter_map(|(id, open)| Some((*id, open.hw_id.clone()?)))
            .collect();
        for (connection, hw_id) in open {
            let Some(device) = self.devices.get(&hw_id) else { continue };
            if item.categories.is_empty() || item.categories.contains(&device.category) {
                let content = json!({ "config": encrypted(&item.content, &device.password) });
                self.send(connection, frame::write_admin(frame::admin::CONFIGURATION, &content));
            }
        }
    }

    /// Creates the device, or gives an existing one a new password and category.
    pub(super) fn enter(&mut self, hw_id: &str, category: u64, identify: &Value) -> Device {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let known = self.devices.get(hw_id).map(|device| device.id);
        let device = Device {
            id: known.unwrap_or_else(|| self.next_id()),
            hw_id: hw_id.into(),
            domain: self.domain_of(category),
            category,
            product: text(&identify["product"]),
            version: text(&identify["version"]),
            name: text(&identify["name"]),
            kind: text(&identify["platform"]["type"]),
            other: identify["other"] == true,
            password: sysclient_password(),
            online: true,
        };
        self.devices.insert(hw_id.into(), device.clone());
        let mt = if known.is_some() { "DeviceUpdate" } else { "DeviceAdded" };
        self.indicate(mt, &json!({ "device": device.describe() }));
        device
    }

    pub(super) fn adopt(&mut self, hw_id: &str, category: u64) {
        let open = self.connections.iter_mut().rev().find(|(_, open)| open.hw_id.as_deref() == Some(hw_id));
        let Some((id, open)) = open else { return };
        let id = *id;
        open.proven = true;
        open.configured = true;
        let identify = open.identify.clone();
        let device = self.enter(hw_id, category, &identify);
        self.send(id, frame::write_admin(frame::admin::PASSWORD, &json!({ "password": device.password })));
        self.note(id, hw_id, Station::PasswordSent);
        let items = self.items_for(&device);
        let messages = burst(&items, &self.switches);
        for message in messages {
            self.send(id, frame::write_admin(frame::admin::CONFIGURATION, &message));
        }
        self.note(id, hw_id, Station::LastSent);
    }

    pub(super) fn change_admin_password(&mut self, password: &str) {
        self.admin_password = Some(password.into());
        let proven = self.connections.iter().filter(|(_, open)| open.proven);
        let open: Vec<(u64, String)> = proven.filter_map(|(id, open)| Some((*id, open.hw_id.clone()?))).collect();
        for (connection, hw_id) in open {
            if let Some(message) = self.devices.get(&hw_id).and_then(|device| self.admin_password_for(device)) {
                self.send(connection, frame::write_admin(frame::admin::ADMIN_PASSWORD, &message));
            }
        }
    }

    /// The message that sends the administrative password to one device.
    pub(super) fn admin_password_for(&self, device: &Device) -> Option<Value> {
        let seed = crypt::digits(16);
        let pwd = crypt::encrypt(&seed, &device.password, self.admin_password.as_deref()?);
        Some(json!({ "seed": seed, "pwd": pwd }))
    }

    pub(super) fn rename_domain(&mut self, id: u64, name: &str) {
        if let Some(domain) = self.domains.iter_mut().find(|domain| domain.id == id) {
            domain.name = name.to_owned();
        }
        let domain = self.domains.iter().find(|domain| domain.id == id).map(|domain| self.describe_domain(domain));
        self.indicate("DomainEdited", &json!({ "domain": domain }));
    }

    /// The `domain` object of the AppWebsocket API.
    pub(super) fn describe_domain(&self, domain: &Domain) -> Value {
        let first = self.domains.first().map(|domain| domain.id);
        json!({
            "id": domain.id, "name": domain.name, "hasRentalProducts": false,
            "deployAdminPasswords": self.admin_password.is_some(),
            "isInstanceDomain": Some(domain.id) == first, "categories": [],
        })
    }

    pub(super) fn move_to_category(&mut self, hw_id: &str, category: u64) {
        let Some(device) = self.devices.get_mut(hw_id) else { return };
        device.category = category;
        let device = device.describe();
        if self.switches.tells_category_changes {
            self.indicate("DeviceUpdate", &json!({ "device": device }));
        }
    }

    /// Notifies all subscribers of updates.
    pub(super) fn indicate(&mut self, mt: &str, content: &Value) {
        for (out, src) in self.subscribers.values() {
            let mut message = json!({ "mt": mt, "src": src });
            for (name, value) in content.as_object().into_iter().flatten() {
                message[name.as_str()] = value.clone();
            }
            let _ = out.try_send(without_nulls(message).to_string());
        }
    }
}

/// The messages of the initial configuration; the last one has `last`.
pub(super) fn burst(items: &[Value], switches: &DevicesSwitches) -> Vec<Value> {
    let mut messages: Vec<Value> = items.iter().map(|item| json!({ "config": item })).collect();
    if switches.bare_last || messages.is_empty() {
        messages.push(json!({ "last": true }));
    } else if let Some(last) = messages.last_mut() {
        if switches.last_inside_config {
            last["config"]["last"] = true.into();
        } else {
            last["last"] = true.into();
        }
    }
    messages
}

fn encrypted(item: &Value, password: &str) -> Value {
    let mut item = item.clone();
    for (member, seed_name) in [("turnPassword", "turnSeed"), ("logPassword", "logSeed")] {
        if let Some(plain) = item[member].as_str().map(str::to_owned) {
            let seed = crypt::digits(16);
            item[member] = crypt::encrypt(&seed, password, &plain).into();
            item[seed_name] = seed.into();
        } else if let Some(members) = item.as_object_mut() {
            members.remove(member);
        }
    }
    item
}
