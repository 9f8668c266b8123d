//! AppLogin: proves knowledge of the instance password without sending it.

use std::{borrow::Cow, fmt};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use gangway_base::secret::Secret;
use rand::{Rng, RngExt};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::{
    envelope::{EnvelopeError, push_text},
    login_info::{Info, LoginKind},
    login_rejection::LoginRejection,
    services::GetServiceLoginResult,
};

/// The GUID of a password login.
const NOBODY: &str = "00000000000000000000000000000000";

/// A challenge for one connection: 16 decimal digits. More than 16 characters are not allowed, and vendor code uses
/// digits only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

impl Challenge {
    /// Creates a random challenge.
    #[must_use]
    pub fn random<R: Rng>(random: &mut R) -> Self {
        Self((0..16).map(|_| char::from(b'0' + random.random_range(0..10_u8))).collect())
    }

    /// Wraps an existing challenge, for replaying captures.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The challenge as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The content of an AppLogin message, not yet authenticated.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Name of the app's start page, usually without `.htm`.
    pub app: String,
    /// PBX domain.
    pub domain: String,
    /// SIP user part.
    pub sip: String,
    /// GUID, hex.
    pub guid: String,
    /// Display name.
    pub dn: String,
    /// The `info` object exactly as received; `None` if it was missing (an empty object is `Some`).
    pub info_raw: Option<String>,
    /// The digest, 64 hex digits.
    pub digest: String,
    /// Object that grants access. **Untrusted**: not covered by the digest.
    pub pbx_obj: Option<String>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default)]
    app: Option<&'a RawValue>,
    #[serde(borrow, default)]
    domain: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sip: Option<&'a RawValue>,
    #[serde(borrow, default)]
    guid: Option<&'a RawValue>,
    #[serde(borrow, default)]
    dn: Option<&'a RawValue>,
    #[serde(borrow, default)]
    info: Option<&'a RawValue>,
    #[serde(borrow, default)]
    digest: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "pbxObj")]
    pbx_obj: Option<&'a RawValue>,
}

impl Login {
    /// Parses an AppLogin from the text of the message and keeps the raw text of `info`. Members that are not strings
    /// count as empty; unknown members are ignored.
    ///
    /// # Errors
    /// If the text is not a JSON object or has a duplicate member.
    pub fn parse(text: &str) -> Result<Self, EnvelopeError> {
        let wire: Wire<'_> = serde_json::from_str(text).map_err(EnvelopeError::Json)?;
        let read = |raw: Option<&RawValue>| raw.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        Ok(Self {
            app: read(wire.app).unwrap_or_default(),
            domain: read(wire.domain).unwrap_or_default(),
            sip: read(wire.sip).unwrap_or_default(),
            guid: read(wire.guid).unwrap_or_default(),
            dn: read(wire.dn).unwrap_or_default(),
            info_raw: wire.info.map(|raw| raw.get().to_owned()),
            digest: read(wire.digest).unwrap_or_default(),
            pbx_obj: read(wire.pbx_obj),
        })
    }

    /// The login to send to another service: a GetServiceLogin result with every field unchanged and `info` byte for
    /// byte.
    #[must_use]
    pub fn forward(answer: &GetServiceLoginResult) -> Self {
        Self {
            app: answer.app.clone(),
            domain: answer.domain.clone(),
            sip: answer.sip.clone(),
            guid: answer.guid.clone(),
            dn: answer.dn.clone(),
            info_raw: answer.info_raw.clone(),
            digest: answer.digest.clone(),
            pbx_obj: answer.pbx_obj.clone(),
        }
    }

    /// Sets the digest for a login with the password itself.
    #[must_use]
    pub fn signed(mut self, challenge: &str, password: &Secret) -> Self {
        self.digest = HEXLOWER.encode(&self.digest_over(self.info_raw.as_deref(), challenge, password));
        self
    }

    /// The parsed `info` object; `None` if it is missing or not an object.
    #[must_use]
    pub fn info(&self) -> Option<Info> {
        let value: Value = serde_json::from_str(self.info_raw.as_deref()?).ok()?;
        value.is_object().then(|| Info::read(&value))
    }

