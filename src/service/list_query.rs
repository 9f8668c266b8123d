//! The filter and the sort order of a list.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use gangway_base::mac::Mac;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    cause::ProvisioningStage,
    device_row::{DeviceRow, SearchTerms},
};
use crate::phone::{
    facet::{DevicesState, FacetState, RedirectState, RegistrationState, RequestState, UserObjectState},
    facets::facet_of,
    record::PhoneId,
};

/// Which phones a list shows. Unknown values in its lists match nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListParams {
    /// Words, all of which must occur.
    pub search: String,
    /// Vendors; empty = all, as in the next two.
    pub vendors: Vec<String>,
    /// Stages.
    pub stages: Vec<String>,
    /// States of the facets.
    pub states: FacetFilter,
    /// Only phones that need an administrator.
    pub stuck: bool,
    /// Only phones that should have asked.
    pub overdue: bool,
    /// Also phones that were removed.
    pub removed: bool,
}

/// The states that a list shows, by facet; an empty list = all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FacetFilter {
    /// Of the configuration from Devices.
    pub device_config: Vec<String>,
    /// Of the redirect entry.
    pub redirect: Vec<String>,
    /// Of the requests.
    pub requests: Vec<String>,
    /// Of the PBX's flags.
    pub flags: Vec<String>,
    /// Of the registration.
    pub registered: Vec<String>,
    /// What is wanted.
    pub wanted: Vec<String>,
}

impl FacetFilter {
    /// The lists of states, by the key in the table of facets.
    fn by_facet(&self) -> [(&'static str, &[String]); 5] {
        [
            (DevicesState::KEY, &self.device_config),
            (RedirectState::KEY, &self.redirect),
            (RequestState::KEY, &self.requests),
            (UserObjectState::KEY, &self.flags),
            (RegistrationState::KEY, &self.registered),
        ]
    }
}

/// A window of the list of phones.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct ListRequest {
    /// Which phones.
    pub query: ListParams,
    /// In which order.
    pub sort: Sort,
    /// Where the window begins.
    pub offset: usize,
    /// Phones in it, at most 200.
    pub count: usize,
}

impl Default for ListRequest {
    fn default() -> Self {
        Self { query: ListParams::default(), sort: Sort::default(), offset: 0, count: 50 }
    }
}

/// [`ListParams`], prepared for matching many rows.
#[derive(Debug, Clone, Default)]
pub struct Query {
    search: SearchTerms,
    params: ListParams,
    stages: Option<Vec<ProvisioningStage>>,
}

impl From<ListParams> for Query {
    fn from(params: ListParams) -> Self {
        let stages = (!params.stages.is_empty())
            .then(|| params.stages.iter().filter_map(|word| ProvisioningStage::parse(word)).collect());
        Self { search: SearchTerms::new(&params.search), params, stages }
    }
}

fn among(list: &[String], word: &str) -> bool {
    list.is_empty() || list.iter().any(|known| known == word)
}

impl Query {
    /// Whether the list contains this row.
    #[must_use]
    pub fn matches(&self, row: &DeviceRow) -> bool {
        let (params, states, phone) = (&self.params, &self.params.states, &*row.phone);
        let facet = |(key, list): (&str, &[String])| {
            list.is_empty() || among(list, facet_of(phone, key).map_or("", |facet| facet.state))
        };
        (params.removed || phone.removed_at.is_none())
            && (!params.stuck || row.stage == ProvisioningStage::Stuck)
            && (!params.overdue || row.stage == ProvisioningStage::Overdue)
            && self.stages.as_ref().is_none_or(|stages| stages.contains(&row.stage))
            && among(&params.vendors, &phone.vendor)
            && among(&states.wanted, phone.wanted.as_str())
            && states.by_facet().into_iter().all(facet)
            && row.matches(&self.search)
    }
}

macro_rules! columns {
    ($($column:ident $name:literal;)*) => {
        /// The column by which rows are sorted.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
        #[expect(missing_docs, reason = "a member of the row")]
        pub enum By {
            #[default]
            $(#[serde(rename = $name)] $column),*
        }

        impl By {
            /// All columns.
            pub const ALL: &[Self] = &[$(Self::$column),*];

            /// Returns the column with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$column),)*
                    _ => None,
                }
            }

            /// Returns the name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$column => $name),* }
            }
        }
    };
}

columns! {
    Mac "mac";
    Name "name";
    User "user";
    Vendor "vendor";
    Model "model";
    Firmware "firmware";
    Address "address";
    DevicesDomain "devicesDomain";
    Category "category";
    Stage "stage";
    DeviceConfig "deviceConfig";
    Redirect "redirect";
    Requests "requests";
    Flags "flags";
    Registered "registered";
    LastRequest "lastRequest";
    Delivered "delivered";
    Created "created";
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Sort {
    /// The column.
    pub by: By,
    /// Largest first.
    pub descending: bool,
}

/// The sort key of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPosition {
    number: i64,
    text: Arc<str>,
    mac: Mac,
    /// The phone.
    pub id: PhoneId,
}

