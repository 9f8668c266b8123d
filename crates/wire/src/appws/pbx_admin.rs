//! The PBX's `PbxAdminApi` as far as gangway uses it to edit user objects: reads an object, sets three flags on one of
//! its devices, writes the devices back, and requests registrations (SDK page "PbxAdminApi").
//!
//! Requires PBX firmware 13r3. Older versions send `devices` as XML text, which must never be written back.

use serde_json::{Map, Value};

use super::envelope::{Envelope, Outgoing};
use crate::lenient_json;

/// Name of the sub-protocol.
pub const API: &str = "PbxAdminApi";

/// The GUID of an existing object. An UpdateObject without a GUID would create an object, and one with `*` or `?` would
/// search for another object. This type cannot hold any of these values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Guid(String);

impl Guid {
    /// Accepts hex digits (dashes allowed) with at least 16 digits, not all zero; returns `None` otherwise.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
        let clean = text.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-');
        let zero = text.bytes().all(|c| c == b'0' || c == b'-');
        (clean && !zero && (16..=64).contains(&digits)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key to look up an object with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ObjectKey<'a> {
    /// By GUID.
    Guid(&'a Guid),
    /// By H.323 name.
    H323(&'a str),
}

/// Requests names and devices of a user object, without the settings that templates add.
pub fn get_object(src: &str, key: &ObjectKey<'_>) -> Outgoing {
    let request = Outgoing::request(Some(API), "GetObject", src);
    let request = match key {
        ObjectKey::Guid(guid) => request.field("guid", guid.as_str()),
        ObjectKey::H323(name) => request.field("h323", name),
    };
    request.field("properties", ["guid", "cn", "h323", "devices"]).field("template", "without")
}

/// Writes the complete device list of an existing object. Only devices from [`Devices::with_flags`] can be written.
pub fn update_devices(src: &str, guid: &Guid, devices: &EditedDevices) -> Outgoing {
    Outgoing::request(Some(API), "UpdateObject", src)
        .field("guid", guid.as_str())
        .field("template", "without")
        .field("devices", &devices.0)
}

/// Requests the addresses that a user's devices are registered from.
pub fn get_regs(src: &str, guid: &Guid) -> Outgoing {
    Outgoing::request(Some(API), "GetRegs", src).field("guid", guid.as_str())
}

/// Why a result cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// The PBX returned an error.
    #[error("the PBX refused: {0}")]
    Refused(String),
    /// No object was found, or it has no usable GUID.
    #[error("the PBX knows no such object")]
    NotFound,
    /// `devices` is not a list of objects: firmware before 13r3. Writing it back would destroy the devices.
    #[error("the PBX delivers the devices in the form of a firmware before 13r3: update the PBX firmware")]
    OldFirmware,
}

/// The result of [`get_object`].
#[derive(Debug, Clone, PartialEq)]
pub struct GetObjectResult {
    /// GUID of the object.
    pub guid: Guid,
    /// Long name.
    pub cn: String,
    /// H.323 name.
    pub h323: String,
    /// The devices of the object.
    pub devices: Devices,
}

impl GetObjectResult {
    /// Parses a GetObjectResult; `None` for any other message.
    ///
    /// # Errors
    /// See [`AdminError`].
    #[must_use]
    pub fn parse(message: &Envelope) -> Option<Result<Self, AdminError>> {
        (message.mt == "GetObjectResult").then(|| Self::read(message))
    }

    fn read(message: &Envelope) -> Result<Self, AdminError> {
        if let Some(error) = message.error() {
            return Err(AdminError::Refused(error));
        }
        let body = &message.body;
        let guid = lenient_json::text(body, "guid").and_then(|guid| Guid::parse(&guid)).ok_or(AdminError::NotFound)?;
        Ok(Self {
            guid,
            cn: lenient_json::text_or_empty(body, "cn"),
            h323: lenient_json::text_or_empty(body, "h323"),
            devices: Devices::read(body.get("devices"))?,
        })
    }
}

/// Parses an UpdateObjectResult; `None` for any other message.
///
/// # Errors
/// [`AdminError::Refused`] with the PBX's error text.
#[must_use]
pub fn update_object_result(message: &Envelope) -> Option<Result<(), AdminError>> {
    (message.mt == "UpdateObjectResult")
        .then(|| message.error().map_or(Ok(()), |error| Err(AdminError::Refused(error))))
}

/// A registration of a GetRegsResult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// HW-ID.
    pub hw: String,
    /// Source address of the registration; may be empty.
    pub addr: String,
}

/// Parses a GetRegsResult; `None` for any other message.
///
/// # Errors
/// [`AdminError::Refused`] with the PBX's error text.
#[must_use]
pub fn get_regs_result(message: &Envelope) -> Option<Result<Vec<Registration>, AdminError>> {
    if message.mt != "GetRegsResult" {
        return None;
    }
    if let Some(error) = message.error() {
        return Some(Err(AdminError::Refused(error)));
    }
    let rows = lenient_json::rows(&message.body, "regs").iter();
    Some(Ok(rows
        .filter_map(|row| {
            Some(Registration { hw: lenient_json::text(row, "hw")?, addr: lenient_json::text_or_empty(row, "addr") })
        })
        .collect()))
}

/// The flags that gangway sets on a device of a user object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeviceFlags {
    /// Media Relay (`mr`).
    pub media_relay: bool,
    /// TLS only (`tls`).
    pub tls_only: bool,
    /// Reverse Proxy (`trusted`).
    pub reverse_proxy: bool,
}

