//! A phone's row in the list, as displayed, searched, and sorted.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    cause::{Cause, ProvisioningStage},
    clip::clip,
    diagnosis,
    diagnosis_facts::DiagnosisInputs,
    types::{FacetInfo, PhoneInfo, User},
};
use crate::{
    phone::{
        facet::{FacetState, RegistrationState, UserObjectState},
        facets::{FacetView, facet_of},
        record::Phone,
    },
    settings::firmware::FirmwareState,
    store::RequestFacts,
};

/// Maximum number of users in a row; a DECT base may have hundreds. With the two limits below, the longest row fits
/// into a message.
const USERS: usize = 20;
/// Maximum length of a name in a row, in characters.
const NAME: usize = 100;
/// Maximum length of an error in a row, in characters.
const ERROR: usize = 400;

/// The row of one phone at one time.
#[derive(Debug)]
pub struct DeviceRow {
    /// The record.
    pub phone: Arc<Phone>,
    /// Its last request.
    pub last: Option<RequestFacts>,
    /// The cause of its state.
    pub cause: Cause,
    /// The stage.
    pub stage: ProvisioningStage,
    /// The firmware it reports and the required one.
    pub firmware: FirmwareState,
    /// The searchable text in lower case, one item per line.
    search: Box<str>,
}

impl DeviceRow {
    /// Creates a row. Rows are replaced when anything changes.
    #[must_use]
    pub fn new(
        phone: Arc<Phone>,
        last: Option<RequestFacts>,
        firmware: FirmwareState,
        facts: &DiagnosisInputs<'_>,
        now: Timestamp,
    ) -> Self {
        let cause = diagnosis::cause(&phone, facts, now);
        let stage = diagnosis::stage(cause, &phone, now);
        let search = searched(&phone, last.as_ref(), &firmware);
        Self { phone, last, cause, stage, firmware, search }
    }

    /// Whether the row contains every search term.
    #[must_use]
    pub fn matches(&self, search: &SearchTerms) -> bool {
        search.matches(&self.search, || self.phone.mac.to_string())
    }

    /// Returns the names of its users.
    #[must_use]
    pub fn name(&self) -> String {
        let names: Vec<String> = self
            .phone
            .accounts
            .iter()
            .take(USERS)
            .map(|account| if account.cn.is_empty() { &account.username } else { &account.cn })
            .map(|name| clip(name, NAME))
            .collect();
        names.join(", ")
    }

    /// The phone as lists show it.
    #[must_use]
    pub fn info(&self) -> PhoneInfo {
        let phone = &*self.phone;
        let users = phone.accounts.iter().take(USERS).map(|account| User {
            line: account.line.into(),
            user: clip(&account.username, NAME),
            name: clip(&account.cn, NAME),
            hwid: clip(&account.hwid, NAME),
            pbx: clip(&account.dns, NAME),
        });
        PhoneInfo {
            id: phone.id.0,
            mac: phone.mac.to_string(),
            vendor: phone.vendor.clone(),
            provider: phone.provider.clone(),
            model: phone.model.clone(),
            firmware: phone.firmware.clone(),
            firmware_wanted: self.firmware.wanted.clone(),
            firmware_current: self.firmware.current,
            devices_domain: phone.devices_domain.clone(),
            category: phone.category.clone(),
            name: self.name(),
            users: users.collect(),
            user_count: u64::try_from(phone.accounts.len()).unwrap_or(u64::MAX),
            wanted: phone.wanted.as_str().to_owned(),
            removed: phone.removed_at.map(Into::into),
            stage: self.stage.as_str().to_owned(),
            stuck: self.stage == ProvisioningStage::Stuck,
            cause: self.cause.as_str().to_owned(),
            device_config: facet_info(phone.devices.view()),
            redirect: facet_info(phone.redirect.view()),
            requests: facet_info(phone.request.view()),
            flags: facet_of(phone, UserObjectState::KEY).map(facet_info),
            registered: facet_of(phone, RegistrationState::KEY).map(facet_info),
            last_request: self.last.as_ref().map(|last| last.at.into()),
            address: self.last.as_ref().map(|last| last.address.clone()),
            delivered: phone.delivery.as_ref().map(|delivery| delivery.at.into()),
            created: phone.created.into(),
            window_until: phone.window.until.filter(|_| phone.window.closed.is_none()).map(Into::into),
            change_pending: diagnosis::change_is_pending(phone),
        }
    }
}

