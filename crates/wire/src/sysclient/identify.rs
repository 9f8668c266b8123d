//! identify: how a device identifies itself, and the digest that proves knowledge of its sysclient password.

use data_encoding::HEXLOWER;
use gangway_base::secret::Secret;
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::frame::{AdminKind, Frame};

/// The device as shown in Devices. The digest covers `product` and `version`, so they must not change within one
/// socket. They may differ between sockets, because both ends read them from the same message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// Hardware id: the MAC in lower case without separators.
    pub id: String,
    /// Model, free text.
    pub product: String,
    /// Firmware, free text.
    pub version: String,
    /// Name shown in Devices; `None` lets Devices choose it.
    pub name: Option<String>,
}

/// The digest: SHA-256 of `id:product:version:challenge:password` in lower-case hex.
#[must_use]
pub fn digest(device: &DeviceIdentity, challenge: &str, password: &Secret) -> String {
    let mut hash = Sha256::new();
    for part in [&device.id, &device.product, &device.version] {
        hash.update(part.as_bytes());
        hash.update(b":");
    }
    hash.update(challenge.as_bytes());
    hash.update(b":");
    hash.update(password.expose().as_bytes());
    HEXLOWER.encode(&hash.finalize())
}

/// The authentication sent with an identify.
pub(super) enum Proof<'a> {
    /// None: Devices sends a challenge if it knows the device.
    None,
    /// A provisioning code, for a device without a password.
    Code(&'a Secret),
    /// The response to a challenge.
    Digest(&'a str),
}

/// The identify frame. `other` is always set: it subscribes a device not made by innovaphone to its configuration.
pub(super) fn frame(device: &DeviceIdentity, proof: &Proof<'_>) -> Vec<u8> {
    let mut message = json!({
        "id": device.id,
        "product": device.product,
        "version": device.version,
        "platform": { "type": "PHONE" },
        "other": true,
    });
    if let Some(object) = message.as_object_mut() {
        if let Some(name) = &device.name {
            object.insert("name".to_owned(), name.as_str().into());
        }
        if let Proof::Digest(digest) = proof {
            object.insert("digest".to_owned(), (*digest).into());
        }
    }
    let mut text = Zeroizing::new(message.to_string());
    if let Proof::Code(code) = proof {
        // Appended by hand and last, so that no copy of the code remains in a JSON tree.
        text.pop();
        text.push_str(",\"provisioningCode\":\"");
        text.extend(code.expose().chars().filter(char::is_ascii_alphanumeric));
        text.push_str("\"}");
    }
    Frame::Admin { kind: AdminKind::Identify, json: &text }.encode()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn digests_are_as_captured() {
        let all: Value = serde_json::from_str(include_str!("../../../../fixtures/innovaphone/vectors.json")).unwrap();
        let vectors = all["sysclient_digest"].as_array().unwrap();
        assert_eq!(vectors.len(), 6);
        for vector in vectors {
            let text = |name: &str| vector[name].as_str().unwrap().to_owned();
            let device =
                DeviceIdentity { id: text("id"), product: text("product"), version: text("version"), name: None };
            assert_eq!(digest(&device, &text("challenge"), &Secret::new(text("password"))), text("digest"));
        }
    }

    #[test]
    fn an_identify_holds_what_it_must() {
        let device = DeviceIdentity { id: "aa".into(), product: "T54W".into(), version: "96".into(), name: None };
        let read = |proof: Proof<'_>| {
            let bytes = frame(&device, &proof);
            let Ok(Frame::Admin { kind: AdminKind::Identify, json }) = Frame::decode(&bytes) else { panic!() };
            serde_json::from_str::<Value>(json).unwrap()
        };
        let plain = json!({"id":"aa","product":"T54W","version":"96","platform":{"type":"PHONE"},"other":true});
        assert_eq!(read(Proof::None), plain);
        let code = Secret::new("12\"34");
        assert_eq!(read(Proof::Code(&code))["provisioningCode"], "1234");
        let proven = read(Proof::Digest("ab"));
        assert_eq!((&proven["digest"], proven.get("provisioningCode")), (&json!("ab"), None));
    }
}
