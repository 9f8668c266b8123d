//! The objects of a PBX: users with their devices, and apps.

use serde_json::{Map, Value, json};

use crate::crypt;

/// A user object.
#[derive(Debug, Clone, PartialEq)]
pub struct PbxUser {
    /// 32 hex digits.
    pub guid: String,
    /// The name ("H.323 name", also the SIP user).
    pub h323: String,
    /// The long name.
    pub cn: String,
    /// The password phones register with.
    pub password: String,
    /// The device entries, as JSON objects with all their members.
    pub devices: Vec<Value>,
}

impl PbxUser {
    /// Creates a user with a random guid and without devices.
    #[must_use]
    pub fn new(h323: &str, cn: &str, password: &str) -> Self {
        let (h323, cn, password) = (h323.into(), cn.into(), password.into());
        Self { guid: crypt::guid(), h323, cn, password, devices: Vec::new() }
    }

    /// Adds a softphone entry with every known member and one unknown member, to detect a writer that loses members.
    #[must_use]
    pub fn with_crowded_devices(mut self) -> Self {
        self.devices.push(json!({
            "hw": format!("softphone-{}", self.h323), "text": "Softphone", "app": "softphone", "admin": true,
            "no-filter": true, "tls": true, "no-mob": true, "trusted": true, "sreg": true, "mr": true,
            "voip": "cfg", "gk-id": "gk", "prim": "10.0.0.9", "x-kept": {"by": ["somebody", 1, null]},
        }));
        self
    }
}

/// An app object.
#[derive(Debug, Clone, PartialEq)]
pub struct AppObject {
    /// SIP name of the object.
    pub name: String,
    /// Display name.
    pub dn: String,
    /// 32 hex digits.
    pub guid: String,
    /// `http(s)://host/<domain>/<instance>/<app>`.
    pub url: String,
    /// The shared password.
    pub password: String,
    /// Mark "Websocket": the PBX connects to the URL.
    pub websocket: bool,
    /// Mark "Admin": grants PbxAdminApi.
    pub admin: bool,
    /// Mark "Services": grants Services.
    pub services: bool,
    /// Apps ticked in the object's Apps tab: the services it may see.
    pub grants: Vec<String>,
    /// Apps that a template ticks in addition. A request without `template: "without"` sees them as the object's own.
    pub template_grants: Vec<String>,
    /// Further members of `pseudo.app`, which a writer must keep.
    pub more: Map<String, Value>,
    /// Connect to the whole URL instead of removing the app's name from it.
    pub whole_url: bool,
    /// Use the last component of the URL unchanged as the app's name, including `.htm` and its case.
    pub name_as_configured: bool,
    /// The `serviceInfo` that the app published in AppInfoResult.
    pub service_info: Option<Value>,
}

impl AppObject {
    /// Creates an object without marks and grants.
    #[must_use]
    pub fn new(name: &str, url: &str, password: &str) -> Self {
        Self {
            name: name.into(),
            dn: name.into(),
            guid: crypt::guid(),
            url: url.into(),
            password: password.into(),
            websocket: false,
            admin: false,
            services: false,
            grants: Vec::new(),
            template_grants: Vec::new(),
            more: Map::new(),
            whole_url: false,
            name_as_configured: false,
            service_info: None,
        }
    }

    /// Sets the marks Websocket, Admin and Services.
    #[must_use]
    pub fn connected(self) -> Self {
        Self { websocket: true, admin: true, services: true, ..self }
    }

    /// Ticks one more app in the object's Apps tab.
    #[must_use]
    pub fn granting(mut self, app: &str) -> Self {
        self.grants.push(app.into());
        self
    }

    /// The app's name: the last component of the URL, usually without `.htm`.
    pub(super) fn html_name(&self) -> &str {
        let last = self.url.rsplit('/').next().unwrap_or_default();
        if self.name_as_configured { last } else { last.strip_suffix(".htm").unwrap_or(last) }
    }

    /// The URL at which the PBX opens the websocket: the URL without its last component, `http` replaced by `ws`.
    pub(crate) fn websocket_url(&self) -> String {
        let whole = self.url.replacen("http", "ws", 1);
        if self.whole_url {
            return whole;
        }
        whole.rsplit_once('/').map_or(whole.clone(), |(front, _)| front.to_owned())
    }
}

/// True if the device entry has this hardware id.
pub(crate) fn is_hw(device: &Value, hw: &str) -> bool {
    device["hw"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(hw))
}

/// Describes what an update lost or broke in a device array. `mr`, `tls` and `trusted` may be cleared by omitting them.
pub(super) fn losses(before: &[Value], after: &[Value]) -> Vec<String> {
    let mut found = Vec::new();
    let none = Map::new();
    for old in before {
        let hw = old["hw"].as_str().unwrap_or_default();
        let Some(new) = after.iter().find(|new| is_hw(new, hw)) else {
            found.push(format!("the device '{hw}' was lost"));
            continue;
        };
        for (member, value) in old.as_object().unwrap_or(&none) {
            let may_change = matches!(member.as_str(), "mr" | "tls" | "trusted");
            match new.get(member) {
                None if !may_change => found.push(format!("member '{member}' of the device '{hw}' was lost")),
                Some(now) if now != value && !may_change => {
                    found.push(format!("member '{member}' of the device '{hw}' was changed"));
                }
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_follow_the_url() {
        let mut app = AppObject::new("y", "https://host/example.com/gangway/gangway-yealink.htm", "x");
        assert_eq!(app.html_name(), "gangway-yealink");
        app.name_as_configured = true;
        assert_eq!(app.html_name(), "gangway-yealink.htm");
        assert_eq!(app.websocket_url(), "wss://host/example.com/gangway");
        app.whole_url = true;
        assert_eq!(app.websocket_url(), "wss://host/example.com/gangway/gangway-yealink.htm");
    }

    #[test]
    fn a_careless_writer_is_caught() {
        let before = PbxUser::new("a", "A", "x").with_crowded_devices().devices;
        assert!(losses(&before, &before).is_empty());
        let mut after = before.clone();
        after[0].as_object_mut().unwrap().remove("x-kept");
        after[0]["text"] = "other".into();
        after[0].as_object_mut().unwrap().remove("mr");
        assert_eq!(losses(&before, &after).len(), 2);
        assert_eq!(losses(&before, &[]).len(), 1);
    }
}
