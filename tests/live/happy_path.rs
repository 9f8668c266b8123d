//! Tests that entering a MAC in Profile is enough to bring a phone into service.

use gangway::phone::facet::{DevicesState, RedirectState, RequestState, UserObjectState};
use gangway_sim::{
    simulation::Simulation,
    yealink_phone::{YealinkModel, model},
};

use crate::support::{bench::Bench, mac};

/// A current desk phone, the smallest one, and one whose firmware supports only the old parameter names.
const DESKS: [(u8, YealinkModel, &str); 3] =
    [(1, model::T54W, "user1"), (2, model::T31P, "user2"), (3, model::T48G_OLD, "user3")];

#[actix_rt::test]
async fn phones_of_three_generations_register_without_manual_steps() {
    let bench = Bench::start().await;
    for (number, model, user) in DESKS {
        let mac = mac(number);
        bench.provisioned(mac, user).await;

        let phone = bench.simulation.add_phone(mac, model);
        let report = phone.boot().await.unwrap();

        assert!(report.registered, "{report:#?}");
        let record = bench.records().wait_done(mac).await;
        let hwid = mac.to_string();
        // E1: the record is complete.
        assert_eq!(record.accounts.len(), 1);
        assert_eq!(record.accounts[0].username, user);
        assert_eq!(record.model.as_deref(), Some(model.name));
        assert_eq!(record.firmware.as_deref(), Some(model.firmware));
        // E2: the device on the user object has its flags.
        let device = bench.simulation.pbx.device(&hwid).unwrap();
        assert_eq!((&device["mr"], &device["tls"], &device["trusted"]), (&true.into(), &true.into(), &true.into()));
        // E3: the device is in Devices, as a third-party device, online, and with its model.
        bench.wait_identified(mac).await;
        bench.simulation.devices.board().read(|state| {
            let device = &state.devices[&hwid];
            assert!(device.online && device.other, "{device:?}");
            assert_eq!((&*device.product, &*device.version), (&*format!("Yealink {}", model.name), model.firmware));
        });
        // E4: the entry at the redirection service points to this phone's own URL.
        assert!(bench.phone_url(mac).contains(record.token.expose()));
        // E5: the phone is registered over TLS.
        let registration = bench.simulation.pbx.registration(&hwid).unwrap();
        assert_eq!(registration.transport, "tls");
        assert_eq!(record.accounts[0].registered_address.as_deref(), Some(registration.addr.as_str()));
    }
    assert_eq!(bench.records().store.phones().len(), DESKS.len());
    bench.assert_no_violation();
}

/// Flags must not be written before the phone has the settings they require.
#[actix_rt::test]
async fn flags_are_written_after_the_first_delivery_and_not_before() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    let record = bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    assert_eq!(record.devices.state, DevicesState::Received);
    assert_eq!(record.request.state, RequestState::NotYet);
    assert_eq!(record.accounts[0].user_object.state, UserObjectState::Pending);
    assert!(bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").is_empty()));
    assert_eq!(bench.simulation.pbx.device(&mac.to_string()).unwrap().get("mr"), None);

    bench.simulation.add_phone(mac, model::T46U).boot().await.unwrap();

    let record = bench.records().wait_flags(mac, UserObjectState::Applied).await;
    let delivered = record.delivery.as_ref().unwrap().at;
    assert!(record.accounts[0].user_object.since >= delivered);
    assert_eq!(bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").len()), 1);
    bench.assert_no_violation();
}

/// The history uses the original wording and contains no secrets.
#[actix_rt::test]
async fn every_call_to_the_redirection_service_is_in_the_history_without_secrets() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;

    let history = bench.records().history(None).await;
    let of_phone = bench.records().history(Some(mac)).await;

    let commands =
        |rows: &[gangway::store::HistoryEntry]| -> Vec<String> { rows.iter().map(|row| row.command.clone()).collect() };
    assert!(commands(&history).contains(&"ADD SERVER".to_owned()), "{history:#?}");
    assert_eq!(commands(&of_phone), ["CHECK DEVICE", "REDIRECT DEVICE"], "{of_phone:#?}");
    let record = bench.records().phone(mac).unwrap();
    let kept = format!("{history:?}");
    for secret in [Simulation::RPS_PASSWORD, record.token.expose(), record.own.password.expose(), "secret-1"] {
        assert!(!kept.contains(secret), "the history holds {secret}: {kept}");
    }
    assert!(history.iter().all(|row| row.vendor == "yealink" && !row.answer.is_empty()), "{history:#?}");
}
