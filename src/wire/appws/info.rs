//! Who logged in: the `info` object of an AppLogin and what follows from it.

use serde_json::Value;

use super::{key::SessionKey, login::Login};
use crate::wire::shape;

/// What kind of login this is. It decides what the session may do and follows from digest-protected fields alone,
/// `pbxObj` aside: leaving that out or making it up gains nothing, because a PBX session needs `sip` equal to
/// `info.appobj` and a user login shows by its `groups`, all covered by the digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginKind {
    /// A PBX's app object: no `pbxObj` and `sip` equal to `info.appobj`.
    PbxSession,
    /// Another service, with a login the PBX made (GetServiceLogin): `pbxObj` and no `groups`; maybe no `info` at all.
    /// A person's login may look the same: not every edition tells `groups`.
    ServiceLogin,
    /// A person's page in myApps: `pbxObj` and `groups`.
    UserLogin,
    /// The instance password typed by a person, no PBX involved: no `info`, a GUID of 32 zeros.
    PasswordLogin,
    /// None of these.
    Other,
}

impl LoginKind {
    /// Decides the kind.
    #[must_use]
    pub fn of(login: &Login, info: Option<&Info>) -> Self {
        let by_object = login.pbx_obj.as_deref().is_some_and(|name| !name.is_empty());
        match info {
            None if login.guid.len() == 32 && login.guid.bytes().all(|digit| digit == b'0') => Self::PasswordLogin,
            None if by_object => Self::ServiceLogin,
            None => Self::Other,
            Some(info) if by_object && info.groups.is_some() => Self::UserLogin,
            Some(_) if by_object => Self::ServiceLogin,
            // Names of PBX objects are the same in whatever letters.
            Some(info)
                if (info.appobj.as_deref())
                    .is_some_and(|object| !object.is_empty() && object.eq_ignore_ascii_case(&login.sip)) =>
            {
                Self::PbxSession
            }
            Some(_) => Self::Other,
        }
    }
}

/// The `info` object. Covered by the digest; members of another type than expected count as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// SIP/H.323 name of the app object that grants access.
    pub appobj: Option<String>,
    /// Its display name.
    pub appdn: Option<String>,
    /// The URL configured at the app object: how the PBX's users reach us.
    pub appurl: Option<String>,
    /// PBX name.
    pub pbx: Option<String>,
    /// Long name of the one logging in.
    pub cn: Option<String>,
    /// No licence. Always so for unlicensed third-party apps; means nothing for a free app.
    pub unlicensed: bool,
    /// The PBX is in test mode.
    pub testmode: bool,
    /// Number of service licences.
    pub lics: Option<u64>,
    /// Groups of the user; present (maybe empty) on user logins only.
    pub groups: Option<Vec<Value>>,
    /// Apps allowed by our app object's Apps tab, by name; on logins of a PBX.
    pub apps: Vec<AllowedApp>,
}

/// An entry of [`Info::apps`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedApp {
    /// Name of the app object.
    pub name: String,
    /// Its display name.
    pub dn: Option<String>,
}

impl Info {
    /// Reads the object.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        Self {
            appobj: shape::text(value, "appobj"),
            appdn: shape::text(value, "appdn"),
            appurl: shape::text(value, "appurl"),
            pbx: shape::text(value, "pbx"),
            cn: shape::text(value, "cn"),
            unlicensed: shape::flag(value, "unlicensed"),
            testmode: shape::flag(value, "testmode"),
            lics: shape::number(value, "lics"),
            // Any `groups`, of whatever type, marks a user: the safe reading.
            groups: value.get("groups").map(|groups| groups.as_array().cloned().unwrap_or_default()),
            apps: shape::rows(value, "apps")
                .iter()
                .filter_map(|app| Some(AllowedApp { name: shape::text(app, "name")?, dn: shape::text(app, "dn") }))
                .collect(),
        }
    }
}

/// A login that was proven by its digest.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The app logged in to: authority comes from this name, because the PBX checked the permission for it.
    pub app: String,
    /// PBX domain.
    pub domain: String,
    /// SIP user part.
    pub sip: String,
    /// GUID of the object, hex.
    pub guid: String,
    /// Display name.
    pub dn: String,
    /// The `info` object, if there was one.
    pub info: Option<Info>,
    /// What follows from all that.
    pub kind: LoginKind,
    /// **Untrusted**: not covered by the digest. Use `info.appobj`.
    pub untrusted_pbx_obj: Option<String>,
    /// The key of this connection.
    pub key: SessionKey,
}

impl Identity {
    /// The app object that granted access, from the digest-protected `info`.
    #[must_use]
    pub fn appobj(&self) -> Option<&str> {
        self.info.as_ref()?.appobj.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(login: &str) -> LoginKind {
        let login = Login::parse(login).unwrap();
        LoginKind::of(&login, login.info().as_ref())
    }

    #[test]
    fn kinds_follow_from_the_login() {
        let cases = [
            (r#"{"mt":"AppLogin","sip":"gw","info":{"appobj":"gw","apps":[]}}"#, LoginKind::PbxSession),
            (r#"{"mt":"AppLogin","sip":"GW","info":{"appobj":"gw","apps":[]}}"#, LoginKind::PbxSession),
            (r#"{"mt":"AppLogin","sip":"users","pbxObj":"gw","info":{"appobj":"gw"}}"#, LoginKind::ServiceLogin),
            (r#"{"mt":"AppLogin","sip":"users","pbxObj":"gw"}"#, LoginKind::ServiceLogin),
            (r#"{"mt":"AppLogin","sip":"users","pbxObj":""}"#, LoginKind::Other),
            (
                r#"{"mt":"AppLogin","sip":"a","pbxObj":"gw","guid":"00000000000000000000000000000000"}"#,
                LoginKind::PasswordLogin,
            ),
            (r#"{"mt":"AppLogin","sip":"u","pbxObj":"gw","info":{"appobj":"gw","groups":[]}}"#, LoginKind::UserLogin),
            (r#"{"mt":"AppLogin","sip":"u","pbxObj":"gw","info":{"groups":null}}"#, LoginKind::UserLogin),
            (r#"{"mt":"AppLogin","sip":"a","guid":"00000000000000000000000000000000"}"#, LoginKind::PasswordLogin),
            (r#"{"mt":"AppLogin","sip":"a","guid":"0"}"#, LoginKind::Other),
            (r#"{"mt":"AppLogin","sip":"a","guid":"00000000000000000000000000000000","info":{}}"#, LoginKind::Other),
            // A person who leaves out pbxObj becomes nothing, least of all a PBX.
            (r#"{"mt":"AppLogin","sip":"u","info":{"appobj":"gw","groups":[]}}"#, LoginKind::Other),
            (r#"{"mt":"AppLogin","sip":"","info":{"appobj":""}}"#, LoginKind::Other),
        ];
        for (login, expected) in cases {
            assert_eq!(kind(login), expected, "{login}");
        }
    }

    #[test]
    fn odd_members_count_as_missing() {
        let info = Info::read(&serde_json::json!({"appobj": [], "apps": {"name": "users"}, "lics": "5", "new": 1}));
        assert_eq!(info.appobj, None);
        assert_eq!(info.apps.first().map(|app| app.name.as_str()), Some("users"));
        assert_eq!(info.lics, Some(5));
    }
}
