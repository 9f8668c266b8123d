//! The part of PbxAdminApi that concerns devices (SDK page "PbxAdminApi"), and the checks on what the gateway writes.

use serde_json::{Value, json};

use super::{
    link::result,
    objects::{PbxUser, losses},
    state::PbxState,
};

impl PbxState {
    /// Answers a message of api `PbxAdminApi`. Without the Admin mark every request fails.
    pub(super) fn answer_admin_api(&mut self, name: &str, message: &Value) -> Vec<Value> {
        let mt = message["mt"].as_str().unwrap_or_default();
        let content = if self.apps.get(name).is_none_or(|app| !app.admin) {
            json!({ "error": "no access to PbxAdminApi" })
        } else {
            match mt {
                "GetObject" => self.get_object(message),
                "GetRegs" => self.get_regs(message),
                "GetAppObjects" => self.get_app_objects(message),
                "UpdateObject" => self.update_object(message),
                "SearchUsers" => {
                    let start = message["cn"].as_str().unwrap_or_default();
                    let describe = |user: &PbxUser| json!({ "guid": user.guid, "cn": user.cn, "h323": user.h323 });
                    let found: Vec<Value> =
                        self.users.iter().filter(|user| user.cn.starts_with(start)).take(20).map(describe).collect();
                    json!({ "users": found })
                }
                _ if is_write(mt) => {
                    self.violations.push(format!("{mt}: writes something other than a user's devices"));
                    json!({ "error": "not simulated" })
                }
                _ => return Vec::new(),
            }
        };
        vec![result(message, content)]
    }

    fn get_object(&self, message: &Value) -> Value {
        if let Some(content) = self.get_app_object(message) {
            return content;
        }
        let Some(user) = self.find(message) else { return json!({ "error": "object not found" }) };
        let wanted = message["properties"].as_array();
        let asks = |name: &str| wanted.is_none_or(|names| names.iter().any(|n| n == name));
        let identity = |name: &str| asks(name) || !self.switches.bare_properties;
        let mut content = json!({});
        for (name, value) in [("guid", &user.guid), ("cn", &user.cn), ("h323", &user.h323)] {
            if identity(name) {
                content[name] = value.clone().into();
            }
        }
        if asks("devices") {
            content["devices"] = user.devices.clone().into();
        }
        content
    }

    fn get_regs(&self, message: &Value) -> Value {
        let Some(user) = self.find(message) else { return json!({ "error": "object not found" }) };
        let own = self.regs.iter().filter(|reg| reg.guid == user.guid);
        let regs: Vec<Value> = own.map(|reg| json!({ "hw": reg.hw, "addr": reg.addr })).collect();
        json!({ "regs": regs })
    }

    fn update_object(&mut self, message: &Value) -> Value {
        let guid = message["guid"].as_str().unwrap_or_default();
        if guid.is_empty() && message["pseudo"]["type"] == "app" {
            return self.create_app_object(message);
        }
        if let Some(name) = self.app_with_guid(guid) {
            return self.update_app_object(&name, message);
        }
        if guid.is_empty() || guid == "*" || guid == "?" {
            self.violations.push("UpdateObject without a guid: would create or guess an object".into());
            return json!({ "error": "not simulated" });
        }
        if message["template"] != "without" {
            self.violations.push("UpdateObject without template:\"without\"".into());
        }
        let known = ["api", "mt", "src", "guid", "template", "devices"];
        let strange = message.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let strange: Vec<&str> = strange.filter(|name| !known.contains(name)).collect();
        if !strange.is_empty() {
            self.violations.push(format!("UpdateObject writes {}", strange.join(", ")));
        }
        if let Some(error) = &self.switches.update_error {
            return json!({ "error": error });
        }
        let Some(user) = self.users.iter_mut().find(|user| user.guid == guid) else {
            return json!({ "error": "object not found" });
        };
        let Some(devices) = message["devices"].as_array() else {
            self.violations.push("UpdateObject without a devices array".into());
            return json!({});
        };
        self.violations.extend(losses(&user.devices, devices));
        let mut devices = devices.clone();
        if self.switches.mr_does_not_stick {
            for device in &mut devices {
                let before = user.devices.iter().find(|old| old["hw"] == device["hw"]);
                let had = before.and_then(|old| old.get("mr")).cloned();
                if let Some(members) = device.as_object_mut() {
                    members.remove("mr");
                    members.extend(had.map(|value| ("mr".to_owned(), value)));
                }
            }
        }
        user.devices = devices;
        json!({})
    }

