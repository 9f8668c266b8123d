//! The data of a phone for `gangway phones` and the diagnostics bundle: everything except secrets.

use gangway_base::mac::Mac;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    phone::{
        facets::{ACCOUNT_FACETS, FacetView, PHONE_FACETS},
        record::{Account, Phone},
    },
    settings::firmware::FirmwareState,
};

/// A phone as commands print it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhoneExport {
    /// The MAC address.
    pub mac: Mac,
    /// The provider that it was provisioned through.
    pub provider: String,
    /// The vendor.
    pub vendor: String,
    /// The model, once it is known.
    pub model: Option<String>,
    /// The firmware that the phone reported.
    pub firmware: Option<String>,
    /// The firmware that the settings want.
    pub firmware_wanted: Option<String>,
    /// Whether both are equal.
    pub firmware_current: Option<bool>,
    /// Its domain in Devices.
    pub devices_domain: Option<String>,
    /// Its category in Devices.
    pub category: Option<String>,
    /// When its unused provisioning code expires, if Devices told.
    pub code_valid_until: Option<Timestamp>,
    /// What administrators want of it, as stored.
    pub wanted: String,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
    /// When it was provisioned first.
    pub created: Timestamp,
    /// Whether it has not used its newest credentials yet.
    pub credentials_changing: bool,
    /// When its open bootstrap window ends.
    pub window_until: Option<Timestamp>,
    /// The facet "Device Config".
    pub device_config: FacetExport,
    /// The facet "Redirect".
    pub redirect: FacetExport,
    /// The facet "Phone Requests".
    pub phone_requests: FacetExport,
    /// When it last sent a request.
    pub last_request: Option<Timestamp>,
    /// From which address.
    pub address: Option<String>,
    /// When its personal file was last delivered.
    pub delivered_at: Option<Timestamp>,
    /// Its users.
    pub accounts: Vec<AccountExport>,
}

/// A facet as commands print it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FacetExport {
    /// The text of its state.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// The last error.
    pub error: Option<String>,
    /// When it is attempted again.
    pub next_attempt: Option<Timestamp>,
}

/// An account as commands print it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountExport {
    /// The number of the line.
    pub line: u16,
    /// The hardware id.
    pub hwid: String,
    /// The user's login.
    pub user: String,
    /// The user's long name.
    pub name: String,
    /// The name of the device at the user object.
    pub device_name: Option<String>,
    /// The host name of the PBX.
    pub pbx: String,
    /// The facet "PBX flags".
    pub pbx_flags: FacetExport,
    /// The facet "Registered".
    pub registered: FacetExport,
    /// The address that the PBX sees.
    pub registered_address: Option<String>,
    /// Set when user or device is gone from the PBX.
    pub orphaned: Option<OrphanedExport>,
    /// Since when the account is switched off in the phone's file.
    pub withheld_since: Option<Timestamp>,
}

/// What is gone from the PBX.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrphanedExport {
    /// Since when.
    pub since: Timestamp,
    /// What, as stored.
    pub gone: String,
    /// What, as a sentence.
    pub sentence: String,
}

impl FacetExport {
    fn of(facet: FacetView<'_>) -> Self {
        Self {
            state: facet.text().to_owned(),
            since: facet.since,
            error: facet.error.map(str::to_owned),
            next_attempt: facet.next_attempt,
        }
    }
}

impl AccountExport {
    fn of(account: &Account) -> Self {
        Self {
            line: account.line,
            hwid: account.hwid.clone(),
            user: account.username.clone(),
            name: account.cn.clone(),
            device_name: account.device_name.clone().filter(|name| !name.is_empty()),
            pbx: account.dns.clone(),
            pbx_flags: FacetExport::of(account.user_object.view()),
            registered: FacetExport::of(account.registration.view()),
            registered_address: account.registered_address.clone(),
            orphaned: account.orphaned.map(|orphaned| OrphanedExport {
                since: orphaned.since,
                gone: orphaned.gone.as_str().to_owned(),
                sentence: orphaned.gone.text().to_owned(),
            }),
            withheld_since: account.withheld,
        }
    }
}

impl AccountExport {
    /// The facets of the account, in the order of the table of facets.
    #[must_use]
    pub fn facets(&self) -> [&FacetExport; ACCOUNT_FACETS.len()] {
        [&self.pbx_flags, &self.registered]
    }
}

impl PhoneExport {
    /// Describes a phone. `asked` is the time and address of its last request.
    #[must_use]
    pub fn of(phone: &Phone, firmware: &FirmwareState, last: Option<(Timestamp, &str)>) -> Self {
        Self {
            mac: phone.mac,
            provider: phone.provider.clone(),
            vendor: phone.vendor.clone(),
            model: phone.model.clone(),
            firmware: phone.firmware.clone(),
            firmware_wanted: firmware.wanted.clone(),
            firmware_current: firmware.current,
            devices_domain: phone.devices_domain.clone(),
            category: phone.category.clone(),
            code_valid_until: phone.code_origin.valid_until,
            wanted: phone.wanted.as_str().to_owned(),
            removed_at: phone.removed_at,
            created: phone.created,
            credentials_changing: phone.former.is_some(),
            window_until: phone.window.until.filter(|_| phone.window.closed.is_none()),
            device_config: FacetExport::of(phone.devices.view()),
            redirect: FacetExport::of(phone.redirect.view()),
            phone_requests: FacetExport::of(phone.request.view()),
            last_request: last.map(|(at, _)| at),
            address: last.map(|(_, address)| address.to_owned()),
            delivered_at: phone.delivery.as_ref().map(|delivery| delivery.at),
            accounts: phone.accounts.iter().map(AccountExport::of).collect(),
        }
    }

    /// The facets of the phone, in the order of the table of facets.
    #[must_use]
    pub fn facets(&self) -> [&FacetExport; PHONE_FACETS.len()] {
        [&self.device_config, &self.redirect, &self.phone_requests]
    }

    /// The firmware that the settings want and the one that the phone reported.
    #[must_use]
    pub fn firmware_state(&self) -> FirmwareState {
        FirmwareState {
            wanted: self.firmware_wanted.clone(),
            reported: self.firmware.clone(),
            current: self.firmware_current,
        }
    }
}

/// Returns a phone as JSON.
#[must_use]
pub fn shown(phone: &Phone, firmware: &FirmwareState, request: Option<(Timestamp, &str)>) -> Value {
    json!(PhoneExport::of(phone, firmware, request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_lists_name_every_facet_of_the_table() {
        let phone = Phone::sample();
        let export = PhoneExport::of(&phone, &FirmwareState::default(), None);
        let json = json!(export);
        for (row, facet) in PHONE_FACETS.iter().zip(export.facets()) {
            assert_eq!(json[row.command_key], json!(facet), "{}", row.title);
            assert_eq!(facet.state, (row.view)(&phone).text());
        }
        let (account, export) = (phone.accounts.first().unwrap(), export.accounts.first().unwrap());
        for (row, facet) in ACCOUNT_FACETS.iter().zip(export.facets()) {
            assert_eq!(json["accounts"][0][row.command_key], json!(facet), "{}", row.title);
            assert_eq!(facet.state, (row.view)(account).text());
        }
    }
}
