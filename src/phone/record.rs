//! The record of a phone: all known and desired state. The store keeps it, and files are rendered from it.

mod account;
mod credentials;
mod interned;
#[cfg(any(test, feature = "demo"))]
mod sample;
mod used_codes;
mod window;

use std::collections::BTreeMap;

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;
use serde_json::Value;

pub use self::{
    account::{Account, AccountUser, Flags, Gone, Orphaned},
    credentials::{Credentials, new_token},
    interned::Interned,
    used_codes::SpentCodes,
    window::{BootstrapWindow, FirstContact, WindowBinding, is_ahead},
};
use super::{
    facet::{DevicesState, Facet, RedirectState, RequestState, Wanted},
    instance::InstanceId,
};

/// The row id of a phone; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PhoneId(pub i64);

/// One device, keyed by its MAC inside an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Phone {
    /// Row id, assigned by the store (0 before it is stored).
    pub id: PhoneId,
    /// The tenant.
    pub instance: InstanceId,
    /// MAC address.
    pub mac: Mac,
    /// The provider that created it (`yealink`). The app is named `gangway-<provider>`.
    pub provider: String,
    /// The vendor folder (`yealink`).
    pub vendor: String,
    /// Model as reported by the phone or set by an administrator; `None` until known.
    pub model: Option<String>,
    /// Firmware last reported by the phone.
    pub firmware: Option<String>,
    /// The name of the Devices domain it belongs to, if known.
    pub devices_domain: Option<String>,
    /// The name of its Devices category, if known; unique only within its domain. It is a layer of the settings.
    pub category: Option<String>,
    /// The desired state.
    pub wanted: Wanted,
    /// Set when a removed phone has been deleted completely. Only the tombstone is left.
    pub removed_at: Option<Timestamp>,
    /// When the record was created.
    pub created: Timestamp,
    /// Number of ProvisioningPhone requests. Flags are written once per provisioning.
    pub provisioning: u32,
    /// The Devices provisioning code of the current provisioning. Removed when used; a used code is never sent again.
    pub code: Option<Secret>,
    /// Which Devices apps the code may belong to.
    pub code_origin: CodeOrigin,
    /// Token of the redirect URL: 128 random bits, base32 lower case. Used for bootstrap only.
    pub token: Secret,
    /// Credentials in the redirect entry in addition to the token, if the service supports them.
    pub bootstrap: Option<Credentials>,
    /// The phone's own credentials, delivered in its first personal file.
    pub own: Credentials,
    /// The previous password of `own`. Valid until the phone has proved the current one.
    pub former: Option<Secret>,
    /// The time during which bootstrap is possible.
    pub window: BootstrapWindow,
    /// State of the sysclient.
    pub sysclient: SysclientState,
    /// The configuration from Devices.
    pub device_config: DeviceConfig,
    /// The entry at the redirect service.
    pub redirect_entry: Option<RedirectEntry>,
    /// The last complete delivery of the personal stage.
    pub delivery: Option<Delivery>,
    /// Incremented by the store when an input of the rendered files changes.
    pub revision: u64,
    /// Facet "Device Config".
    pub devices: Facet<DevicesState>,
    /// Facet "Redirect".
    pub redirect: Facet<RedirectState>,
    /// Facet "Phone Requests".
    pub request: Facet<RequestState>,
    /// The users of this phone, by line number starting at 1.
    pub accounts: Vec<Account>,
}

/// What is known of where the provisioning code comes from. Several Devices apps may be granted; a code is valid only at
/// the one that made it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeOrigin {
    /// The sysclient URL of the Devices app that made the code; `None` if the code came from Users.
    pub made_at: Option<String>,
    /// When the code expires, if Devices told.
    pub valid_until: Option<Timestamp>,
    /// The sysclient URLs at which the code was not accepted. It is not sent there again.
    pub refused_at: Vec<String>,
}

/// State the sysclient needs to reconnect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SysclientState {
    /// The websocket URL that issued the password, or was tried last.
    pub url: Option<String>,
    /// The sysclient password that Devices issued.
    pub password: Option<Secret>,
    /// `product` of the last identification; part of the digest.
    pub product: String,
    /// `version` of the last identification; part of the digest.
    pub version: String,
    /// `name` of the last identification; empty if there was none.
    pub name: String,
    /// The provisioning codes that a repeated request must not send again. Written in one transaction with the results
    /// of the code.
    pub spent: SpentCodes,
}

/// The configuration that Devices deployed, item by item as received.
#[derive(Clone, Default, PartialEq)]
pub struct DeviceConfig {
    /// Items by `type` (`NTP`, `MEDIA`, ...), with passwords already decrypted into `turnPassword` / `logPassword`.
    /// Phones of one category have equal items, which the store loads and holds once.
    pub items: Interned<BTreeMap<String, Value>>,
    /// The deployed administrative password.
    pub admin_password: Option<Secret>,
    /// When the first complete burst arrived.
    pub received: Option<Timestamp>,
}

