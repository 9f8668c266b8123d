//! Tests against variants of PBXs, Devices services and redirection services where their documents are ambiguous. A
//! phone must register with all of them (innovaphone reference, questions answered with defaults and tolerant parsing).

use gangway::phone::facet::{RedirectState, UserObjectState};
use gangway_sim::{simulation::Simulation, yealink_phone::model};

use crate::support::{
    bench::{Bench, TITLE, comes_up, simulation},
    mac,
    options::Options,
};

/// Installs a phone in a simulation modified by `change`.
async fn rings_in(change: impl FnOnce(&Simulation)) {
    let simulation = simulation().start().await.unwrap();
    change(&simulation);
    let bench = Bench::start_in(simulation, Options::default()).await;
    bench.installed(mac(1), model::T46U, "user1").await;
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn services_may_be_listed_without_the_member_apis() {
    rings_in(|simulation| simulation.pbx.switch(|switches| switches.flat_services_info = true)).await;
}

#[actix_rt::test]
async fn an_object_may_hold_nothing_but_what_was_asked_for() {
    rings_in(|simulation| simulation.pbx.switch(|switches| switches.bare_properties = true)).await;
}

#[actix_rt::test]
async fn devices_may_know_only_the_older_login_request() {
    rings_in(|simulation| simulation.devices.switch(|switches| switches.only_login_info = true)).await;
}

#[actix_rt::test]
async fn the_end_of_the_configuration_may_be_marked_inside_it() {
    rings_in(|simulation| simulation.devices.switch(|switches| switches.last_inside_config = true)).await;
}

#[actix_rt::test]
async fn the_end_of_the_configuration_may_come_alone() {
    rings_in(|simulation| simulation.devices.switch(|switches| switches.bare_last = true)).await;
}

#[actix_rt::test]
async fn answers_of_the_redirection_service_may_be_indented() {
    rings_in(|simulation| simulation.rps.switch(|switches| switches.pretty = true)).await;
}

/// If a PBX accepts a flag but does not store it, the gateway detects this by reading it back. The phone still works.
#[actix_rt::test]
async fn a_flag_that_does_not_stick_is_reported() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.simulation.pbx.switch(|switches| switches.mr_does_not_stick = true);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    comes_up(&bench.simulation.add_phone(mac, model::T46U)).await;

    let record = bench.records().wait_flags(mac, UserObjectState::DidNotStick).await;

    assert!(record.accounts[0].user_object.error.is_some());
    bench.assert_no_violation();
}

/// If the device entry is missing on the user object, the gateway reports it and does not create one.
#[actix_rt::test]
async fn a_missing_device_entry_is_reported_and_not_created() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    bench.simulation.pbx.delete_device(&mac.to_string());
    bench.simulation.add_phone(mac, model::T46U).boot().await.unwrap();

    bench.records().wait_flags(mac, UserObjectState::DeviceNotFound).await;

    assert_eq!(bench.simulation.pbx.device(&mac.to_string()), None);
    assert!(bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").is_empty()));
}

/// An administrator who opens the phone's page in Devices gets an answer instead of a timeout.
#[actix_rt::test]
async fn a_request_through_the_tunnel_is_answered_with_a_page() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let request = b"GET / HTTP/1.1\r\nHost: phone\r\n\r\n";
    let answer = bench.simulation.devices.tunnel_request(&mac.to_string(), request).await.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    for secret in ["secret-1", bench.records().phone(mac).unwrap().token.expose()] {
        assert!(!text.contains(secret), "{text}");
    }
    // A command that is answered with 200 would look carried out.
    for (request, status) in [
        ("GET /!mod%20cmd%20UP0%20/sync%20prot HTTP/1.1\r\nHost: phone\r\n\r\n", "404"),
        ("POST /CMD0/mod_cmd.xml HTTP/1.1\r\nHost: phone\r\nContent-Length: 0\r\n\r\n", "501"),
    ] {
        let answer = bench.simulation.devices.tunnel_request(&mac.to_string(), request.as_bytes()).await.unwrap();
        assert!(answer.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{request}");
    }
    // Invalid data inside and outside the tunnel is harmless.
    for bytes in [vec![], vec![2], vec![1, 0, 0, 0], vec![9; 300], b"\x01\x00\x00\x04{".to_vec()] {
        assert!(bench.simulation.devices.send_raw(&mac.to_string(), bytes));
    }
    let again = bench.simulation.devices.tunnel_request(&mac.to_string(), request).await.unwrap();
    assert_eq!(again, answer);
}

/// Some PBX firmware may look for the list of APIs under the name that one page of the documents misspells.
#[actix_rt::test]
async fn the_misspelt_name_of_the_published_apis_is_a_matter_of_configuration() {
    for (configured, appears) in [("misspelt_service_info = true", true), ("", false)] {
        let simulation = simulation().start().await.unwrap();
        simulation.pbx.switch(|switches| switches.reads_misspelt_info = true);
        let options = Options { instance: configured.to_owned(), ..Options::default() };
        let bench = Bench::start_in(simulation, options).await;
        let provider = bench.simulation.pbx.board().read(|pbx| pbx.provider(TITLE));
        assert_eq!(provider.is_some(), appears, "{configured}");
        if appears {
            bench.provisioned(mac(1), "user1").await;
        }
    }
}

/// `pbxObj` names the object that grants access. It is covered by no digest, and some PBXs leave it out.
#[actix_rt::test]
async fn a_service_login_without_pbx_obj_is_as_good() {
    let simulation = simulation().start().await.unwrap();
    simulation.pbx.switch(|switches| switches.no_pbx_obj = true);
    let bench = Bench::start_in(simulation, Options::default()).await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let known = |phone: &gangway::phone::record::Phone| phone.devices_domain.is_some();
    bench.records().wait_phone(mac(1), "its domain, from the link to Devices", known).await;
}
