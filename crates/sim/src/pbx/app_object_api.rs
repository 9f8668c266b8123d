//! The part of PbxAdminApi that concerns app objects (SDK page "PbxAdminApi"; members as the vendor's PBX Manager
//! plugins read and write them), and the checks on what the gateway writes.

use serde_json::{Map, Value, json};

use super::{objects::AppObject, state::PbxState};

/// The marks below `pseudo.app` that this PBX knows.
const MARKS: [&str; 3] = ["websocket", "services", "admin"];

fn is_on(value: &Value) -> bool {
    *value == json!(true) || *value == json!("on")
}

/// The names in a value of `apps`.
fn names(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        Value::Array(rows) => rows.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

impl AppObject {
    fn mark(&mut self, name: &str) -> &mut bool {
        match name {
            "websocket" => &mut self.websocket,
            "services" => &mut self.services,
            _ => &mut self.admin,
        }
    }

    /// Takes over the members of `pseudo.app`. A member that is missing is lost.
    fn set_app(&mut self, app: &Map<String, Value>) {
        self.url = app.get("url").and_then(Value::as_str).unwrap_or_default().to_owned();
        for mark in MARKS {
            *self.mark(mark) = app.get(mark).is_some_and(is_on);
        }
        let is_other = |name: &&String| *name != "url" && !MARKS.contains(&name.as_str());
        self.more =
            app.iter().filter(|(name, _)| is_other(name)).map(|(name, value)| (name.clone(), value.clone())).collect();
    }
}

impl PbxState {
    /// The rows whose URL begins with `uri`, in the order of their names.
    pub(super) fn get_app_objects(&self, message: &Value) -> Value {
        let uri = message["uri"].as_str().unwrap_or_default();
        let after = message["more"].as_str().unwrap_or_default();
        let found: Vec<&AppObject> =
            self.apps.values().filter(|app| app.url.starts_with(uri) && app.name.as_str() > after).collect();
        let most = self.switches.app_objects_at_once;
        let row = |app: &&AppObject| json!({ "guid": app.guid, "sip": app.name, "title": app.dn, "url": app.url });
        let mut content = json!({ "objects": found.iter().take(most).map(row).collect::<Vec<_>>() });
        if let Some(last) = found.get(most.wrapping_sub(1)).filter(|_| found.len() > most) {
            content["more"] = last.name.clone().into();
        }
        content
    }

    pub(super) fn app_with_guid(&self, guid: &str) -> Option<String> {
        self.apps.values().find(|app| app.guid == guid).map(|app| app.name.clone())
    }

    /// Answers GetObject for an app object; `None` if the key names none. The key is guid, then cn, then h323.
    pub(super) fn get_app_object(&self, message: &Value) -> Option<Value> {
        let key = |name: &str| message[name].as_str().filter(|text| !text.is_empty());
        let app = match (key("guid"), key("cn"), key("h323")) {
            (Some(guid), ..) => self.apps.values().find(|app| app.guid == guid),
            (None, Some(cn), _) => self.apps.values().find(|app| app.dn == cn),
            (None, None, name) => self.apps.get(name?),
        }?;
        let wanted = message["properties"].as_array();
        let asks = |name: &str| wanted.is_none_or(|names| names.iter().any(|n| n == name));
        let mut content = json!({});
        for (name, value) in [("guid", &app.guid), ("cn", &app.dn), ("h323", &app.name)] {
            if asks(name) || !self.switches.bare_properties {
                content[name] = value.clone().into();
            }
        }
        if asks("apps") {
            let mut apps = app.grants.clone();
            // GetObject reads without the template unless it is told otherwise.
            if message.get("template").is_some_and(|template| template != "without") {
                apps.extend(app.template_grants.iter().cloned());
            }
            content["apps"] = if self.switches.apps_as_list { json!(apps) } else { apps.join(",").into() };
        }
        if asks("pseudo") {
            let on = if self.switches.flags_as_bool { json!(true) } else { json!("on") };
            let mut members = json!({ "url": app.url });
            let mut copy = app.clone();
            for mark in MARKS {
                if *copy.mark(mark) {
                    members[mark] = on.clone();
                } else if self.switches.flags_as_bool {
                    members[mark] = false.into();
                }
            }
            for (name, value) in &app.more {
                members[name.as_str()] = value.clone();
            }
            content["pseudo"] = json!({ "type": "app", "app": members });
        }
        Some(content)
    }

    /// UpdateObject without a guid and with an app: creates the object. The gateway may create its own ones alone.
    pub(super) fn create_app_object(&mut self, message: &Value) -> Value {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        let (name, password) = (text("h323"), text("pwd"));
        if !name.starts_with("gangway-") {
            self.violations.push(format!("UpdateObject creates '{name}'"));
        }
        if let Some(error) = &self.switches.update_error {
            return json!({ "error": error });
        }
        if name.is_empty() || text("cn").is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return json!({ "error": "cn or h323 is missing or invalid" });
        }
        let is_taken = self.users.iter().any(|user| user.h323 == name) || self.apps.contains_key(&name);
        if is_taken || self.apps.values().any(|app| app.dn == text("cn")) {
            return json!({ "error": "an object of this name exists" });
        }
        let copied = message["copyPwd"].as_str().and_then(|from| self.apps.get(from)).map(|app| app.password.clone());
        let password = copied.unwrap_or(password);
        if password.chars().count() > 15 && message.get("copyPwd").is_none() {
            return json!({ "error": "the password is too long" });
        }
        let mut app = AppObject::new(&name, "", &password);
        app.dn = text("cn");
        app.grants = names(&message["apps"]);
        app.set_app(message["pseudo"]["app"].as_object().unwrap_or(&Map::new()));
        if app.admin {
            self.violations.push(format!("the mark Admin was given to '{name}'"));
        }
        let (guid, connects) = (app.guid.clone(), app.websocket);
        self.apps.insert(name.clone(), app);
        self.services_version += 1;
        if connects {
            self.to_connect.push(name);
        }
        json!({ "guid": guid })
    }

    /// UpdateObject of an app object: changes the members that are present.
    pub(super) fn update_app_object(&mut self, name: &str, message: &Value) -> Value {
        let known = ["api", "mt", "src", "guid", "template", "apps", "pseudo"];
        let members = message.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
        let strange: Vec<&str> = members.filter(|name| !known.contains(name)).collect();
        if !strange.is_empty() {
            self.violations.push(format!("UpdateObject writes {} of '{name}'", strange.join(", ")));
        }
        if let Some(error) = &self.switches.update_error {
            return json!({ "error": error });
        }
        let Some(app) = self.apps.get_mut(name) else { return json!({ "error": "object not found" }) };
        if message["template"] != "without" {
            self.violations.push(format!("UpdateObject of '{name}' without template:\"without\""));
        }
        if let Some(value) = message.get("apps") {
            let apps = names(value);
            for lost in app.grants.iter().filter(|app| !apps.contains(app)) {
                self.violations.push(format!("'{lost}' is no longer ticked at '{name}'"));
            }
            for copied in app.template_grants.iter().filter(|app| apps.contains(app)) {
                self.violations.push(format!("'{copied}' of the template was written to '{name}'"));
            }
            if !self.switches.apps_do_not_stick {
                app.grants = apps;
            }
        }
        if let Some(members) = message["pseudo"]["app"].as_object() {
            let before = app.clone();
            app.set_app(members);
            if app.admin && !before.admin {
                self.violations.push(format!("the mark Admin was given to '{name}'"));
            }
            let is_kept = before.url == app.url && before.more == app.more && (app.admin || !before.admin);
            if !name.starts_with("gangway-") || !is_kept {
                self.violations.push(format!("UpdateObject changes more than it may of '{name}'"));
            }
            if app.websocket && !self.links.contains_key(name) {
                self.to_connect.push(name.to_owned());
            } else if let Some(link) = self.links.get_mut(name) {
                // A PBX reopens the websocket of a changed object.
                link.epoch += 1;
            }
        }
        self.services_version += 1;
        json!({})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pbx::{PbxConfig, PbxUser};

    fn state() -> PbxState {
        let mut state = PbxState::new(PbxConfig::default());
        let mut own = AppObject::new("y", "http://gw/d/i/y", "pw").connected().granting("devices-api");
        own.more.insert("x-kept".into(), 1.into());
        own.template_grants = vec!["from-template".into()];
        let profile = AppObject::new("profile", "https://ap/d/users/innovaphone-profile", "other");
        for app in [own, profile] {
            state.apps.insert(app.name.clone(), app);
        }
        state
    }

    fn ask(state: &mut PbxState, message: &Value) -> Value {
        state.answer_admin_api("y", message).remove(0)
    }

    fn create(name: &str) -> Value {
        json!({ "mt": "UpdateObject", "template": "without", "cn": format!("cn {name}"), "h323": name, "pwd": "pw",
            "apps": "devices-api", "pseudo": { "type": "app", "app": { "url": "http://gw/d/i/x", "websocket": "on" } } })
    }

    #[test]
    fn app_objects_are_listed_by_the_beginning_of_their_url_in_parts() {
        let mut state = state();
        let names = |answer: &Value| {
            let rows = answer["objects"].as_array().unwrap().iter();
            rows.map(|row| row["sip"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let all = ask(&mut state, &json!({ "mt": "GetAppObjects", "uri": "http" }));
        assert_eq!((names(&all), all.get("more")), (vec!["profile".to_owned(), "y".to_owned()], None));
        let own = ask(&mut state, &json!({ "mt": "GetAppObjects", "uri": "http://gw/" }));
        assert_eq!(names(&own), ["y"]);
        state.switches.app_objects_at_once = 1;
        let first = ask(&mut state, &json!({ "mt": "GetAppObjects", "uri": "http" }));
        assert_eq!((names(&first), &first["more"]), (vec!["profile".to_owned()], &json!("profile")));
        let rest = ask(&mut state, &json!({ "mt": "GetAppObjects", "uri": "http", "more": "profile" }));
        assert_eq!((names(&rest), rest.get("more")), (vec!["y".to_owned()], None));
    }

    #[test]
    fn flags_and_apps_are_read_in_both_forms() {
        let mut state = state();
        let get = json!({ "mt": "GetObject", "h323": "y", "properties": ["apps", "pseudo"], "template": "without" });
        let read = ask(&mut state, &get);
        assert_eq!((&read["apps"], &read["pseudo"]["app"]["admin"]), (&json!("devices-api"), &json!("on")));
        assert_eq!(read["h323"], "y");
        (state.switches.flags_as_bool, state.switches.apps_as_list) = (true, true);
        state.switches.bare_properties = true;
        let read = ask(&mut state, &get);
        assert_eq!((&read["apps"], &read["pseudo"]["app"]["admin"]), (&json!(["devices-api"]), &json!(true)));
        assert_eq!(read.get("h323"), None);
    }

    #[test]
    fn an_own_object_is_created_and_connects() {
        let mut state = state();
        let answer = ask(&mut state, &create("gangway-x"));
        assert_eq!(answer["guid"], state.apps["gangway-x"].guid.as_str());
        assert_eq!((state.to_connect.clone(), &state.violations), (vec!["gangway-x".to_owned()], &Vec::new()));
        assert!(ask(&mut state, &create("gangway-x")).get("error").is_some(), "it exists");
        let mut copy = create("gangway-z");
        copy["copyPwd"] = "profile".into();
        ask(&mut state, &copy);
        assert_eq!(state.apps["gangway-z"].password, "other");
        state.users.push(PbxUser::new("gangway-u", "U", "x"));
        assert!(ask(&mut state, &create("gangway-u")).get("error").is_some(), "a user has this name");
    }

    #[test]
    fn whatever_goes_beyond_the_bounds_is_noticed() {
        let mut state = state();
        let (own, profile) = (state.apps["y"].guid.clone(), state.apps["profile"].guid.clone());
        let mut admin = create("gangway-a");
        admin["pseudo"]["app"]["admin"] = "on".into();
        let update = |guid: &str, member: &str, value: Value| json!({ "mt": "UpdateObject", "template": "without", "guid": guid, member: value });
        for (message, count) in [
            (create("toaster"), 1),
            (admin, 2),
            (update(&own, "apps", json!("")), 3),
            (update(&own, "apps", json!("from-template")), 4),
            (update(&profile, "pseudo", json!({ "type": "app", "app": { "url": "u" } })), 5),
            (update(&profile, "pwd", json!("u")), 6),
            (json!({ "mt": "UpdateObject", "guid": profile, "apps": "a" }), 7),
            (update(&profile, "apps", json!("a,b")), 7),
        ] {
            ask(&mut state, &message);
            assert_eq!(state.violations.len(), count, "{message}: {:?}", state.violations);
        }
        assert_eq!(state.apps["profile"].grants, ["a", "b"]);
    }
}