/// Items contain passwords, so only their types are printed.
impl std::fmt::Debug for DeviceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceConfig")
            .field("items", &self.items.keys())
            .field("admin_password", &self.admin_password)
            .field("received", &self.received)
            .finish()
    }
}

/// The phone's entry at the redirect service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectEntry {
    /// The registered URL (without credentials). It is compared to detect that the phone must be moved.
    pub url: Secret,
    /// Name of the server entry, if the service has them.
    pub server_name: Option<String>,
    /// When it was registered.
    pub at: Timestamp,
}

/// A complete delivery of the personal stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When it was delivered.
    pub at: Timestamp,
    /// [`Phone::revision`] from which it was rendered.
    pub revision: u64,
    /// The provisioning count it belongs to.
    pub provisioning: u32,
    /// The ETag of the file.
    pub etag: String,
}

impl Phone {
    /// A record for a MAC that was just added: new token and own credentials, nothing done yet, bootstrap window
    /// closed.
    #[must_use]
    pub fn new(instance: InstanceId, mac: Mac, provider: &str, vendor: &str, now: Timestamp) -> Self {
        Self {
            id: PhoneId(0),
            instance,
            mac,
            provider: provider.to_owned(),
            vendor: vendor.to_owned(),
            model: None,
            firmware: None,
            devices_domain: None,
            category: None,
            wanted: Wanted::Active,
            removed_at: None,
            created: now,
            provisioning: 0,
            code: None,
            code_origin: CodeOrigin::default(),
            token: new_token(),
            bootstrap: None,
            own: Credentials::generate(mac),
            former: None,
            window: BootstrapWindow::default(),
            sysclient: SysclientState::default(),
            device_config: DeviceConfig::default(),
            redirect_entry: None,
            delivery: None,
            revision: 1,
            devices: Facet::new(DevicesState::Waiting, now),
            redirect: Facet::new(RedirectState::Pending, now),
            request: Facet::new(RequestState::NotYet, now),
            accounts: Vec::new(),
        }
    }

    /// The account on `line`.
    #[must_use]
    pub fn account(&self, line: u16) -> Option<&Account> {
        self.accounts.iter().find(|account| account.line == line)
    }

    /// Whether the HW-ID of an account does not identify the user, so that it registers by the user's name. Either two
    /// users share it or, on a base with one handset per user, it is the base's own address.
    #[must_use]
    pub fn shares_hwid(&self, account: &Account, has_handsets: bool) -> bool {
        let is_base = has_handsets && account.hwid.parse() == Ok(self.mac);
        let same = |other: &Account| other.line != account.line && other.hwid.eq_ignore_ascii_case(&account.hwid);
        is_base || self.accounts.iter().any(same)
    }

