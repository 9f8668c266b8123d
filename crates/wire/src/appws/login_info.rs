//! Who logged in: the `info` object of an AppLogin and what follows from it.

use serde_json::Value;

use super::session_key::SessionKey;
use crate::lenient_json;

/// What kind of login this is; it decides what the session may do. Only fields the digest covers give a login its kind.
/// `pbxObj`, which no digest covers, takes away and never gives: no login gains anything by it, or by its absence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginKind {
    /// A PBX's app object: `sip` equal to `info.appobj`, and no `pbxObj`.
    PbxSession,
    /// Another service, with a login the PBX made (GetServiceLogin): `info` without `groups`, and another `sip` than
    /// `info.appobj`. A person's login may look the same: not every edition tells `groups`.
    ServiceLogin,
    /// A person's page in myApps: as a service, and `info.groups` is there.
    UserLogin,
    /// The password typed by a person, no PBX involved: no `info`, a GUID of 32 zeros.
    PasswordLogin,
    /// None of these.
    Other,
}

impl LoginKind {
    /// The word for it in the log and in messages.
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
            appobj: lenient_json::text(value, "appobj"),
            appdn: lenient_json::text(value, "appdn"),
            appurl: lenient_json::text(value, "appurl"),
            pbx: lenient_json::text(value, "pbx"),
            cn: lenient_json::text(value, "cn"),
            unlicensed: lenient_json::flag(value, "unlicensed"),
            testmode: lenient_json::flag(value, "testmode"),
            lics: lenient_json::number(value, "lics"),
            // Any `groups`, of whatever type, marks a user: the safe reading.
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

/// A login that was proven by its digest.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The app logged in to, under the name it has here: authority comes from it, because the PBX checked the
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

    #[test]
    fn odd_members_count_as_missing() {
        let info = Info::read(&serde_json::json!({"appobj": [], "apps": {"name": "users"}, "lics": "5", "new": 1}));
        assert_eq!(info.appobj, None);
        assert_eq!(info.apps.first().map(|app| app.name.as_str()), Some("users"));
        assert_eq!(info.lics, Some(5));
    }
}