impl Sort {
    /// Returns the sort key of a row.
    #[must_use]
    pub fn key(self, row: &DeviceRow) -> ListPosition {
        let phone = &*row.phone;
        let nothing = String::new;
        let at = |at: Option<jiff::Timestamp>| at.map_or(i64::MIN, jiff::Timestamp::as_millisecond);
        let place = |place: Option<usize>| place.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1);
        let (number, text) = match self.by {
            By::Mac => (0, phone.mac.to_string()),
            By::Name => (0, row.name().to_lowercase()),
            By::User => (0, phone.accounts.first().map(|account| account.username.to_lowercase()).unwrap_or_default()),
            By::Vendor => (0, phone.vendor.clone()),
            By::Model => (0, phone.model.as_deref().unwrap_or_default().to_lowercase()),
            By::Firmware => (0, numbered(phone.firmware.as_deref().unwrap_or_default())),
            By::Address => (0, numbered(row.last.as_ref().map(|last| last.address.as_str()).unwrap_or_default())),
            By::DevicesDomain => (0, phone.devices_domain.as_deref().unwrap_or_default().to_lowercase()),
            By::Category => (0, phone.category.as_deref().unwrap_or_default().to_lowercase()),
            By::Stage => (place(ProvisioningStage::ALL.iter().position(|stage| *stage == row.stage)), nothing()),
            By::DeviceConfig | By::Redirect | By::Requests | By::Flags | By::Registered => {
                (place(facet_of(phone, self.by.name()).map(|facet| facet.rank)), nothing())
            }
            By::LastRequest => (at(row.last.as_ref().map(|last| last.at)), nothing()),
            By::Delivered => (at(phone.delivery.as_ref().map(|delivery| delivery.at)), nothing()),
            By::Created => (at(Some(phone.created)), nothing()),
        };
        ListPosition { number, text: text.into(), mac: phone.mac, id: phone.id }
    }

    /// Compares two sort keys.
    #[must_use]
    pub fn compare(self, a: &ListPosition, b: &ListPosition) -> Ordering {
        let order = a.number.cmp(&b.number).then_with(|| a.text.cmp(&b.text));
        let order = if self.descending { order.reverse() } else { order };
        order.then_with(|| a.mac.cmp(&b.mac)).then_with(|| a.id.cmp(&b.id))
    }
}

/// Pads numbers in a text, so that 10 is sorted after 9.
fn numbered(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut digits = String::new();
    let flush = |digits: &mut String, out: &mut String| {
        if !digits.is_empty() {
            out.push_str(&format!("{digits:0>6}"));
            digits.clear();
        }
    };
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
        } else {
            flush(&mut digits, &mut out);
            out.extend(c.to_lowercase());
        }
    }
    flush(&mut digits, &mut out);
    out
}

/// Number of phones by vendor and stage, without tombstones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhoneCounts(BTreeMap<String, BTreeMap<&'static str, usize>>);

impl PhoneCounts {
    /// Adds a phone.
    pub fn add(&mut self, vendor: &str, stage: ProvisioningStage) {
        if stage == ProvisioningStage::Gone {
            return;
        }
        if !self.0.contains_key(vendor) {
            self.0.insert(vendor.to_owned(), BTreeMap::new());
        }
        if let Some(stages) = self.0.get_mut(vendor) {
            *stages.entry(stage.as_str()).or_default() += 1;
        }
    }

    /// Removes a phone.
    pub fn take(&mut self, vendor: &str, stage: ProvisioningStage) {
        if let Some(stages) = self.0.get_mut(vendor)
            && let Some(count) = stages.get_mut(stage.as_str())
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                stages.remove(stage.as_str());
            }
            if stages.is_empty() {
                self.0.remove(vendor);
            }
        }
    }

    /// Returns the numbers by vendor and stage.
    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        self.0.iter().map(|(vendor, stages)| (vendor.clone(), serde_json::json!(stages))).collect()
    }

    /// Returns the total.
    #[must_use]
    pub fn all(&self) -> usize {
        self.0.values().flat_map(BTreeMap::values).sum()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        phone::{
            facet::{DevicesState, Wanted},
            record::Phone,
        },
        service::diagnosis_facts::{DiagnosisInputs, InstanceStatus, expected_urls},
        settings::firmware::FirmwareState,
    };

    fn row(number: u8, change: impl FnOnce(&mut Phone)) -> DeviceRow {
        let mut phone = Phone::sample();
        phone.id = PhoneId(i64::from(number));
        phone.mac = Mac::new([0x80, 0x5e, 0xc0, 0, 0, number]).unwrap();
        change(&mut phone);
        let instance_status = InstanceStatus {
            pbx: true,
            services: true,
            devices: true,
            urls: expected_urls(),
            ..InstanceStatus::default()
        };
        let facts =
            DiagnosisInputs { instance_status: &instance_status, request: None, known_model: true, manual_url: None };
        DeviceRow::new(Arc::new(phone), None, FirmwareState::default(), &facts, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn by_state_descending_phones_that_need_the_administrator_come_first() {
        let stuck = |phone: &mut Phone| phone.devices.state = DevicesState::NotInDomain;
        let rows = [
            row(1, |phone| phone.wanted = Wanted::Blocked),
            row(2, |_| {}),
            row(3, stuck),
            row(4, |phone| (phone.wanted, phone.removed_at) = (Wanted::Removed, Some(Timestamp::UNIX_EPOCH))),
            row(5, stuck),
        ];
        let order = |descending| {
            let sort = Sort { by: By::Stage, descending };
            let mut keys: Vec<ListPosition> = rows.iter().map(|row| sort.key(row)).collect();
            keys.sort_by(|a, b| sort.compare(a, b));
            keys.iter().map(|key| key.id.0).collect::<Vec<_>>()
        };
        // Equal ones are sorted by MAC in both directions.
        assert_eq!(order(true), [3, 5, 2, 1, 4]);
        assert_eq!(order(false), [4, 1, 2, 3, 5]);
    }
}