/// Formats a time.
#[must_use]
pub fn time(at: Timestamp) -> String {
    at.to_string()
}

/// A facet as lists show it.
#[must_use]
pub fn facet_info(facet: FacetView<'_>) -> FacetInfo {
    FacetInfo {
        state: facet.state.to_owned(),
        since: facet.since.into(),
        error: facet.error.map(|error| clip(error, ERROR)),
        next: facet.next_attempt.map(Into::into),
    }
}

fn searched(phone: &Phone, last: Option<&RequestFacts>, firmware: &FirmwareState) -> Box<str> {
    let mut text = phone.mac.to_string();
    let mut add = |part: &str| {
        if !part.is_empty() {
            text.push('\n');
            text.push_str(part);
        }
    };
    for account in &phone.accounts {
        [&account.username, &account.cn, &account.hwid].into_iter().for_each(|part| add(part));
        add(account.device_name.as_deref().unwrap_or_default());
        add(account.registered_address.as_deref().unwrap_or_default());
    }
    add(&phone.vendor);
    for part in [&phone.model, &phone.firmware, &firmware.wanted, &phone.devices_domain, &phone.category] {
        add(part.as_deref().unwrap_or_default());
    }
    add(last.map(|last| last.address.as_str()).unwrap_or_default());
    text.to_lowercase().into_boxed_str()
}

/// The content of the search field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchTerms {
    /// Each word in lower case, with its hex digits if it may be a part of a MAC.
    words: Vec<(String, Option<String>)>,
    /// The hex digits of the whole text, if it may be a MAC written with spaces.
    whole: Option<String>,
}

/// Maximum number of words; further ones are ignored.
const WORDS: usize = 16;

impl SearchTerms {
    /// Parses the text.
    #[must_use]
    pub fn new(typed: &str) -> Self {
        let typed = typed.to_lowercase();
        let words: Vec<_> =
            typed.split_whitespace().take(WORDS).map(|word| (word.to_owned(), mac_digits(word))).collect();
        let whole = (words.len() > 1).then(|| {
            let pairs = words.iter().all(|(word, digits)| digits.is_some() && word.len() % 2 == 0);
            pairs.then(|| words.iter().filter_map(|(_, digits)| digits.as_deref()).collect::<String>())
        });
        Self { words, whole: whole.flatten().filter(|digits| digits.len() <= 12) }
    }

    /// Whether there are no search terms.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    fn matches(&self, text: &str, mac: impl FnOnce() -> String) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let mac = mac();
        let found = |(word, digits): &(String, Option<String>)| {
            text.contains(word.as_str()) || digits.as_ref().is_some_and(|digits| mac.contains(digits.as_str()))
        };
        self.words.iter().all(found) || self.whole.as_ref().is_some_and(|digits| mac.contains(digits.as_str()))
    }
}