    /// Finds a user by guid, then by cn, then by h323.
    fn find(&self, message: &Value) -> Option<&PbxUser> {
        let key = |name: &str| message[name].as_str().filter(|text| !text.is_empty());
        if let Some(guid) = key("guid") {
            return self.users.iter().find(|user| user.guid == guid);
        }
        if let Some(cn) = key("cn") {
            return self.users.iter().find(|user| user.cn == cn);
        }
        self.users.iter().find(|user| Some(user.h323.as_str()) == key("h323"))
    }
}

fn is_write(mt: &str) -> bool {
    ["Set", "Update", "Delete", "Create", "Add", "Replace", "Remove", "Copy", "Write"]
        .iter()
        .any(|verb| mt.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbx::{AppObject, PbxConfig};

    fn state() -> (PbxState, String) {
        let mut state = PbxState::new(PbxConfig::default());
        let user = PbxUser::new("alice", "Alice A.", "pw").with_crowded_devices();
        let guid = user.guid.clone();
        state.users.push(user);
        state.apps.insert("y".into(), AppObject::new("y", "http://gw/d/i/y", "pw").connected());
        (state, guid)
    }

    fn ask(state: &mut PbxState, message: &Value) -> Value {
        state.answer_admin_api("y", message).remove(0)
    }

    #[test]
    fn an_object_is_read_changed_and_read_back() {
        let (mut state, guid) = state();
        let get = json!({ "mt": "GetObject", "src": "7", "h323": "alice", "properties": ["devices"] });
        let read = ask(&mut state, &get);
        assert_eq!((read["mt"].as_str(), &read["src"]), (Some("GetObjectResult"), &json!("7")));
        let mut devices = read["devices"].clone();
        devices[0]["mr"] = false.into();
        let update = json!({ "mt": "UpdateObject", "guid": guid, "template": "without", "devices": devices });
        assert!(ask(&mut state, &update).get("error").is_none());
        assert_eq!(ask(&mut state, &get)["devices"][0]["mr"], false);
        assert!(state.violations.is_empty(), "{:?}", state.violations);
        state.switches.mr_does_not_stick = true;
        devices[0]["mr"] = true.into();
        let update = json!({ "mt": "UpdateObject", "guid": guid, "template": "without", "devices": devices });
        ask(&mut state, &update);
        assert_eq!(ask(&mut state, &get)["devices"][0]["mr"], false);
    }

    #[test]
    fn forbidden_writes_are_noticed() {
        let (mut state, guid) = state();
        for (message, count) in [
            (json!({ "mt": "UpdateObject", "cn": "Alice A.", "devices": [] }), 1),
            (json!({ "mt": "UpdateObject", "guid": guid, "pwd": "x", "template": "without", "devices": [] }), 3),
            (json!({ "mt": "DeleteObject", "guid": guid }), 4),
        ] {
            ask(&mut state, &message);
            assert_eq!(state.violations.len(), count, "{:?}", state.violations);
        }
    }

    #[test]
    fn without_the_mark_nothing_is_answered() {
        let (mut state, guid) = state();
        state.apps.get_mut("y").unwrap().admin = false;
        assert!(ask(&mut state, &json!({ "mt": "GetObject", "guid": guid })).get("error").is_some());
    }
}
