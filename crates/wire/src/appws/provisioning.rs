//! The API `com.innovaphone.provisioning`: the Users service requests a phone, and gangway reports the result (SDK
//! tutorial "Provisioning API").

use gangway_base::{
    characters::{cleaned, unwritable},
    host::{HostError, HostNameRules, host},
    mac::{Mac, MacError},
    secret::Secret,
};
use serde_json::Value;

use super::{
    envelope::{Envelope, Outgoing},
    session_key::SessionKey,
};
use crate::lenient_json;

/// A parsed and decrypted request to provision a phone.
#[derive(Debug, Clone)]
pub struct ProvisioningPhone {
    /// MAC address of the phone; any notation is accepted on the wire.
    pub mac: Mac,
    /// Provisioning code of Devices; valid for one use.
    pub code: Secret,
    /// HW-ID that Users wrote to the device on the user object.
    pub hwid: String,
    /// H.323 name of the user. The wire name is `usename` (sic); `username` is accepted too.
    pub username: String,
    /// Long name of the user.
    pub cn: String,
    /// The user's PBX password; empty if the user has none.
    pub password: Secret,
    /// PBX domain.
    pub domain: String,
    /// PBX address: DNS name or IP; empty if the request names none.
    pub dns: String,
}

/// Why a request is invalid. The messages are returned to the user in Profile or UsersAdmin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvisioningError {
    /// `mac` is missing.
    #[error("ProvisioningPhone names no MAC address (mac)")]
    MissingMac,
    /// `mac` is not the MAC address of a phone.
    #[error("{0}")]
    BadMac(#[from] MacError),
    /// `code` is missing.
    #[error("ProvisioningPhone holds no provisioning code of Devices (code)")]
    MissingCode,
    /// `code` contains characters other than digits and letters.
    #[error("the provisioning code is malformed: it consists of digits")]
    BadCode,
    /// `hwid` is missing.
    #[error("ProvisioningPhone names no hardware id (hwid)")]
    MissingHwid,
    /// Both `usename` and `username` are missing.
    #[error("ProvisioningPhone names no user (usename)")]
    MissingUser,
    /// The password cannot be decrypted.
    #[error(
        "the user's password could not be decrypted with the key of this connection: let the Users service connect anew"
    )]
    BadPassword,
    /// `domain` is missing.
    #[error("ProvisioningPhone names no PBX domain (domain)")]
    MissingDomain,
    /// A field is too long for a value of a phone's configuration, or contains characters that no phone's file can
    /// carry.
    #[error(
        "{0} holds a character no phone's file can carry, a blank before or after it, or more than 255 bytes: correct it"
    )]
    BadText(&'static str),
    /// The password contains characters that no phone's file can carry.
    #[error(
        "the user's password holds a character no phone can take, or a blank before or after it: choose another one"
    )]
    UnwritablePassword,
    /// `dns` is not a valid host.
    #[error("the DNS name of the PBX (dns) cannot be given to phones: {0}")]
    BadDns(#[from] HostError),
}

/// Longest text of one field in bytes.
const TEXT_LIMIT: usize = 255;

impl ProvisioningPhone {
    /// Checks whether this message is a ProvisioningPhone. Its `api` may be missing, `Provisioning` or anything else.
    #[must_use]
    pub fn is(message: &Envelope) -> bool {
        message.mt == "ProvisioningPhone"
    }

