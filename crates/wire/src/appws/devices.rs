//! The AppWebsocket API of the Devices app (SDK page "Devices"). The examples of that page contradict its tables:
//! result examples have the name of the request, an object is printed as an array of one, and ids are numbers or
//! strings. Results are therefore parsed by their shape.

use std::fmt;

use serde_json::Value;

use super::{
    envelope::{Envelope, Outgoing},
    session_key::SessionKey,
};
use crate::lenient_json;

/// Requests our own rights and the key for passthrough URLs.
pub fn get_user_info(src: &str) -> Outgoing {
    Outgoing::request(None, "GetUserInfo", src)
}

/// The 13r1 name of [`get_user_info`]. Try it if the newer request is not answered.
pub fn get_login_info(src: &str) -> Outgoing {
    Outgoing::request(None, "GetLoginInfo", src)
}

/// Requests the domains; with `updates` also later changes.
pub fn get_domains(src: &str, updates: bool) -> Outgoing {
    Outgoing::request(None, "GetDomains", src).maybe("recvUpdates", updates.then_some(true))
}

/// Requests devices; with `updates` also later changes. An empty `domains` means all.
pub fn get_devices(src: &str, updates: bool, domains: &[u64]) -> Outgoing {
    let list = domains.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    Outgoing::request(None, "GetDevices", src)
        .maybe("recvUpdates", updates.then_some(true))
        .maybe("domainIds", (!list.is_empty()).then_some(list))
}

/// Requests the devices of one category of a domain. No document says how `categories` is written; it follows
/// `domainIds`, which is a list of ids.
pub fn get_devices_of_category(src: &str, domain: u64, category: &str) -> Outgoing {
    Outgoing::request(None, "GetDevices", src).field("domainIds", domain.to_string()).field("categories", category)
}

/// Requests the categories suitable for phones. Without a domain, Devices uses the domain our login belongs to.
pub fn get_provisioning_categories(src: &str, domain: Option<u64>) -> Outgoing {
    Outgoing::request(None, "GetProvisioningCategories", src).maybe("domainId", domain).field("type", "PHONE")
}

/// Requests a new provisioning code for a category, which is given by its name in its domain. The code is valid for 15
/// minutes, with `rollout` for 7 days.
pub fn get_provisioning_code(
    src: &str,
    domain: Option<u64>,
    category: &str,
    sip: Option<&str>,
    rollout: bool,
) -> Outgoing {
    Outgoing::request(None, "GetProvisioningCode", src)
        .maybe("domainId", domain)
        .field("category", category)
        .maybe("sip", sip)
        .maybe("rollout", rollout.then_some(true))
}

/// A domain of Devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Id.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Whether this is the domain of the Devices instance itself.
    pub is_instance_domain: bool,
    /// Whether it distributes an administrative password.
    pub deploys_admin_passwords: bool,
}

/// A provisioning category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// Id, as a string (Devices sends numbers and strings).
    pub id: String,
    /// Domain it belongs to.
    pub domain_id: Option<u64>,
    /// Name; unique only within its domain.
    pub name: String,
    /// Whether it is used for provisioning and device configurations. Other categories select devices for update and
    /// backup jobs; Devices creates no codes for them.
    pub config: bool,
}

/// A device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Id, as a string.
    pub id: String,
    /// Hardware id: the MAC of a phone, as Devices spells it.
    pub hw_id: String,
    /// Name given by an administrator.
    pub name: Option<String>,
    /// Domain; `None` if the device is in no domain.
    pub domain_id: Option<u64>,
    /// Product as reported by the device.
    pub product: String,
    /// Version as reported by the device.
    pub version: String,
    /// `PHONE`, `GW`, ...
    pub kind: String,
    /// Whether it is currently connected.
    pub online: bool,
    /// Not made by innovaphone, like our phones.
    pub other: bool,
    /// Ids of its categories as strings, if the response contains them.
    pub categories: Vec<String>,
}