    /// Derives the kind of login. `info` is the result of [`Self::info`].
    #[must_use]
    pub fn kind(&self, info: Option<&Info>) -> LoginKind {
        let Some(info) = info else {
            let is_typed = self.info_raw.is_none() && self.guid == NOBODY;
            return if is_typed { LoginKind::PasswordLogin } else { LoginKind::Other };
        };
        // Names of PBX objects are case-insensitive.
        let is_object =
            info.appobj.as_deref().is_some_and(|name| !name.is_empty() && name.eq_ignore_ascii_case(&self.sip));
        let is_granted = self.pbx_obj.as_deref().is_some_and(|name| !name.is_empty());
        match (is_object, is_granted) {
            (true, false) => LoginKind::PbxSession,
            (true, true) => LoginKind::Other,
            (false, _) if info.groups.is_some() => LoginKind::UserLogin,
            (false, _) => LoginKind::ServiceLogin,
        }
    }

    /// Validates the format of the fields that the digest covers, because the digest input has no escapes: with a colon
    /// in the wrong field, a display name signed by a PBX could be sent as the name, the GUID or `info`. Every login
    /// that a PBX signs has an `info` object after the display name, so a display name that contains `:{` contains the
    /// signed `info`.
    ///
    /// # Errors
    /// The field that no PBX would have signed like this, or a domain that differs from `domain`.
    pub fn check(&self, domain: &str) -> Result<(), LoginRejection> {
        let is_guid = |text: &str| text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        // A user who types the password may not know the domain; the URL identifies the instance.
        let is_typed = self.info_raw.is_none() && self.domain.is_empty();
        let faults = [
            (self.app.contains(':'), LoginRejection::ColonInApp),
            (self.domain.contains(':'), LoginRejection::ColonInDomain),
            (self.sip.contains(':'), LoginRejection::ColonInSip),
            (!self.guid.is_empty() && !is_guid(&self.guid), LoginRejection::Guid),
            (self.dn.contains(":{"), LoginRejection::InfoInName),
            (!is_typed && !self.domain.eq_ignore_ascii_case(domain), LoginRejection::Domain),
        ];
        faults.into_iter().find(|(is_wrong, _)| *is_wrong).map_or(Ok(()), |(_, refusal)| Err(refusal))
    }

    /// Checks whether the digest proves knowledge of `password`. The comparison takes constant time.
    ///
    /// The digest covers `info` as JSON text without optional whitespace. The text is tried as received first. If it
    /// does not match, a compact encoding with the same order of members is tried, because a sender may hash before it
    /// pretty-prints. An empty password never matches, because the vendor's page library would log in to such a service
    /// with any password.
    #[must_use]
    pub fn proves(&self, challenge: &str, password: &Secret) -> bool {
        let mut given = [0_u8; 32];
        let is_hex = self.digest.len() == 2 * given.len()
            && HEXLOWER_PERMISSIVE.decode_mut(self.digest.as_bytes(), &mut given).is_ok();
        if !is_hex || password.is_empty() {
            return false;
        }
        let raw = self.info_raw.as_deref();
        if bool::from(self.digest_over(raw, challenge, password).ct_eq(&given)) {
            return true;
        }
        let Some(compact) = raw.and_then(compact) else { return false };
        self.digest_over(Some(&compact), challenge, password).ct_eq(&given).into()
    }

