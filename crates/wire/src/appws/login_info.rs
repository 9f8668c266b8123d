//! The authenticated identity of an AppLogin: its `info` object and the kind of login derived from it.

use serde_json::Value;

use super::session_key::SessionKey;
use crate::lenient_json;

/// The kind of a login, which decides what the session may do. The kind is derived only from fields that the digest
/// covers. `pbxObj`, which the digest does not cover, can only take rights away: neither its presence nor its absence
/// gives a login more rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginKind {
    /// A PBX's app object: `sip` equals `info.appobj`, and there is no `pbxObj`.
    PbxSession,
    /// Another service with a login created by the PBX (GetServiceLogin): `info` without `groups`, and `sip` differs
    /// from `info.appobj`. A user's login may look the same, because not all PBX editions send `groups`.
    ServiceLogin,
    /// A user's page in myApps: like a service, but with `info.groups`.
    UserLogin,
    /// The password was typed by a user and no PBX was involved: no `info`, a GUID of 32 zeros.
    PasswordLogin,
    /// None of the above.
    Other,
}

impl LoginKind {
    /// The name used in the log and in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PbxSession => "pbx-session",
            Self::ServiceLogin => "service-login",
            Self::UserLogin => "user-login",
            Self::PasswordLogin => "password-login",
            Self::Other => "other",
        }
    }
}

/// The `info` object. The digest covers it. Members of an unexpected type count as missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// SIP/H.323 name of the app object that grants access.
    pub appobj: Option<String>,
    /// Display name of that object.
    pub appdn: Option<String>,
    /// The URL configured at the app object, under which the PBX's users reach gangway.
    pub appurl: Option<String>,
    /// PBX name.
    pub pbx: Option<String>,
    /// Long name of the user or object that logs in.
    pub cn: Option<String>,
    /// There is no licence. Always set for unlicensed third-party apps; irrelevant for a free app.
    pub unlicensed: bool,
    /// The PBX is in test mode.
    pub testmode: bool,
    /// Number of service licences.
    pub lics: Option<u64>,
    /// Groups of the user; present (possibly empty) on user logins only.
    pub groups: Option<Vec<Value>>,
    /// Apps allowed in the Apps tab of our app object, by name; only on logins of a PBX.
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
    /// Parses the object.
    #[must_use]
    pub fn read(value: &Value) -> Self {
        Self {
            appobj: lenient_json::text(value, "appobj"),
            appdn: lenient_json::text(value, "appdn"),
            appurl: lenient_json::text(value, "appurl"),
            pbx: lenient_json::text(value, "pbx"),
            cn: lenient_json::text(value, "cn"),
            unlicensed: lenient_json::flag(value, "unlicensed"),
            testmode: lenient_json::flag(value, "testmode"),
            lics: lenient_json::number(value, "lics"),
            // A `groups` member of any type marks a user login, which is the safe interpretation.
            groups: value.get("groups").map(|groups| groups.as_array().cloned().unwrap_or_default()),
            apps: lenient_json::rows(value, "apps")
                .iter()
                .filter_map(|app| {
                    Some(AllowedApp { name: lenient_json::text(app, "name")?, dn: lenient_json::text(app, "dn") })
                })
                .collect(),
        }
    }
}

/// A login that was authenticated by its digest.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The app logged in to, under its canonical name. Authority derives from the app, because the PBX checked the
    /// permission for it.
    pub app: String,
    /// PBX domain.
    pub domain: String,
    /// SIP user part.
    pub sip: String,
    /// GUID of the object, hex.
    pub guid: String,
    /// Display name.
    pub dn: String,
    /// The `info` object, if present.
    pub info: Option<Info>,
    /// The kind of login, derived from the fields above.
    pub kind: LoginKind,
    /// **Untrusted**: not covered by the digest. Use `info.appobj` instead.
    pub untrusted_pbx_obj: Option<String>,
    /// The session key of this connection.
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

    #[test]
    fn odd_members_count_as_missing() {
        let info = Info::read(&serde_json::json!({"appobj": [], "apps": {"name": "users"}, "lics": "5", "new": 1}));
        assert_eq!(info.appobj, None);
        assert_eq!(info.apps.first().map(|app| app.name.as_str()), Some("users"));
        assert_eq!(info.lics, Some(5));
    }
}