impl DeviceFlags {
    fn members(self) -> [(&'static str, &'static str, bool); 3] {
        [
            ("mr", "Media Relay", self.media_relay),
            ("tls", "TLS only", self.tls_only),
            ("trusted", "Reverse Proxy", self.reverse_proxy),
        ]
    }
}

/// The devices of a user object as they were read. Unknown members and the order are preserved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Devices(Vec<Map<String, Value>>);

/// Modified devices that were created by editing devices read from the PBX. Only these can be written.
#[derive(Debug, Clone, PartialEq)]
pub struct EditedDevices(Vec<Map<String, Value>>);

/// The result of reading the flags back after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadBack {
    /// The flags are as written.
    Stuck,
    /// These flags (UI names) differ from what was written.
    DidNotStick(Vec<&'static str>),
    /// The device no longer exists.
    DeviceMissing,
}

impl Devices {
    /// Parses the value of `devices`. Missing or `null` is an empty list.
    ///
    /// # Errors
    /// [`AdminError::OldFirmware`] for anything but a list of objects.
    pub fn read(value: Option<&Value>) -> Result<Self, AdminError> {
        let rows = match value {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Array(rows)) => rows,
            Some(_) => return Err(AdminError::OldFirmware),
        };
        rows.iter()
            .map(|row| row.as_object().cloned().ok_or(AdminError::OldFirmware))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The HW-ID and the name (`text`; empty if there is none) of each device, in order.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|device| {
            let name = device.get("text").and_then(Value::as_str).unwrap_or_default();
            Some((device.get("hw")?.as_str()?, name))
        })
    }

    /// The flags of the device `hwid` (compared case-insensitively); `None` if there is no such device. A missing flag
    /// is off.
    #[must_use]
    pub fn flags(&self, hwid: &str) -> Option<DeviceFlags> {
        let device = self.0.iter().find(|device| is(device, hwid))?;
        let on = |name: &str| device.get(name).is_some_and(lenient_json::is_true);
        Some(DeviceFlags { media_relay: on("mr"), tls_only: on("tls"), reverse_proxy: on("trusted") })
    }

    /// Returns the devices with `flags` set on the device `hwid` (compared case-insensitively) and everything else
    /// unchanged. `None` if there is no such device.
    #[must_use]
    pub fn with_flags(&self, hwid: &str, flags: DeviceFlags) -> Option<EditedDevices> {
        let mut devices = self.0.clone();
        let device = devices.iter_mut().find(|device| is(device, hwid))?;
        for (name, _, wanted) in flags.members() {
            // A missing flag is already off. Adding it could interfere with a template.
            if wanted || device.contains_key(name) {
                device.insert(name.to_owned(), Value::Bool(wanted));
            }
        }
        Some(EditedDevices(devices))
    }

    /// Compares the devices read back from the PBX with the written `flags`.
    #[must_use]
    pub fn compare(&self, hwid: &str, flags: DeviceFlags) -> ReadBack {
        let Some(found) = self.flags(hwid) else { return ReadBack::DeviceMissing };
        let differing: Vec<_> = found
            .members()
            .into_iter()
            .zip(flags.members())
            .filter(|((.., found), (.., wanted))| found != wanted)
            .map(|((_, title, _), _)| title)
            .collect();
        if differing.is_empty() { ReadBack::Stuck } else { ReadBack::DidNotStick(differing) }
    }
}

