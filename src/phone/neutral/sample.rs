//! A phone that uses everything: templates are checked with it, and `gangway render --vendor` shows it.

use jiff::Timestamp;
use serde_json::json;

use crate::{
    phone::{
        facet::{DevicesState, Facet, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        instance::InstanceId,
        mac::Mac,
        record::{Account, Credentials, DeviceConfig, Phone, PhoneId, Sysclient, Window},
        settings::{Layers, Scope, SettingRow},
    },
    secret::Secret,
};

/// A sample phone of that vendor and model, with one account. Its id is 0: never cached, never stored.
#[must_use]
pub fn sample_phone(provider: &str, vendor: &str, model: Option<&str>, firmware: Option<&str>, mac: Mac) -> Phone {
    let now = Timestamp::UNIX_EPOCH;
    let mut device_config = DeviceConfig { received: Some(now), ..DeviceConfig::default() };
    for (name, item) in [
        (
            "NTP",
            json!({"type": "NTP", "ntp1": "ntp1.example.com", "ntp2": "ntp2.example.com", "tz": "CET-1CEST-2,M3.5.0/2,M10.5.0/3"}),
        ),
        ("PHONE", json!({"type": "PHONE", "coder": "G722", "srtpKey": "2"})),
        (
            "MEDIA",
            json!({"type": "MEDIA", "stunServer": "stun.example.com", "turnServer": "turn.example.com:3479",
                "turnUser": "turner", "turnPassword": "sample-turn-password"}),
        ),
    ] {
        device_config.items.insert(name.to_owned(), item);
    }
    Phone {
        id: PhoneId(0),
        instance: InstanceId(0),
        mac,
        provider: provider.to_owned(),
        vendor: vendor.to_owned(),
        model: model.map(str::to_owned),
        firmware: firmware.map(str::to_owned),
        category: None,
        wanted: Wanted::Active,
        buried: None,
        created: now,
        provisioning: 1,
        code: None,
        token: Secret::new("sampletokensampletokensam"),
        bootstrap: None,
        own: Credentials { user: mac.to_string(), password: Secret::new("SamplePhonePassword1"), proven: None },
        window: Window::default(),
        sysclient: Sysclient::default(),
        device_config,
        redirect_entry: None,
        delivery: None,
        revision: 1,
        devices: Facet::new(DevicesState::Received, now),
        redirect: Facet::new(RedirectState::Pending, now),
        request: Facet::new(RequestState::NotYet, now),
        accounts: vec![Account {
            line: 1,
            hwid: format!("{vendor}-{mac}"),
            user_guid: None,
            username: "atlantis".to_owned(),
            cn: "Anna Atlantis".to_owned(),
            password: Secret::new("sample-user-password"),
            domain: "example.com".to_owned(),
            dns: "pbx.example.com".to_owned(),
            user_object: Facet::new(UserObjectState::Pending, now),
            flags_written: None,
            flags_provisioning: 0,
            registration: Facet::new(RegistrationState::Unknown, now),
            registered_address: None,
            orphaned: None,
        }],
    }
}

/// Settings that make a template write everything it can.
#[must_use]
pub fn sample_layers() -> Layers {
    let row = |(name, value): (&str, &str)| SettingRow {
        scope: Scope::Instance,
        name: name.to_owned(),
        value: Secret::new(value),
    };
    let values = [
        ("language", "de"),
        ("location", "DE"),
        ("outbound_proxy", "proxy.example.com"),
        ("media_relay", "false"),
        ("ldap_server", "pbx.example.com"),
        ("ldap_user", "pbx.example.com\\atlantis"),
        ("ldap_password", "sample-ldap-password"),
        ("firmware_url", "https://firmware.example.com/phone.rom"),
        ("wallpaper_url", "https://files.example.com/wallpaper.png"),
        ("syslog_server", "log.example.com"),
        (
            "line_keys",
            r#"[{"key":1,"type":"line"},{"key":2,"type":"blf","value":"1002","label":"Bob","pickup":"*8"},{"key":3,"type":"speed_dial","value":"+49711"},{"key":5,"type":"dnd"},{"key":6,"type":"none"}]"#,
        ),
    ];
    Layers::new(values.into_iter().map(row).collect(), 1)
}