    /// Whether a file rendered from `other` could differ from one rendered from `self`. The store increments
    /// [`Phone::revision`] exactly then, or when the phone gets another category for which settings are made.
    ///
    /// `firmware` is ignored: the format of a file depends on the User-Agent of the request, and a firmware version
    /// learned from a delivery must not make that delivery look outdated.
    #[must_use]
    pub fn render_inputs_differ(&self, other: &Self) -> bool {
        // Destructured completely, so that a new field must be added to one of the two groups.
        let Self {
            id: _,
            instance,
            mac,
            provider,
            vendor,
            model,
            firmware: _,
            devices_domain: _,
            category: _,
            wanted,
            removed_at: _,
            created: _,
            provisioning: _,
            code: _,
            code_origin: _,
            token,
            bootstrap,
            own,
            former: _,
            window: _,
            sysclient: _,
            device_config,
            redirect_entry: _,
            delivery: _,
            revision: _,
            devices: _,
            redirect: _,
            request: _,
            accounts,
        } = self;
        let DeviceConfig { items, admin_password, received: _ } = device_config;
        *instance != other.instance
            || *mac != other.mac
            || *provider != other.provider
            || *vendor != other.vendor
            || *model != other.model
            || *wanted != other.wanted
            || *token != other.token
            || bootstrap.as_ref().map(Credentials::rendered) != other.bootstrap.as_ref().map(Credentials::rendered)
            || own.rendered() != other.own.rendered()
            || *items != other.device_config.items
            || *admin_password != other.device_config.admin_password
            || accounts.len() != other.accounts.len()
            || accounts.iter().zip(&other.accounts).any(|(a, b)| a.render_inputs_differ(b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone::facet::{RegistrationState, UserObjectState};

    /// The name of a field and a function that changes it.
    type Change = (&'static str, Box<dyn FnOnce(&mut Phone)>);

    fn changed(change: impl FnOnce(&mut Phone)) -> bool {
        let phone = Phone::sample();
        let mut other = phone.clone();
        change(&mut other);
        assert_ne!(phone, other, "the change changed nothing");
        phone.render_inputs_differ(&other)
    }

    fn later() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    #[test]
    fn what_files_are_rendered_from_makes_a_difference() {
        let credentials = || Credentials { user: "u".into(), password: Secret::new("p"), proven: None };
        let changes: Vec<Change> = vec![
            ("instance", Box::new(|phone| phone.instance = InstanceId(9))),
            ("mac", Box::new(|phone| phone.mac = Mac::new([2, 0, 0, 0, 0, 1]).unwrap())),
            ("provider", Box::new(|phone| phone.provider = "other".into())),
            ("vendor", Box::new(|phone| phone.vendor = "other".into())),
            ("model", Box::new(|phone| phone.model = None)),
            ("wanted", Box::new(|phone| phone.wanted = Wanted::Released)),
            ("token", Box::new(|phone| phone.token = new_token())),
            ("bootstrap", Box::new(move |phone| phone.bootstrap = Some(credentials()))),
            ("own user", Box::new(|phone| phone.own.user = "other".into())),
            ("own password", Box::new(|phone| phone.own.password = Secret::new("other"))),
            ("items", Box::new(|phone| drop(phone.device_config.items.insert("NTP".into(), Value::Null)))),
            ("admin password", Box::new(|phone| phone.device_config.admin_password = Some(Secret::new("x")))),
            ("account gone", Box::new(|phone| phone.accounts.clear())),
            ("line", Box::new(|phone| phone.accounts[0].line = 2)),
            ("hwid", Box::new(|phone| phone.accounts[0].hwid = "other".into())),
            ("username", Box::new(|phone| phone.accounts[0].username = "other".into())),
            ("cn", Box::new(|phone| phone.accounts[0].cn = "other".into())),
            ("password", Box::new(|phone| phone.accounts[0].password = Secret::new("other"))),
            ("no password", Box::new(|phone| phone.accounts[0].has_no_password = true)),
            ("domain", Box::new(|phone| phone.accounts[0].domain = "other".into())),
            ("dns", Box::new(|phone| phone.accounts[0].dns = "other".into())),
            ("withheld", Box::new(|phone| phone.accounts[0].withheld = Some(later()))),
        ];
        for (field, change) in changes {
            assert!(changed(change), "{field}");
        }
    }

    #[test]
    fn the_state_of_things_makes_no_difference_to_files() {
        let changes: Vec<Change> = vec![
            ("id", Box::new(|phone| phone.id = PhoneId(9))),
            ("domain of Devices", Box::new(|phone| phone.devices_domain = Some("example.com".into()))),
            ("category", Box::new(|phone| phone.category = Some("Desk".into()))),
            ("firmware", Box::new(|phone| phone.firmware = Some("1".into()))),
            ("buried", Box::new(|phone| phone.removed_at = Some(later()))),
            ("created", Box::new(|phone| phone.created = later())),
            ("provisioning", Box::new(|phone| phone.provisioning += 1)),
            ("code", Box::new(|phone| phone.code = Some(Secret::new("code")))),
            ("origin of the code", Box::new(|phone| phone.code_origin.refused_at.push("wss://a/".into()))),
            ("former", Box::new(|phone| phone.former = Some(Secret::new("former")))),
            ("own proven", Box::new(|phone| phone.own.proven = Some(later()))),
            ("window", Box::new(|phone| phone.window.closed = Some(later()))),
            ("sysclient", Box::new(|phone| phone.sysclient.password = Some(Secret::new("x")))),
            ("received", Box::new(|phone| phone.device_config.received = Some(later()))),
            (
                "redirect entry",
                Box::new(|phone| {
                    phone.redirect_entry =
                        Some(RedirectEntry { url: Secret::new("x"), server_name: None, at: later() });
                }),
            ),
            (
                "delivery",
                Box::new(|phone| {
                    phone.delivery = Some(Delivery { at: later(), revision: 1, provisioning: 1, etag: "x".into() });
                }),
            ),
            ("revision", Box::new(|phone| phone.revision += 1)),
            ("devices", Box::new(|phone| phone.devices.reach(DevicesState::Received, later()))),
            ("redirect", Box::new(|phone| phone.redirect.reach(RedirectState::Redirected, later()))),
            ("request", Box::new(|phone| phone.request.reach(RequestState::Provisioned, later()))),
            ("guid", Box::new(|phone| phone.accounts[0].user_guid = Some("x".into()))),
            ("user object", Box::new(|phone| phone.accounts[0].user_object.reach(UserObjectState::Applied, later()))),
            (
                "flags",
                Box::new(|phone| {
                    phone.accounts[0].flags_written =
                        Some(Flags { media_relay: true, tls_only: true, reverse_proxy: true });
                }),
            ),
            ("flags' provisioning", Box::new(|phone| phone.accounts[0].flags_provisioning = 9)),
            (
                "registration",
                Box::new(|phone| phone.accounts[0].registration.reach(RegistrationState::Registered, later())),
            ),
            ("address", Box::new(|phone| phone.accounts[0].registered_address = Some("x".into()))),
            ("orphaned", Box::new(|phone| phone.accounts[0].orphan(Gone::User, later()))),
            ("account's provisioning", Box::new(|phone| phone.accounts[0].provisioning = 9)),
        ];
        for (field, change) in changes {
            assert!(!changed(change), "{field}");
        }
    }
}