/// A message of Devices.
#[derive(Clone, PartialEq, Eq)]
pub enum DevicesMessage {
    /// The user of this connection.
    UserInfo {
        /// Key of passthrough URLs, valid while this socket is open.
        key: SessionKey,
        /// Whether the user is an administrator.
        admin: bool,
    },
    /// Domains. A list may be split over several messages; the final one has `last`.
    Domains {
        /// This part of the list.
        domains: Vec<Domain>,
        /// The list is complete.
        last: bool,
    },
    /// Devices. A list may be split over several messages; the final one has `last`.
    Devices {
        /// This part of the list.
        devices: Vec<Device>,
        /// The list is complete.
        last: bool,
    },
    /// Categories. A list may be split over several messages; the final one has `last`.
    Categories {
        /// This part of the list.
        categories: Vec<Category>,
        /// The list is complete.
        last: bool,
    },
    /// A provisioning code.
    ProvisioningCode {
        /// The code.
        code: gangway_base::secret::Secret,
        /// Expiry in Unix seconds.
        valid_until: Option<u64>,
    },
    /// The device that used a code; `None` if the code is unused.
    ProvisionedDevice(Option<Device>),
    /// Indication: a device used a code.
    DeviceProvisioned(Option<Device>),
    /// Indication: a device was added or changed.
    DeviceChanged(Device),
    /// Indication: a device was removed.
    DeviceRemoved(Device),
    /// Indication: a domain was added or changed.
    DomainChanged(Domain),
    /// Indication: the domain with this id was removed.
    DomainRemoved(u64),
    /// Indication: a configuration changed.
    OtherChange,
    /// A request failed.
    Error(String),
}

impl DevicesMessage {
    /// Parses a message. `None` if it is not of this API or lacks required data.
    #[must_use]
    pub fn parse(message: &Envelope) -> Option<Self> {
        let body = &message.body;
        let name = message.mt.strip_suffix("Result").unwrap_or(&message.mt);
        if name.starts_with("Get")
            && let Some(error) = message.error()
        {
            return Some(Self::Error(error));
        }
        let last = body.get("last").is_none_or(lenient_json::is_true);
        Some(match name {
            "GetUserInfo" | "GetLoginInfo" => Self::UserInfo {
                key: SessionKey::from_text(lenient_json::text(body, "key")?),
                admin: lenient_json::flag(body, "admin"),
            },
            "GetDomains" => Self::Domains { domains: read(body, "domains", Domain::read)?, last },
            "GetDevices" | "GetFilteredDevices" => {
                Self::Devices { devices: read(body, "devices", Device::read)?, last }
            }
            "GetProvisioningCategories" => {
                Self::Categories { categories: read(body, "categories", Category::read)?, last }
            }
            "GetProvisioningCode" => Self::ProvisioningCode {
                code: lenient_json::text(body, "code")?.into(),
                valid_until: lenient_json::number(body, "validUntil"),
            },
            "GetProvisionedDevice" => Self::ProvisionedDevice(device(body)),
            "DeviceProvisioned" => Self::DeviceProvisioned(device(body)),
            "DeviceAdded" | "DeviceUpdate" | "DeviceUpdated" | "DeviceEdited" => Self::DeviceChanged(device(body)?),
            "DeviceRemoved" | "DeviceDeleted" => Self::DeviceRemoved(device(body)?),
            "DomainAdded" | "DomainEdited" => {
                Self::DomainChanged(lenient_json::rows(body, "domain").first().and_then(Domain::read)?)
            }
            "DomainDeleted" => Self::DomainRemoved(domain_id(body)?),
            "DeviceConfigAdded" | "DeviceConfigEdited" | "DeviceConfigDeleted" => Self::OtherChange,
            _ => return None,
        })
    }
}

impl fmt::Debug for DevicesMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UserInfo { .. } => "UserInfo",
            Self::Domains { .. } => "Domains",
            Self::Devices { .. } => "Devices",
            Self::Categories { .. } => "Categories",
            Self::ProvisioningCode { .. } => "ProvisioningCode",
            Self::ProvisionedDevice(_) => "ProvisionedDevice",
            Self::DeviceProvisioned(_) => "DeviceProvisioned",
            Self::DeviceChanged(_) => "DeviceChanged",
            Self::DeviceRemoved(_) => "DeviceRemoved",
            Self::DomainChanged(_) => "DomainChanged",
            Self::DomainRemoved(_) => "DomainRemoved",
            Self::OtherChange => "OtherChange",
            Self::Error(_) => "Error",
        })
    }
}

