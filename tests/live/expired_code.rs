//! Tests that an expired code fails with an error message, is never sent twice, and that a new code resolves the
//! problem.

use gangway::phone::facet::DevicesState;
use gangway_sim::{devices::Station, users::ProvisionRequest, yealink_phone::model};

use crate::support::{
    bench::{Bench, TITLE},
    mac,
};

#[actix_rt::test]
async fn an_expired_code_fails_with_a_sentence_and_a_new_one_heals() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let hwid = mac.to_string();
    let code = bench.simulation.devices.make_code(1, false);
    bench.simulation.devices.expire_code(&code);

    let request = ProvisionRequest { code: Some(code.clone()), ..ProvisionRequest::new(&hwid, "user1", TITLE) };
    let answer = bench.ask(request).await;

    assert!(!answer.ok);
    let sentence = answer.error.unwrap();
    assert!(sentence.to_lowercase().contains("code"), "{sentence}");
    assert!(!sentence.contains(&code), "{sentence}");
    let record = bench.records().wait_devices(mac, DevicesState::NotInDomain).await;
    assert!(record.devices.error.is_some());
    assert_eq!(record.devices.next_attempt, None, "nothing but a new code helps");
    assert_eq!(bench.simulation.devices.count(&hwid, Station::CodeRefused), 1);
    let token = record.token.clone();

    let phone = bench.installed(mac, model::T46U, "user1").await;

    assert!(phone.is_registered());
    assert_eq!(bench.simulation.devices.count(&hwid, Station::CodeRefused), 1, "a refused code is never sent again");
    assert_eq!(bench.records().phone(mac).unwrap().token, token);
    assert_eq!(bench.records().store.phones().len(), 1);
}

/// If an administrator deletes the device in Devices, the gateway reports it. Provisioning again restores the device.
#[actix_rt::test]
async fn a_device_deleted_in_devices_is_reported_and_can_be_added_again() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let hwid = mac.to_string();
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let codes = bench.simulation.devices.count(&hwid, Station::IdentifiedWithCode);

    bench.simulation.devices.forget(&hwid);

    let record = bench.records().wait_devices(mac, DevicesState::NotInDomain).await;
    assert!(record.devices.error.is_some());
    bench.provisioned(mac, "user1").await;
    phone.poll_once().await.unwrap();
    bench.records().wait_done(mac).await;
    assert_eq!(bench.simulation.devices.count(&hwid, Station::IdentifiedWithCode), codes + 1);
    assert_eq!(bench.records().store.phones().len(), 1);
}