    /// Parses the request and decrypts the password with the session key of the connection it was received on.
    ///
    /// # Errors
    /// The first field that is missing or malformed.
    pub fn parse(message: &Envelope, key: &SessionKey) -> Result<Self, ProvisioningError> {
        let body = &message.body;
        let field = |name: &'static str, missing: ProvisioningError| match lenient_json::text(body, name) {
            Some(text) if text.trim().is_empty() => Err(missing),
            Some(text) if is_carried(&text) => Ok(text),
            Some(_) => Err(ProvisioningError::BadText(name)),
            None => Err(missing),
        };
        let mac = field("mac", ProvisioningError::MissingMac)?.parse::<Mac>()?;
        let code = field("code", ProvisioningError::MissingCode)?;
        if !code.trim().bytes().all(|digit| digit.is_ascii_alphanumeric()) {
            return Err(ProvisioningError::BadCode);
        }
        let hwid = field("hwid", ProvisioningError::MissingHwid)?;
        let username = field("usename", ProvisioningError::MissingUser).or_else(|error| match error {
            ProvisioningError::MissingUser => field("username", ProvisioningError::MissingUser),
            other => Err(other),
        })?;
        // The name is only displayed and never used for authentication, so characters that cannot be written are
        // removed.
        let cn = lenient_json::text(body, "cn").map(|name| clipped(cleaned(&name)));
        let cn = cn.filter(|name| !name.trim().is_empty()).unwrap_or_else(|| username.clone());
        let password = password(body, key)?;
        let dns = match lenient_json::text(body, "dns").filter(|dns| !dns.trim().is_empty()) {
            Some(dns) if !is_carried(&dns) => return Err(ProvisioningError::BadText("dns")),
            Some(dns) => {
                host(&dns, HostNameRules::OfPbxs)?;
                dns
            }
            // The setting `registrar` may name the address.
            None => String::new(),
        };
        Ok(Self {
            mac,
            code: Secret::new(code.trim()),
            hwid,
            username,
            cn,
            password,
            domain: field("domain", ProvisioningError::MissingDomain)?,
            dns,
        })
    }
}

/// The user's password; empty if the user has none, as one who logs in by Kerberos or OAuth only. Then `seed1` has at most
/// one character: the vendor's sample decrypts only with a longer one and provisions the phone all the same.
fn password(body: &Value, key: &SessionKey) -> Result<Secret, ProvisioningError> {
    let seed = lenient_json::text(body, "seed1").unwrap_or_default();
    let hidden = lenient_json::text(body, "password").unwrap_or_default();
    if seed.chars().count() <= 1 || hidden.is_empty() {
        return Ok(Secret::default());
    }
    if !is_carried(&seed) {
        return Err(ProvisioningError::BadText("seed1"));
    }
    let password = key.decrypt(&seed, &hidden).map_err(|_unreadable| ProvisioningError::BadPassword)?;
    if password.expose().len() > TEXT_LIMIT || password.expose().chars().any(char::is_control) {
        // Typical of a value decrypted with the wrong key.
        return Err(ProvisioningError::BadPassword);
    }
    if !is_carried(password.expose()) {
        return Err(ProvisioningError::UnwritablePassword);
    }
    Ok(password)
}

/// Checks whether some file format of phones can carry the text unchanged.
fn is_carried(text: &str) -> bool {
    text.len() <= TEXT_LIMIT && unwritable(text).is_none() && text.trim() == text
}

/// Truncates a name to the length limit of a field.
fn clipped(mut name: String) -> String {
    while name.len() > TEXT_LIMIT {
        name.pop();
    }
    name
}