/// Parses the list `name`. If it is missing, the message is an echoed request or an empty final part.
fn read<T>(body: &Value, name: &str, row: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    if body.get(name).is_none() && body.get("last").is_none() {
        return None;
    }
    Some(lenient_json::rows(body, name).iter().filter_map(row).collect())
}

fn device(body: &Value) -> Option<Device> {
    lenient_json::rows(body, "device").first().and_then(Device::read)
}

/// The id of a removed domain; an object is accepted too.
fn domain_id(body: &Value) -> Option<u64> {
    let of_object = || lenient_json::number(lenient_json::rows(body, "domain").first()?, "id");
    lenient_json::number(body, "id").or_else(of_object)
}

impl Domain {
    fn read(row: &Value) -> Option<Self> {
        Some(Self {
            id: lenient_json::number(row, "id")?,
            name: lenient_json::text_or_empty(row, "name"),
            is_instance_domain: lenient_json::flag(row, "isInstanceDomain"),
            deploys_admin_passwords: lenient_json::flag(row, "deployAdminPasswords"),
        })
    }
}

impl Category {
    fn read(row: &Value) -> Option<Self> {
        Some(Self {
            id: lenient_json::text(row, "id")?,
            domain_id: lenient_json::number(row, "domainId"),
            name: lenient_json::text_or_empty(row, "name"),
            // Editions that do not send `config` offer only such categories.
            config: row.get("config").is_none_or(lenient_json::is_true),
        })
    }
}

impl Device {
    fn read(row: &Value) -> Option<Self> {
        let categories = match row.get("categories").or_else(|| row.get("category")) {
            Some(Value::Array(rows)) => rows.iter().filter_map(category_text).collect(),
            Some(other) => category_text(other).into_iter().collect(),
            None => Vec::new(),
        };
        Some(Self {
            id: lenient_json::text_or_empty(row, "id"),
            hw_id: lenient_json::text(row, "hwId")?,
            name: lenient_json::text(row, "name"),
            domain_id: lenient_json::number(row, "domainId"),
            product: lenient_json::text_or_empty(row, "product"),
            version: lenient_json::text_or_empty(row, "version"),
            kind: lenient_json::text_or_empty(row, "type"),
            online: lenient_json::flag(row, "online"),
            other: lenient_json::flag(row, "other"),
            categories,
        })
    }
}

