//! A phone to test with.

use jiff::Timestamp;

use crate::phone::{
    facet::{DevicesState, Facet, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
    instance::InstanceId,
    record::{Account, Credentials, DeviceConfig, Phone, PhoneId, Sysclient, Window},
};

/// A phone just provisioned, nothing done yet.
pub fn phone(now: Timestamp) -> Phone {
    let mut window = Window::default();
    window.open(now, 7);
    Phone {
        id: PhoneId(1),
        instance: InstanceId(1),
        mac: "001565aabbcc".parse().unwrap(),
        provider: "yealink".into(),
        vendor: "yealink".into(),
        model: None,
        firmware: None,
        category: None,
        wanted: Wanted::Active,
        buried: None,
        created: now,
        provisioning: 1,
        code: Some("123456789012".into()),
        token: "abcdefghijklmnopqrstuvwxyz".into(),
        bootstrap: None,
        own: Credentials { user: "001565aabbcc".into(), password: "own".into(), proven: None },
        window,
        sysclient: Sysclient::default(),
        device_config: DeviceConfig::default(),
        redirect_entry: None,
        delivery: None,
        revision: 1,
        devices: Facet::new(DevicesState::Waiting, now),
        redirect: Facet::new(RedirectState::Pending, now),
        request: Facet::new(RequestState::NotYet, now),
        accounts: vec![Account {
            line: 1,
            hwid: "001565aabbcc".into(),
            user_guid: None,
            username: "test_user".into(),
            cn: "Test User".into(),
            password: "secret".into(),
            domain: "example.com".into(),
            dns: "pbx.example.com".into(),
            user_object: Facet::new(UserObjectState::Pending, now),
            flags_written: None,
            flags_provisioning: 0,
            registration: Facet::new(RegistrationState::Unknown, now),
            registered_address: None,
            orphaned: None,
        }],
    }
}