/// The response to `request`: `ok`, or `failed` with a message. Always send one: UsersAdmin continues with the next
/// phone only after receiving it.
pub fn result(request: &Envelope, outcome: Result<(), &str>) -> Outgoing {
    let answer = request.answer("ProvisioningPhoneResult");
    match outcome {
        Ok(()) => answer.field("result", "ok"),
        Err(sentence) => answer.field("result", "failed").field("error", sentence),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn key() -> SessionKey {
        SessionKey::derive("0123456789abcdef", &Secret::new("pwd"))
    }

    fn request() -> Value {
        json!({"mt":"ProvisioningPhone","src":"9","mac":"11-22-33-44-55-66","code":"562822784750","hwid":"112233445566",
            "usename":"test_user","cn":"Test User","seed1":"10046478319880090512700",
            "password": key().encrypt("10046478319880090512700", "secret"),"domain":"test.com","dns":"172.16.0.255"})
    }

    fn parse(value: &Value) -> Result<ProvisioningPhone, ProvisioningError> {
        ProvisioningPhone::parse(&Envelope::parse(&value.to_string(), 9_999).unwrap(), &key())
    }

    #[test]
    fn a_request_is_read_and_answered() {
        let mut value = request();
        value["mac"] = "00:22:33:44:55:66".into();
        let phone = parse(&value).unwrap();
        assert_eq!(phone.mac.to_string(), "002233445566");
        assert_eq!(phone.password.expose(), "secret");
        assert_eq!(phone.username, "test_user");
        let message = Envelope::parse(&value.to_string(), 9_999).unwrap();
        assert_eq!(result(&message, Ok(())).text(), r#"{"mt":"ProvisioningPhoneResult","src":"9","result":"ok"}"#);
        let failed = result(&message, Err("no")).text();
        assert_eq!(failed, r#"{"mt":"ProvisioningPhoneResult","src":"9","result":"failed","error":"no"}"#);
        assert!(!format!("{phone:?}").contains("secret"));
    }

    #[test]
    fn every_missing_field_has_its_own_sentence() {
        let mut base = request();
        base["mac"] = "002233445566".into();
        let mut sentences = std::collections::BTreeSet::new();
        for name in ["mac", "code", "hwid", "usename", "domain"] {
            for nothing in [Value::Null, json!(""), json!([])] {
                let mut value = base.clone();
                value[name] = nothing;
                sentences.insert(parse(&value).unwrap_err().to_string());
            }
        }
        assert_eq!(sentences.len(), 5, "{sentences:#?}");
    }

    #[test]
    fn malformed_fields_are_refused() {
        let mut base = request();
        base["mac"] = "002233445566".into();
        let with = |name: &str, value: Value| {
            let mut all = base.clone();
            all[name] = value;
            parse(&all)
        };
        assert!(matches!(with("mac", "01:22:33:44:55:66".into()), Err(ProvisioningError::BadMac(MacError::Multicast))));
        assert!(matches!(with("code", "12 34".into()), Err(ProvisioningError::BadCode)));
        assert_eq!(with("cn", "Anna\nB\u{ffff}".into()).unwrap().cn, "Anna B");
        assert_eq!(with("cn", "\u{fffe}\u{2028}".into()).unwrap().cn, "test_user");
        assert_eq!(with("cn", "x".repeat(300).into()).unwrap().cn.len(), 255);
        for (name, value) in [
            ("hwid", " h"),
            ("hwid", "h\u{feff}"),
            ("hwid", "h\u{2028}i"),
            ("usename", "u\u{ffff}"),
            ("domain", "d\n"),
            ("dns", "pbx.example.com "),
        ] {
            assert!(matches!(with(name, value.into()), Err(ProvisioningError::BadText(_))), "{name} {value:?}");
        }
        for dns in ["a..b", "$(id)", "pbx:0", "pbx #1", "[::1"] {
            assert!(matches!(with("dns", dns.into()), Err(ProvisioningError::BadDns(_))), "{dns}");
        }
        for dns in ["pbx_1.example.com", "10.0.0.1", "2001:db8::1", "pbx.example.com:5061"] {
            assert_eq!(with("dns", dns.into()).unwrap().dns, dns);
        }
        for password in [" secret", "se\u{fffe}cret", "secret\u{2029}"] {
            let hidden = key().encrypt("10046478319880090512700", password);
            assert!(
                matches!(with("password", hidden.into()), Err(ProvisioningError::UnwritablePassword)),
                "{password:?}"
            );
        }
        assert!(matches!(with("hwid", "x".repeat(256).into()), Err(ProvisioningError::BadText("hwid"))));
        assert!(matches!(with("password", "zz".into()), Err(ProvisioningError::BadPassword)));
        assert_eq!(with("code", json!(562_822_784_750_u64)).unwrap().code.expose(), "562822784750");
        let mut renamed = base.clone();
        renamed.as_object_mut().unwrap().remove("usename");
        renamed["username"] = "u2".into();
        assert_eq!(parse(&renamed).unwrap().username, "u2");
    }

    /// The vendor's sample decrypts the password only with a seed of more than one character.
    #[test]
    fn a_user_may_have_no_password_no_long_name_and_no_pbx_address() {
        let without = |members: &[(&str, Value)]| {
            let mut value = request();
            value["mac"] = "002233445566".into();
            for (name, member) in members {
                value[*name] = member.clone();
            }
            parse(&value).unwrap()
        };
        for nothing in [Value::Null, json!("")] {
            let phone = without(&[
                ("seed1", nothing.clone()),
                ("password", nothing.clone()),
                ("cn", nothing.clone()),
                ("dns", nothing),
            ]);
            assert_eq!((phone.password.expose(), phone.cn.as_str(), phone.dns.as_str()), ("", "test_user", ""));
        }
        assert!(without(&[("seed1", "0".into())]).password.is_empty());
        assert!(without(&[("seed1", "4711".into()), ("password", "".into())]).password.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_content_is_judged_without_panic(mac: String, password: String, seed: String, user: String) {
            let _ = parse(&json!({"mt":"ProvisioningPhone","mac":mac,"code":"1","hwid":"h","usename":user,
                "seed1":seed,"password":password,"domain":"d","dns":"e"}));
        }
    }
}
