//! The AppWebsocket login: what a client sends and what a server accepts, according to the SDK page "AppWebsocket".

use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::crypt;

/// Identity and password for a login. The fields are those of `AppLogin`.
#[derive(Debug, Clone, Default)]
pub struct LoginForm {
    /// Name of the app: the start page without `.htm`.
    pub app: String,
    /// The PBX's system name.
    pub domain: String,
    /// SIP name of the client.
    pub sip: String,
    /// Guid of the client.
    pub guid: String,
    /// Display name.
    pub dn: String,
    /// The info object; part of the digest when present.
    pub info: Option<Value>,
    /// The app object that grants access; not part of the digest.
    pub pbx_obj: Option<String>,
    /// The password shared with the app.
    pub password: String,
}

impl LoginForm {
    /// The digest over all fields except `pbx_obj`.
    pub(super) fn digest(&self, challenge: &str) -> String {
        let info = self.info.as_ref().map(Value::to_string);
        let mut parts = vec![self.app.as_str(), &self.domain, &self.sip, &self.guid, &self.dn];
        parts.extend(info.as_deref());
        parts.extend([challenge, &self.password]);
        crypt::hash(&parts)
    }

    /// The `AppLogin` message that answers `challenge`.
    pub(super) fn message(&self, challenge: &str) -> Value {
        let mut message = json!({
            "mt": "AppLogin", "app": self.app, "domain": self.domain, "sip": self.sip, "guid": self.guid,
            "dn": self.dn,
        });
        if let Some(info) = &self.info {
            message["info"] = info.clone();
        }
        message["digest"] = self.digest(challenge).into();
        if let Some(object) = &self.pbx_obj {
            message["pbxObj"] = object.clone().into();
        }
        message
    }

    /// The key for passwords on the connection opened with this login.
    pub(super) fn session_key(&self, challenge: &str) -> String {
        crypt::session_key(challenge, &self.password)
    }
}

/// An `AppLogin` as a server parses it. The info object is hashed exactly as it was sent.
#[derive(Debug, Deserialize)]
pub(super) struct LoginRequest {
    #[serde(default)]
    pub(super) app: String,
    #[serde(default)]
    domain: String,
    #[serde(default)]
    sip: String,
    #[serde(default)]
    guid: String,
    #[serde(default)]
    dn: String,
    info: Option<Box<RawValue>>,
    #[serde(default)]
    digest: String,
}

impl LoginRequest {
    /// True if the digest was made with `password` for `challenge`.
    pub(super) fn proves(&self, challenge: &str, password: &str) -> bool {
        let mut parts = vec![self.app.as_str(), &self.domain, &self.sip, &self.guid, &self.dn];
        parts.extend(self.info.as_deref().map(RawValue::get));
        parts.extend([challenge, password]);
        crypt::hash(&parts) == self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_login_vectors_hold_on_both_sides() {
        let vectors: Value = serde_json::from_str(include_str!("../../../fixtures/innovaphone/vectors.json")).unwrap();
        for entry in vectors["applogin"].as_array().unwrap() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let field = |name: &str| text(&entry["fields"][name]);
            let form = LoginForm {
                app: field("app"),
                domain: field("domain"),
                sip: field("sip"),
                guid: field("guid"),
                dn: field("dn"),
                info: entry["info_raw"].as_str().map(|raw| serde_json::from_str(raw).unwrap()),
                pbx_obj: None,
                password: text(&entry["password"]),
            };
            let challenge = text(&entry["challenge"]);
            assert_eq!(form.digest(&challenge), text(&entry["digest"]), "{}", entry["source"]);
            let sent = form.message(&challenge).to_string();
            let read: LoginRequest = serde_json::from_str(&sent).unwrap();
            assert!(read.proves(&challenge, &form.password));
            assert!(!read.proves(&challenge, "other"));
        }
    }
}
