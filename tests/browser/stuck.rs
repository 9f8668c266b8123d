//! Tests that a phone's page names its problem and offers the button that helps.

use gangway::{
    phone::facet::{DevicesState, RedirectState},
    settings::Scope,
    store::NewEvent,
};
use gangway_base::mac::Mac;
use gangway_sim::{
    users::ProvisionRequest,
    yealink_phone::{YealinkPhone, model},
};
use serde_json::{Value, json};

use crate::{
    harness::{given, options, play},
    support::{
        bench::{Bench, TITLE, simulation},
        mac,
    },
};

/// Handles the requests of the scenario.
async fn act(bench: &Bench, installed: &mut Option<YealinkPhone>, step: &str, with: &Value) {
    let mac: Mac = with["mac"].as_str().unwrap().parse().unwrap();
    let user = with["user"].as_str().unwrap_or_default();
    let request = ProvisionRequest::new(&mac.to_string(), user, TITLE);
    match (step, installed.as_ref()) {
        ("provision", _) => bench.provisioned(mac, user).await,
        ("foreign", _) => {
            bench.simulation.rps.add_foreign_phone(mac, "https://elsewhere.example/");
            assert!(!bench.ask(request).await.ok);
        }
        ("released elsewhere", _) => {
            bench.simulation.rps.board().change(|state| state.phones.remove(&mac.to_string()));
        }
        ("late", _) => {
            let code = bench.simulation.devices.make_code(1, false);
            bench.simulation.devices.expire_code(&code);
            assert!(!bench.ask(ProvisionRequest { code: Some(code), ..request }).await.ok);
            bench.records().wait_devices(mac, DevicesState::NotInDomain).await;
        }
        ("lonely", _) => {
            assert!(bench.ask(ProvisionRequest { write_device: false, ..request }).await.ok);
            bench.records().wait_redirect(mac, RedirectState::Redirected).await;
            let _ = bench.simulation.add_phone(mac, model::T46U).boot().await;
        }
        ("install", _) => *installed = Some(bench.installed(mac, model::T46U, user).await),
        ("reset", Some(phone)) => {
            phone.poll_once().await.unwrap();
            bench.records().wait_phone(mac, "its window closed", |phone| phone.window.closed.is_some()).await;
            phone.factory_reset();
            assert!(!phone.boot().await.unwrap().registered);
        }
        ("comes", Some(phone)) => {
            phone.factory_reset();
            assert!(phone.boot().await.unwrap().registered);
        }
        ("forgotten", _) => bench.simulation.devices.forget(&mac.to_string()),
        ("written long ago", _) => {
            let id = bench.records().phone(mac).unwrap().id;
            let event = NewEvent::new("registered", "Written long ago.");
            bench.records().store.phones().change(id, |_, events| events.push(event)).await.unwrap();
        }
        ("polls", Some(phone)) => {
            phone.poll_once().await.unwrap();
        }
        ("no account", _) => {
            let (store, instance) = (&bench.records().store, bench.records().instance);
            store.settings().set_one(instance, &Scope::Instance, "redirect.yealink.password", None).await.unwrap();
            bench.provisioned(mac, user).await;
        }
        (other, _) => panic!("{other}"),
    }
}

#[actix_rt::test]
async fn every_cause_has_its_sentence_and_its_button() {
    let bench = Bench::start_in(simulation().users(9).start().await.unwrap(), options()).await;
    let macs = json!({
        "waits": mac(1), "foreign": mac(2), "late": mac(3), "lonely": mac(4), "works": mac(5), "bare": mac(6),
    });
    let mut installed = None;
    play("stuck", &given(&bench.gateway, &macs), async |step, with| {
        act(&bench, &mut installed, step, with).await;
        Value::Null
    })
    .await;
    bench.assert_no_violation();
}
