//! The requests of the Devices service's AppWebsocket API (SDK page "Devices").

use serde_json::{Value, json};

use super::state::{CategoryFilter, Device, DevicesState};
use crate::crypt;

impl DevicesState {
    /// Answers one request; returns nothing for unknown requests.
    pub(super) fn answer(&mut self, message: &Value) -> Vec<Value> {
        let mt = message["mt"].as_str().unwrap_or_default();
        let content = match mt {
            "GetUserInfo" if self.switches.only_login_info => return Vec::new(),
            "GetUserInfo" | "GetLoginInfo" if self.switches.no_user_info => return Vec::new(),
            "GetUserInfo" | "GetLoginInfo" => json!({ "key": crypt::guid(), "admin": true }),
            "GetProvisioningCategories" => self.categories_result(message),
            "GetProvisioningCode" => self.code_result(message),
            "GetProvisionedDevice" => {
                let code = message["code"].as_str().unwrap_or_default();
                let used_by = self.codes.get(code).and_then(|entry| entry.used_by.clone());
                let device = used_by.and_then(|hw_id| self.devices.get(&hw_id)).map(Device::describe);
                super::without_nulls(json!({ "device": device, "code": code }))
            }
            "GetDomains" => {
                let domains: Vec<Value> = self.domains.iter().map(|domain| self.describe_domain(domain)).collect();
                json!({ "domains": domains, "last": true })
            }
            "GetDevices" | "GetFilteredDevices" => return self.device_results(message),
            _ => return Vec::new(),
        };
        vec![result(message, content)]
    }

    /// "If not given, the domain of the currently logged in user is used". The gateway logs in with the instance's
    /// password.
    fn domain_meant(&self, message: &Value) -> u64 {
        let own = self.domains.first().map(|domain| domain.id).unwrap_or_default();
        message["domainId"].as_u64().unwrap_or(own)
    }

    fn categories_result(&self, message: &Value) -> Value {
        if message["type"].as_str().is_some_and(|kind| kind != "PHONE") {
            return json!({ "categories": [], "last": true });
        }
        let domain = self.domain_meant(message);
        let wanted = self.categories.iter().filter(|category| category.domain == domain);
        let describe = |category: &super::Category| {
            json!({
                "id": category.id, "domainId": category.domain, "name": category.name, "config": category.config,
            })
        };
        json!({ "categories": wanted.map(describe).collect::<Vec<_>>(), "last": true })
    }

    fn code_result(&mut self, message: &Value) -> Value {
        let domain = self.domain_meant(message);
        let Some(name) = message["category"].as_str() else { return json!({ "error": "no category" }) };
        let known = self.categories.iter().find(|found| found.domain == domain && found.name == name);
        let category = match known {
            None => return json!({ "error": "unknown category" }),
            Some(found) if !found.config => return json!({ "error": "not a provisioning category" }),
            Some(found) => found.id,
        };
        let (code, valid_until) = self.make_code(category, message["rollout"] == true);
        json!({ "code": code, "validUntil": valid_until.as_second() })
    }

    /// Lists devices in messages of 50; the last one has `last`.
    fn device_results(&self, message: &Value) -> Vec<Value> {
        let domain = message["domainId"].as_u64();
        let domains: Option<Vec<u64>> =
            message["domainIds"].as_str().map(|text| text.split(',').filter_map(|id| id.trim().parse().ok()).collect());
        let categories: Option<Vec<&str>> =
            message["categories"].as_str().map(|text| text.split(',').map(str::trim).collect());
        let is_in = |device: &Device, listed: &[&str]| match self.switches.category_filter {
            CategoryFilter::Ids => listed.iter().any(|id| id.parse() == Ok(device.category)),
            CategoryFilter::Names => self
                .categories
                .iter()
                .any(|category| category.id == device.category && listed.contains(&category.name.as_str())),
            CategoryFilter::Ignored => true,
        };
        let wanted = |device: &&Device| {
            domain.is_none_or(|id| id == device.domain)
                && domains.as_ref().is_none_or(|ids| ids.contains(&device.domain))
                && categories.as_ref().is_none_or(|listed| is_in(device, listed))
        };
        let devices: Vec<Value> = self.devices.values().filter(wanted).map(Device::describe).collect();
        let mut pieces: Vec<Value> =
            devices.chunks(50).map(|piece| result(message, json!({ "devices": piece }))).collect();
        if pieces.is_empty() {
            pieces.push(result(message, json!({ "devices": [] })));
        }
        if let Some(last) = pieces.last_mut() {
            last["last"] = true.into();
        }
        pieces
    }
}

fn result(message: &Value, content: Value) -> Value {
    let mut answer = content;
    answer["mt"] = format!("{}Result", message["mt"].as_str().unwrap_or_default()).into();
    for echoed in ["api", "src"] {
        if let Some(value) = message.get(echoed) {
            answer[echoed] = value.clone();
        }
    }
    answer
}