fn is(device: &Map<String, Value>, hwid: &str) -> bool {
    device.get("hw").and_then(Value::as_str).is_some_and(|hw| hw.eq_ignore_ascii_case(hwid))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const ON: DeviceFlags = DeviceFlags { media_relay: true, tls_only: true, reverse_proxy: true };
    const GUID: &str = "3954ae7854c96301c9dd009033400109";

    fn message(value: &Value) -> Envelope {
        Envelope::parse(&value.to_string(), 99_999).unwrap()
    }

    #[test]
    fn nothing_that_creates_or_searches_is_a_guid() {
        for bad in ["", "*", "?", "00000000000000000000000000000000", "abc", "xyz00000000000000000", "3954 ae78"] {
            assert_eq!(Guid::parse(bad), None, "{bad}");
        }
        assert!(Guid::parse(GUID).is_some());
    }

    #[test]
    fn messages_are_written_as_documented() {
        let guid = Guid::parse(GUID).unwrap();
        assert_eq!(
            get_object("7", &ObjectKey::H323("test_user")).text(),
            r#"{"mt":"GetObject","api":"PbxAdminApi","src":"7","h323":"test_user","properties":["guid","cn","h323","devices"],"template":"without"}"#
        );
        let devices = Devices::read(Some(&json!([{"hw":"A1","text":"x"}]))).unwrap();
        assert_eq!(
            update_devices("8", &guid, &devices.with_flags("a1", ON).unwrap()).text(),
            format!(
                r#"{{"mt":"UpdateObject","api":"PbxAdminApi","src":"8","guid":"{GUID}","template":"without","devices":[{{"hw":"A1","text":"x","mr":true,"tls":true,"trusted":true}}]}}"#
            )
        );
        assert!(get_regs("9", &guid).text().contains(r#""mt":"GetRegs""#));
    }

    #[test]
    fn only_the_flags_of_the_one_device_change() {
        let all = json!([{"z":1,"hw":"other","tls":true},{"new":{"b":2,"a":1},"hw":"A1B2","tls":true,"app":"phone"}]);
        let devices = Devices::read(Some(&all)).unwrap();
        let off = DeviceFlags { media_relay: true, tls_only: false, reverse_proxy: false };
        let edited = devices.with_flags("a1b2", off).unwrap();
        assert_eq!(
            serde_json::to_string(&edited.0).unwrap(),
            r#"[{"z":1,"hw":"other","tls":true},{"new":{"b":2,"a":1},"hw":"A1B2","tls":false,"app":"phone","mr":true}]"#
        );
        assert_eq!(devices.with_flags("none", ON), None);
        let after = Devices(edited.0);
        assert_eq!(after.compare("A1B2", off), ReadBack::Stuck);
        assert_eq!(after.compare("A1B2", ON), ReadBack::DidNotStick(vec!["TLS only", "Reverse Proxy"]));
        assert_eq!(after.compare("gone", ON), ReadBack::DeviceMissing);
        assert_eq!(after.names().map(|(hwid, _)| hwid).collect::<Vec<_>>(), ["other", "A1B2"]);
    }

    #[test]
    fn results_are_read() {
        let found = json!({"mt":"GetObjectResult","guid":GUID,"cn":"T","h323":"t","devices":[]});
        assert_eq!(GetObjectResult::parse(&message(&found)).unwrap().unwrap().h323, "t");
        for (value, error) in [
            (json!({"mt":"GetObjectResult","error":"e"}), AdminError::Refused("e".into())),
            (json!({"mt":"GetObjectResult"}), AdminError::NotFound),
            (json!({"mt":"GetObjectResult","guid":GUID,"devices":"<device hw='a'/>"}), AdminError::OldFirmware),
            (json!({"mt":"GetObjectResult","guid":GUID,"devices":["a"]}), AdminError::OldFirmware),
        ] {
            assert_eq!(GetObjectResult::parse(&message(&value)).unwrap(), Err(error));
        }
        assert_eq!(update_object_result(&message(&json!({"mt":"UpdateObjectResult"}))), Some(Ok(())));
        assert!(update_object_result(&message(&json!({"mt":"UpdateObjectResult","error":"x"}))).unwrap().is_err());
        let regs = json!({"mt":"GetRegsResult","regs":[{"hw":"a","addr":"10.0.0.1"},{"addr":"x"}]});
        let regs = get_regs_result(&message(&regs)).unwrap().unwrap();
        assert_eq!(regs, [Registration { hw: "a".into(), addr: "10.0.0.1".into() }]);
    }

    proptest! {
        #[test]
        fn editing_keeps_all_other_members(
            names in prop::collection::vec("[a-z]{1,6}", 0..6),
            mr: bool, tls: bool, trusted: bool,
            had in prop::collection::vec(any::<Option<bool>>(), 3),
        ) {
            let mut device = Map::new();
            for (n, name) in names.iter().enumerate() {
                device.insert(name.clone(), json!({"n": n}));
            }
            device.insert("hw".into(), "AB".into());
            for (name, had) in ["mr", "tls", "trusted"].iter().zip(had) {
                if let Some(had) = had { device.insert((*name).into(), had.into()); }
            }
            let flags = DeviceFlags { media_relay: mr, tls_only: tls, reverse_proxy: trusted };
            let edited = Devices(vec![device.clone()]).with_flags("ab", flags).unwrap();
            prop_assert_eq!(Devices(edited.0.clone()).compare("Ab", flags), ReadBack::Stuck);
            let kept: Vec<_> = edited.0[0].iter().take(device.len()).map(|(name, _)| name.clone()).collect();
            prop_assert_eq!(kept, device.keys().cloned().collect::<Vec<_>>());
        }
    }
}
