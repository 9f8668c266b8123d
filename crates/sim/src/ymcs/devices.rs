//! The calls about phones.

use gangway_base::mac::Mac;
use serde_json::{Value, json};

use super::{
    reply::{Reply, given, text},
    state::{YmcsDevice, YmcsState},
};

/// Returns the MAC, if the field has 12 to 17 characters and is valid.
fn mac_of(body: &Value) -> Option<String> {
    let mac = text(body, "mac");
    let mac = (12..=17).contains(&mac.len()).then(|| mac.parse::<Mac>().ok()).flatten()?;
    Some(mac.to_string())
}

fn credentials(body: &Value) -> Option<(String, String)> {
    Some((given(body, "authName")?, given(body, "password").unwrap_or_default()))
}

fn record(mac: &str, device: &YmcsDevice) -> Value {
    json!({
        "id": device.id,
        "mac": mac,
        "sn": device.serial,
        "serverId": device.server_id,
        "uniqueServerUrl": device.unique_url,
        "remark": null,
        "dateRegistered": 1_700_000_000_000_u64,
        "lastConnected": null,
    })
}

impl YmcsState {
    pub(super) fn list_devices(&self, body: &Value) -> Reply {
        // The filter matches any part of a MAC.
        let part = body.get("filter").map(|filter| text(filter, "mac").to_lowercase()).unwrap_or_default();
        let own = self.devices.iter().filter(|(mac, device)| device.is_ours && mac.contains(&part));
        Reply::page(body, own.map(|(mac, device)| record(mac, device)).collect())
    }

    /// Returns code and text of the reason why a phone cannot be added.
    fn obstacle(&self, mac: &str) -> Option<(u32, &'static str)> {
        match self.devices.get(mac) {
            Some(device) if device.is_ours => Some((800_003, "The device already exists")),
            Some(_) => Some((800_004, "The device is managed by another organization")),
            None => None,
        }
    }

    pub(super) fn add_device(&mut self, body: &Value) -> Reply {
        let Some(mac) = mac_of(body) else { return Reply::error(400, 800_001, "Invalid MAC") };
        let serial = text(body, "sn");
        if serial.is_empty() || serial.len() > 128 || self.labels.get(&mac).is_some_and(|label| label != serial) {
            return Reply::error(400, 800_002, "Invalid SN");
        }
        if text(body, "uniqueServerUrl").len() > 256 {
            return Reply::parameter("uniqueServerUrl");
        }
        if let Some((code, message)) = self.obstacle(&mac) {
            return Reply::error(400, code, message);
        }
        let device = YmcsDevice {
            id: self.fresh_id(),
            is_ours: true,
            serial: Some(serial.to_owned()),
            unique_url: given(body, "uniqueServerUrl"),
            server_id: given(body, "serverId"),
            credentials: credentials(body),
            pin: None,
        };
        let answer = record(&mac, &device);
        self.devices.insert(mac, device);
        Reply::created(answer)
    }

    pub(super) fn add_by_mac(&mut self, body: &Value) -> Reply {
        if !self.switches.mac_only {
            return Reply::error(403, 900_403, "This request is forbidden");
        }
        let Some(entries) = body.as_array().filter(|entries| entries.len() <= 100) else {
            return Reply::error(400, 800_006, "Too many entries");
        };
        let mut errors = Vec::new();
        for entry in entries {
            let failed = |info: &str| json!({"mac": text(entry, "mac"), "sn": null, "errorInfo": info});
            let Some(mac) = mac_of(entry) else {
                errors.push(failed("device.mac.invalid"));
                continue;
            };
            if let Some((code, _)) = self.obstacle(&mac) {
                errors.push(failed(&code.to_string()));
                continue;
            }
            let id = self.fresh_id();
            let pin = format!("{:05}", 40_000 + self.devices.len());
            let device = YmcsDevice {
                id,
                is_ours: true,
                unique_url: given(entry, "uniqueServerUrl"),
                server_id: given(entry, "serverId"),
                credentials: credentials(entry),
                pin: Some(pin),
                serial: None,
            };
            self.devices.insert(mac, device);
        }
        Reply::bulk(entries.len(), &errors)
    }

    pub(super) fn change_device(&mut self, id: &str, body: &Value) -> Reply {
        let Some(device) = self.devices.values_mut().find(|device| device.is_ours && device.id == id) else {
            return Reply::parameter("id");
        };
        if text(body, "uniqueServerUrl").len() > 256 {
            return Reply::parameter("uniqueServerUrl");
        }
        if let Some(url) = given(body, "uniqueServerUrl") {
            device.unique_url = Some(url);
        }
        if let Some(server) = given(body, "serverId") {
            device.server_id = Some(server);
        }
        if let Some(credentials) = credentials(body) {
            device.credentials = Some(credentials);
        }
        Reply::nothing()
    }

    pub(super) fn delete_devices(&mut self, body: &Value) -> Reply {
        let ids: Vec<String> = body
            .get("deviceIds")
            .and_then(Value::as_array)
            .map(|ids| ids.iter().filter_map(Value::as_str).map(str::to_lowercase).collect())
            .unwrap_or_default();
        if ids.is_empty() || ids.len() > 200 {
            return Reply::parameter("deviceIds");
        }
        let by_mac = match text(body, "deviceIdType") {
            "mac" => true,
            "id" => false,
            _ => return Reply::parameter("deviceIdType"),
        };
        let mut errors = Vec::new();
        for id in &ids {
            let is_meant = |mac: &String, device: &YmcsDevice| if by_mac { mac == id } else { device.id == *id };
            let before = self.devices.len();
            self.devices.retain(|mac, device| !(device.is_ours && is_meant(mac, device)));
            if self.devices.len() == before {
                errors.push(json!({"field": id, "msg": "The device does not exist"}));
            }
        }
        Reply::bulk(ids.len(), &errors)
    }

    pub(super) fn list_pins(&self, body: &Value) -> Reply {
        let macs = body.get("macs").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let own = macs.filter_map(|mac| Some((mac, self.devices.get(mac).filter(|device| device.is_ours)?)));
        Reply::ok(own.map(|(mac, device)| json!({"mac": mac, "pin": device.pin})).collect())
    }
}
