//! The Services API (SDK page "Services"): lists the services an app sees and creates logins at them.

use serde_json::{Value, json};

use super::{objects::AppObject, state::PbxState};
use crate::{crypt, login::LoginForm};

/// A login made by the PBX for one app at another. Pass its form to `AppSession::open`. The caller knows the shared
/// password, which replaces the key that a real service would decrypt.
#[derive(Debug, Clone)]
pub struct ServiceLogin {
    /// The login.
    pub form: LoginForm,
    /// Websocket address of the service.
    pub url: String,
}

impl PbxState {
    /// The services ticked for app object `name`, as in ServicesInfo.
    pub(super) fn services(&self, name: &str) -> Vec<Value> {
        let Some(own) = self.apps.get(name) else { return Vec::new() };
        let granted = |app: &&AppObject| own.grants.contains(&app.name);
        let describe = |app: &AppObject| {
            let published = app.service_info.clone().unwrap_or_else(|| json!({ "apis": {} }));
            let info = if self.switches.flat_services_info { published["apis"].clone() } else { published };
            json!({ "name": app.name, "title": app.dn, "url": app.url, "info": info })
        };
        self.apps.values().filter(granted).map(describe).collect()
    }

    /// The login of app object `from` at app object `to`; `None` when `to` is not ticked for `from`.
    pub(super) fn service_login(&self, from: &str, to: &str) -> Option<ServiceLogin> {
        let (from, to) = (self.apps.get(from)?, self.apps.get(to)?);
        if !from.grants.contains(&to.name) {
            return None;
        }
        let info = json!({
            "appobj": to.name, "appdn": to.dn, "appurl": to.url, "pbx": self.config.name, "cn": from.dn,
            "unlicensed": true,
        });
        let form = LoginForm {
            app: to.html_name().into(),
            domain: self.config.domain.clone(),
            sip: from.name.clone(),
            guid: from.guid.clone(),
            dn: from.dn.clone(),
            info: Some(info),
            pbx_obj: Some(to.name.clone()),
            password: to.password.clone(),
        };
        Some(ServiceLogin { form, url: to.websocket_url() })
    }

    /// Answers a message of api `Services` on the connection of `name`, whose session key is `key`.
    pub(super) fn answer_services(&self, name: &str, key: &str, message: &Value) -> Vec<Value> {
        let mt = message["mt"].as_str().unwrap_or_default();
        let result = |content: Value| super::link::result(message, content);
        match mt {
            "SubscribeServices" => vec![result(json!({})), self.services_info(name, &message["src"])],
            "UnsubscribeServices" => vec![result(json!({}))],
            "GetServiceLogin" => {
                let challenge = message["challenge"].as_str().unwrap_or_default();
                let Some(login) = self.service_login(name, message["app"].as_str().unwrap_or_default()) else {
                    return vec![result(json!({ "error": "no access to this service" }))];
                };
                let salt = crypt::digits(16);
                let mut content = login.form.message(challenge);
                if let Some(members) = content.as_object_mut().filter(|_| self.switches.no_pbx_obj) {
                    members.shift_remove("pbxObj");
                }
                content["salt"] = salt.clone().into();
                content["key"] = crypt::encrypt(&salt, key, &login.form.session_key(challenge)).into();
                vec![result(content)]
            }
            _ => Vec::new(),
        }
    }

    /// The full list, as sent after a subscription and on every change.
    pub(super) fn services_info(&self, name: &str, src: &Value) -> Value {
        let mut message = json!({ "api": "Services", "mt": "ServicesInfo", "services": self.services(name) });
        if !src.is_null() {
            message["src"] = src.clone();
        }
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbx::PbxConfig;

    fn state() -> PbxState {
        let mut state = PbxState::new(PbxConfig::default());
        let mut devices =
            AppObject::new("devices-api", "https://ap/example.com/devices/innovaphone-devices-api", "dpw");
        devices.service_info = Some(json!({ "apis": { "com.innovaphone.devices": {} } }));
        let own = AppObject::new("y", "https://gw/example.com/gangway/gangway-yealink", "pw").granting("devices-api");
        for app in [devices, own] {
            state.apps.insert(app.name.clone(), app);
        }
        state
    }

    #[test]
    fn services_are_listed_in_both_nestings_and_only_when_ticked() {
        let mut state = state();
        assert_eq!(state.services("devices-api"), Vec::<Value>::new());
        assert!(state.services("y")[0]["info"]["apis"]["com.innovaphone.devices"].is_object());
        state.switches.flat_services_info = true;
        assert!(state.services("y")[0]["info"]["com.innovaphone.devices"].is_object());
    }

    #[test]
    fn a_service_login_unwraps_to_the_session_key_of_the_other_side() {
        let request =
            json!({ "api": "Services", "mt": "GetServiceLogin", "src": 2, "app": "devices-api", "challenge": "77" });
        let answer = state().answer_services("y", "own key", &request).remove(0);
        assert_eq!(answer["mt"], "GetServiceLoginResult");
        assert_eq!(answer["src"], 2);
        assert_eq!(answer["app"], "innovaphone-devices-api");
        assert_eq!(answer["sip"], "y");
        let key = crypt::decrypt(answer["salt"].as_str().unwrap(), "own key", answer["key"].as_str().unwrap());
        assert_eq!(key.unwrap(), crypt::session_key("77", "dpw"));
    }
}
