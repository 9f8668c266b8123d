//! A sample phone that uses all features. Templates are validated with it, and `gangway render --vendor` renders it.

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    phone::{
        facet::DevicesState,
        instance::InstanceId,
        record::{Account, AccountUser, Phone},
    },
    settings::{Layers, Scope, SettingRow},
};

/// A sample phone of this vendor and model with one account. Its id is 0, so it is neither cached nor stored.
#[must_use]
pub fn sample_phone(provider: &str, vendor: &str, model: Option<&str>, firmware: Option<&str>, mac: Mac) -> Phone {
    let now = Timestamp::UNIX_EPOCH;
    let mut phone = Phone::new(InstanceId(0), mac, provider, vendor, now);
    phone.device_config.received = Some(now);
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
        phone.device_config.items.insert(name.to_owned(), item);
    }
    phone.model = model.map(str::to_owned);
    phone.firmware = firmware.map(str::to_owned);
    phone.provisioning = 1;
    phone.token = Secret::new("sampletokensampletokensam");
    phone.own.password = Secret::new("SamplePhonePassword1");
    phone.devices.reach(DevicesState::Received, now);
    let user = AccountUser {
        hwid: format!("{vendor}-{mac}"),
        username: "atlantis".to_owned(),
        cn: "Anna Atlantis".to_owned(),
        password: Secret::new("sample-user-password"),
        domain: "example.com".to_owned(),
        dns: "pbx.example.com".to_owned(),
    };
    phone.accounts.push(Account::new(1, user, now));
    phone
}

/// Settings with which a template writes everything it can.
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