    /// Writes the message.
    #[must_use]
    pub fn to_message(&self) -> String {
        let mut text = String::from(r#"{"mt":"AppLogin""#);
        let fields: [(&str, &str); 5] =
            [("app", &self.app), ("domain", &self.domain), ("sip", &self.sip), ("guid", &self.guid), ("dn", &self.dn)];
        for (name, value) in fields {
            push_text(&mut text, name, value);
        }
        if let Some(info) = &self.info_raw {
            text.push_str(r#","info":"#);
            text.push_str(info);
        }
        push_text(&mut text, "digest", &self.digest);
        if let Some(object) = &self.pbx_obj {
            push_text(&mut text, "pbxObj", object);
        }
        text.push('}');
        text
    }

    fn digest_over(&self, info: Option<&str>, challenge: &str, password: &Secret) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [&self.app, &self.domain, &self.sip, &self.guid, &self.dn] {
            hash.update(part.as_bytes());
            hash.update(b":");
        }
        if let Some(info) = info {
            hash.update(info.as_bytes());
            hash.update(b":");
        }
        hash.update(challenge.as_bytes());
        hash.update(b":");
        hash.update(password.expose().as_bytes());
        hash.finalize().into()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The digest would allow a reader of the logs to guess the password offline.
        let Self { app, domain, sip, guid, dn, info_raw, digest: _, pbx_obj } = self;
        f.debug_struct("Login")
            .field("app", app)
            .field("domain", domain)
            .field("sip", sip)
            .field("guid", guid)
            .field("dn", dn)
            .field("info", info_raw)
            .field("pbx_obj", pbx_obj)
            .finish_non_exhaustive()
    }
}

/// The same JSON without optional whitespace and escapes; `None` if it is unchanged.
fn compact(raw: &str) -> Option<String> {
    let value: Value = serde_json::from_str(raw).ok()?;
    let text = value.to_string();
    (Cow::Borrowed(raw) != text).then_some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors() -> Vec<Value> {
        let all: Value = serde_json::from_str(include_str!("../../../../fixtures/innovaphone/vectors.json")).unwrap();
        all["applogin"].as_array().unwrap().clone()
    }

    fn login(vector: &Value) -> Login {
        let field = |name: &str| vector["fields"][name].as_str().unwrap_or_default().to_owned();
        Login {
            app: field("app"),
            domain: field("domain"),
            sip: field("sip"),
            guid: field("guid"),
            dn: field("dn"),
            info_raw: vector["info_raw"].as_str().map(str::to_owned),
            digest: vector["digest"].as_str().unwrap().to_owned(),
            pbx_obj: None,
        }
    }

    #[test]
    fn every_published_and_captured_login_is_proven() {
        let mut seen = 0;
        for vector in vectors() {
            let login = login(&vector);
            let challenge = vector["challenge"].as_str().unwrap();
            let password = Secret::new(vector["password"].as_str().unwrap());
            assert!(login.proves(challenge, &password), "{}", vector["source"]);
            assert_eq!(login.clone().signed(challenge, &password).digest, login.digest);
            assert!(!login.proves("0", &password));
            assert!(!login.proves(challenge, &Secret::new("other")));
            assert_eq!(Login::parse(&login.to_message()).unwrap(), login);
            seen += 1;
        }
        assert_eq!(seen, 8);
    }

    #[test]
    fn only_what_a_pbx_would_sign_has_the_right_form() {
        for vector in vectors() {
            let login = login(&vector);
            let domain = login.domain.to_uppercase();
            assert_eq!(login.check(&domain), Ok(()), "{}", vector["source"]);
        }
        let good = || Login {
            app: "a".into(),
            domain: "example.com".into(),
            sip: "s".into(),
            guid: "5cb0d3a8c5a84f4b9e0c0f8c7a6b5d4e".into(),
            dn: "Boss: Anna, {b:c}".into(),
            info_raw: Some("{}".into()),
            ..Login::default()
        };
        assert_eq!(good().check("EXAMPLE.com"), Ok(()));
        assert_eq!(Login { guid: String::new(), ..good() }.check("example.com"), Ok(()));
        for (login, refusal) in [
            (Login { app: "a:b".into(), ..good() }, LoginRejection::ColonInApp),
            (Login { domain: "example.com:s".into(), ..good() }, LoginRejection::ColonInDomain),
            (Login { sip: "s:x".into(), ..good() }, LoginRejection::ColonInSip),
            (Login { guid: "0".into(), ..good() }, LoginRejection::Guid),
            (Login { guid: "5cb0d3a8c5a84f4b9e0c0f8c7a6b5d4:".into(), ..good() }, LoginRejection::Guid),
            (Login { dn: r#"Anna:{"appobj":"a"}"#.into(), ..good() }, LoginRejection::InfoInName),
            (Login { domain: "other.example".into(), ..good() }, LoginRejection::Domain),
            (Login { domain: String::new(), ..good() }, LoginRejection::Domain),
            (Login { domain: "other.example".into(), info_raw: None, ..good() }, LoginRejection::Domain),
        ] {
            assert_eq!(login.check("example.com"), Err(refusal), "{login:?}");
        }
        assert_eq!(Login { domain: String::new(), info_raw: None, ..good() }.check("example.com"), Ok(()));
    }

    fn kind(login: &str) -> LoginKind {
        let login = Login::parse(login).unwrap();
        login.kind(login.info().as_ref())
    }

    #[test]
    fn kinds_follow_from_the_login() {
        let cases = [
            (r#"{"mt":"AppLogin","sip":"gw","info":{"appobj":"gw","apps":[]}}"#, LoginKind::PbxSession),
            (r#"{"mt":"AppLogin","sip":"GW","info":{"appobj":"gw","apps":[]}}"#, LoginKind::PbxSession),
            (r#"{"mt":"AppLogin","sip":"gw","pbxObj":"","info":{"appobj":"gw","apps":[]}}"#, LoginKind::PbxSession),
            (r#"{"mt":"AppLogin","sip":"gw","pbxObj":"gw","info":{"appobj":"gw","apps":[]}}"#, LoginKind::Other),
            (r#"{"mt":"AppLogin","sip":"users","info":{"appobj":"gw"}}"#, LoginKind::ServiceLogin),
            (r#"{"mt":"AppLogin","sip":"users","info":{}}"#, LoginKind::ServiceLogin),
            (r#"{"mt":"AppLogin","sip":"u","info":{"appobj":"gw","groups":[]}}"#, LoginKind::UserLogin),
            (r#"{"mt":"AppLogin","sip":"u","info":{"groups":null}}"#, LoginKind::UserLogin),
            (r#"{"mt":"AppLogin","sip":"a","guid":"00000000000000000000000000000000"}"#, LoginKind::PasswordLogin),
            (r#"{"mt":"AppLogin","sip":"a","guid":"00000000000000000000000000000000","info":[]}"#, LoginKind::Other),
            (r#"{"mt":"AppLogin","sip":"a","guid":"0"}"#, LoginKind::Other),
            (r#"{"mt":"AppLogin","sip":"users"}"#, LoginKind::Other),
            (r#"{"mt":"AppLogin","sip":"","info":{"appobj":""}}"#, LoginKind::ServiceLogin),
        ];
        for (login, expected) in cases {
            assert_eq!(kind(login), expected, "{login}");
            // Adding `pbxObj` does not change the kind, except that an app object's own login becomes
            // [`LoginKind::Other`].
            let granted = login.replacen("{", r#"{"pbxObj":"x","#, 1);
            if !login.contains("pbxObj") && expected != LoginKind::PbxSession {
                assert_eq!(kind(&granted), expected, "{granted}");
            }
        }
    }

    #[test]
    fn a_missing_info_is_not_an_empty_one() {
        assert_eq!(Login::parse(r#"{"mt":"AppLogin"}"#).unwrap().info_raw, None);
        assert_eq!(Login::parse(r#"{"mt":"AppLogin","info":{}}"#).unwrap().info_raw.as_deref(), Some("{}"));
    }

    #[test]
    fn info_is_hashed_as_received_and_else_compact() {
        let password = Secret::new("pwd");
        let compact = Login { info_raw: Some(r#"{"a":"<&/ä"}"#.into()), ..Login::default() }.signed("1", &password);
        let spaced = Login { info_raw: Some("{ \"a\" : \"<&\\/\\u00e4\" }".into()), ..compact.clone() };
        assert!(spaced.proves("1", &password));
        let own = Login { digest: String::new(), ..spaced }.signed("1", &password);
        assert!(own.proves("1", &password));
        let parsed = Login::parse(&own.to_message()).unwrap();
        assert_eq!(parsed.info_raw, own.info_raw);
    }

    #[test]
    fn an_empty_password_proves_nothing() {
        let empty = Secret::new("");
        assert!(!Login::default().signed("1", &empty).proves("1", &empty));
    }

    #[test]
    fn a_login_does_not_show_its_digest() {
        let login = Login::default().signed("1", &Secret::new("pwd"));
        assert!(!format!("{login:?}").contains(&login.digest));
    }

    #[test]
    fn a_challenge_has_sixteen_digits() {
        let one = Challenge::random(&mut rand::rng());
        assert_eq!(one.as_str().len(), 16);
        assert!(one.as_str().bytes().all(|digit| digit.is_ascii_digit()));
        assert_ne!(one, Challenge::random(&mut rand::rng()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn any_text_is_read_without_panic(text: String, members in "[{}\\[\\]\":,a-z0-9 \\\\u]{0,60}") {
            let _ = Login::parse(&text);
            if let Ok(login) = Login::parse(&format!(r#"{{"mt":"AppLogin","info":{members}}}"#)) {
                let _ = login.info();
                let _ = login.proves("1", &Secret::new("x"));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        /// However the client splits the text that a PBX signed, and whichever challenge it had the PBX sign, an
        /// accepted login has the same name, the same app and the same `info`.
        #[test]
        fn what_was_signed_is_read_in_one_way_only(
            dn in "[a:{}\",x0 ]{0,12}|[a-z]{1,3}(:[a-z0-9]{0,6}){1,4}|a:\\{\"appobj\":\"s\"\\}|a:[0]{32}:b",
            cn in "[a:{}\",]{0,10}",
            before in "|x:|x:\\{\"appobj\":\"s\"\\}:|\\{\\}:",
            shift in prop_oneof![3 => Just(0_usize), 1 => 0_usize..4],
            cut in 0_usize..50,
            with_info: bool,
        ) {
            const OURS: &str = "1234567890123456";
            let info = serde_json::json!({ "appobj": "gw", "cn": cn, "groups": [] }).to_string();
            let fields = format!("gangway-admin:d:s:5cb0d3a8c5a84f4b9e0c0f8c7a6b5d4e:{dn}:{info}:{before}");
            // Split the same bytes at positions chosen by the client.
            let colons: Vec<usize> = fields.match_indices(':').map(|(at, _)| at).collect();
            let end = fields.trim_end_matches(':').len();
            let part = |from: usize, to: usize| fields.get(from..to).unwrap_or_default().to_owned();
            let [app, domain, sip, guid] = colons[shift..shift + 4] else { return Ok(()) };
            let later = &colons[shift + 4..];
            let name = if with_info { later[cut % later.len()] } else { end };
            let moved = Login {
                app: part(0, app),
                domain: part(app + 1, domain),
                sip: part(domain + 1, sip),
                guid: part(sip + 1, guid),
                dn: part(guid + 1, name),
                info_raw: with_info.then(|| part(name + 1, end)),
                digest: HEXLOWER.encode(&Sha256::digest(format!("{}:{OURS}:pwd", &fields[..end]))),
                pbx_obj: None,
            };
            if !moved.proves(OURS, &Secret::new("pwd")) || moved.check("d").is_err() {
                return Ok(());
            }
            prop_assert_eq!((moved.app.as_str(), moved.sip.as_str()), ("gangway-admin", "s"));
            match moved.info() {
                Some(read) => {
                    prop_assert_eq!((read.appobj.as_deref(), read.cn.as_deref()), (Some("gw"), Some(cn.as_str())));
                }
                None => prop_assert_eq!(moved.kind(None), LoginKind::Other),
            }
        }
    }

    proptest! {
        #[test]
        fn round_trip(app: String, sip: String, dn: String, cn: String, object: Option<String>) {
            let login = Login {
                app, sip, dn, pbx_obj: object,
                info_raw: Some(serde_json::json!({"cn": cn}).to_string()),
                ..Login::default()
            }.signed("1", &Secret::new("pwd"));
            let again = Login::parse(&login.to_message()).unwrap();
            prop_assert!(again.proves("1", &Secret::new("pwd")));
            prop_assert_eq!(again, login);
        }
    }
}