fn category_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(_) => lenient_json::text(value, "name").or_else(|| lenient_json::text(value, "id")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<DevicesMessage> {
        DevicesMessage::parse(&Envelope::parse(text, 99_999).unwrap())
    }

    #[test]
    fn results_are_read_under_both_names() {
        for name in ["GetProvisioningCategories", "GetProvisioningCategoriesResult"] {
            let text =
                format!(r#"{{"mt":"{name}","categories":[{{"id":5,"domainId":"1","name":"Phones"}}],"last":true}}"#);
            let Some(DevicesMessage::Categories { categories, last: true }) = parse(&text) else { panic!("{text}") };
            assert_eq!(
                categories,
                [Category { id: "5".into(), domain_id: Some(1), name: "Phones".into(), config: true }]
            );
        }
        for name in ["GetUserInfoResult", "GetLoginInfoResult"] {
            let text = format!(r#"{{"mt":"{name}","key":"k","admin":true}}"#);
            assert!(matches!(parse(&text), Some(DevicesMessage::UserInfo { admin: true, .. })));
        }
    }

    /// The category as printed in the API documentation, and an update category.
    #[test]
    fn a_category_says_whether_it_is_for_provisioning() {
        let text = r#"{"mt":"GetProvisioningCategories","last":true,"categories":[
            {"id":1,"name":"Cat1","domainId":2,"config":true},{"id":2,"name":"Nightly updates","domainId":2,"config":false}]}"#;
        let Some(DevicesMessage::Categories { categories, .. }) = parse(text) else { panic!("{text}") };
        let listed: Vec<_> = categories.iter().map(|category| (category.name.as_str(), category.config)).collect();
        assert_eq!(listed, [("Cat1", true), ("Nightly updates", false)]);
    }

    #[test]
    fn an_array_of_one_is_an_object() {
        for device in
            [r#"{"hwId":"aa","domainId":"18446744073709551615"}"#, r#"[{"hwId":"aa","domainId":18446744073709551615}]"#]
        {
            let text = format!(r#"{{"mt":"GetProvisionedDeviceResult","device":{device}}}"#);
            let Some(DevicesMessage::ProvisionedDevice(Some(device))) = parse(&text) else { panic!("{text}") };
            assert_eq!((device.hw_id.as_str(), device.domain_id), ("aa", Some(u64::MAX)));
        }
        assert_eq!(parse(r#"{"mt":"GetProvisionedDeviceResult"}"#), Some(DevicesMessage::ProvisionedDevice(None)));
    }

    #[test]
    fn lists_come_in_parts_and_errors_are_told() {
        let part = parse(r#"{"mt":"GetDevicesResult","devices":[{"hwId":"a"},{"nothing":1}],"last":false}"#);
        assert!(matches!(part, Some(DevicesMessage::Devices { devices, last: false }) if devices.len() == 1));
        assert!(matches!(
            parse(r#"{"mt":"GetDomainsResult","last":"true"}"#),
            Some(DevicesMessage::Domains { last: true, .. })
        ));
        assert_eq!(parse(r#"{"mt":"GetDevicesResult","error":"no"}"#), Some(DevicesMessage::Error("no".into())));
        assert_eq!(parse(r#"{"mt":"GetDevices","recvUpdates":true}"#), None);
        assert!(matches!(
            parse(r#"{"mt":"DeviceRemoved","device":{"hwId":"a"}}"#),
            Some(DevicesMessage::DeviceRemoved(_))
        ));
        assert_eq!(parse(r#"{"mt":"DeviceConfigDeleted","id":1}"#), Some(DevicesMessage::OtherChange));
    }

    #[test]
    fn changes_of_domains_are_read() {
        for name in ["DomainAdded", "DomainEdited"] {
            let text = format!(r#"{{"mt":"{name}","domain":{{"id":7,"name":"b.example"}}}}"#);
            let Some(DevicesMessage::DomainChanged(domain)) = parse(&text) else { panic!("{text}") };
            assert_eq!((domain.id, domain.name.as_str()), (7, "b.example"));
        }
        for text in [r#"{"mt":"DomainDeleted","id":"7"}"#, r#"{"mt":"DomainDeleted","domain":[{"id":7}]}"#] {
            assert_eq!(parse(text), Some(DevicesMessage::DomainRemoved(7)), "{text}");
        }
        assert_eq!(parse(r#"{"mt":"DomainDeleted"}"#), None);
    }

    #[test]
    fn requests_are_written_as_documented() {
        assert_eq!(
            get_devices("3", true, &[1, 2]).text(),
            r#"{"mt":"GetDevices","src":"3","recvUpdates":true,"domainIds":"1,2"}"#
        );
        assert_eq!(
            get_provisioning_code("4", Some(1), "Desk phones", Some("u"), false).text(),
            r#"{"mt":"GetProvisioningCode","src":"4","domainId":1,"category":"Desk phones","sip":"u"}"#
        );
        assert_eq!(
            get_provisioning_categories("5", Some(2)).text(),
            r#"{"mt":"GetProvisioningCategories","src":"5","domainId":2,"type":"PHONE"}"#
        );
        assert_eq!(
            get_devices_of_category("6", 2, "41").text(),
            r#"{"mt":"GetDevices","src":"6","domainIds":"2","categories":"41"}"#
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_members_are_read_without_panic(members in r#"("(device|devices|last|categories|key|domains)":(\{\}|\[\]|\[\{"hwId":1\}\]|1|"x"|null),?){0,4}"#) {
            for name in ["GetDevicesResult", "GetProvisionedDeviceResult", "DeviceAdded", "GetDomainsResult", "GetUserInfoResult"] {
                let text = format!(r#"{{"mt":"{name}",{}}}"#, members.trim_end_matches(','));
                if let Ok(message) = Envelope::parse(&text, 9_999) { let _ = DevicesMessage::parse(&message); }
            }
        }
    }
}