/// Returns the hex digits of a word that may be a part of a MAC, in any notation. A dot is accepted only between groups
/// of four. Otherwise every part of an IPv4 address would match phones by their MAC.
fn mac_digits(word: &str) -> Option<String> {
    let groups: Vec<&str> = word.split('.').collect();
    let dotted = groups.len() == 1
        || groups.iter().enumerate().all(|(place, group)| {
            group.len() == 4 || (group.len() < 4 && (place == 0 || place + 1 == groups.len()) && groups.len() > 2)
        });
    let digits: String = word.chars().filter(|c| !matches!(c, ':' | '-' | '.')).collect();
    let hex = digits.len() >= 2 && digits.len() <= 12 && digits.bytes().all(|c| c.is_ascii_hexdigit());
    (hex && dotted).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        phone::facets::{ACCOUNT_FACETS, PHONE_FACETS},
        service::{diagnosis_facts::InstanceStatus, list_query::By},
    };

    fn row() -> DeviceRow {
        let mut phone = Phone::sample();
        phone.firmware = Some("108.86.0.20".into());
        phone.category = Some("Büro".into());
        phone.accounts[0].cn = "Ärzte <script>".into();
        let last = RequestFacts {
            at: phone.created,
            address: "192.0.2.77".into(),
            user_agent: None,
            file: String::new(),
            outcome: "delivered".into(),
            requests: 1,
        };
        let facts = DiagnosisInputs {
            instance_status: &InstanceStatus::default(),
            request: None,
            known_model: true,
            manual_url: None,
        };
        let now = phone.created;
        let firmware =
            FirmwareState { wanted: Some("108.87.0.5".into()), reported: phone.firmware.clone(), current: Some(false) };
        DeviceRow::new(Arc::new(phone), Some(last), firmware, &facts, now)
    }

    #[test]
    fn every_field_is_found_in_any_spelling_and_letters() {
        let row = row();
        for typed in [
            "",
            "  ",
            "ÄRZTE",
            "anna.USER",
            "805ec0123456",
            "80:5E:C0:12",
            "80-5e-c0-12-34-56",
            "805e.c012.3456",
            "80 5E C0 12 34 56",
            "t46u",
            "108.86",
            "108.87.0.5",
            "yealink",
            "büro",
            "192.0.2.77",
            "192.0.2",
            "<script>",
            "anna t46u 80:5e",
        ] {
            assert!(row.matches(&SearchTerms::new(typed)), "{typed}");
        }
        for typed in ["bob", "805ec0123457", "t46u bob", "108.88", "192.0.3", "34.56", "80 5e c0 99"] {
            assert!(!row.matches(&SearchTerms::new(typed)), "{typed}");
        }
    }

    #[test]
    fn a_base_full_of_long_names_still_fits_into_a_message() {
        let mut phone = Phone::sample();
        let mut account = phone.accounts[0].clone();
        let long = "\u{1}".repeat(255);
        (account.cn, account.username, account.hwid, account.dns) = (long.clone(), long.clone(), long.clone(), long);
        account.user_object.error = Some("x".repeat(5_000));
        phone.accounts = vec![account; 300];
        let facts = DiagnosisInputs {
            instance_status: &InstanceStatus::default(),
            request: None,
            known_model: true,
            manual_url: None,
        };
        let now = phone.created;
        let row = DeviceRow::new(Arc::new(phone), None, FirmwareState::default(), &facts, now);
        let json = serde_json::to_value(row.info()).unwrap();
        assert_eq!(json["userCount"], 300);
        let length = json.to_string().len();
        assert!(length < gangway_wire::appws::envelope::OUT_LIMIT - 1_000, "{length}");
    }

    #[test]
    fn a_row_has_every_facet_of_the_table_by_its_key() {
        let row = row();
        let json = serde_json::to_value(row.info()).unwrap();
        let keys = PHONE_FACETS.map(|row| row.key).into_iter().chain(ACCOUNT_FACETS.map(|row| row.key));
        for key in keys {
            assert_eq!(json[key]["state"], facet_of(&row.phone, key).unwrap().state, "{key}");
            assert!(By::named(key).is_some(), "a list can be sorted by {key}");
        }
    }

    #[test]
    fn names_go_out_as_data() {
        let json = serde_json::to_value(row().info()).unwrap();
        assert_eq!(json["name"], "Ärzte <script>");
        assert_eq!(json["deviceConfig"]["state"], "waiting");
        assert_eq!(json["cause"], "pbx-away");
    }
}
