//! Tests that the page shows events of the gateway within a second and survives a restart of the gateway.

use gangway::{phone::facet::Wanted, settings::Scope};
use gangway_base::{mac::Mac, secret::Secret};
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    harness::{given, options, play},
    phone_records,
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn changes_new_phones_and_a_restart_are_seen() {
    let gateway = Gateway::start_with(options()).await;
    phone_records::enter(&gateway, 0..40, |phone| phone.wanted = Wanted::Blocked).await;
    let parameters = given(&gateway, &json!({ "mac": phone_records::numbered(5), "new": phone_records::numbered(40) }));
    let gateway = Mutex::new(gateway);
    play("live", &parameters, async |step, with| {
        let mut gateway = gateway.lock().await;
        match step {
            "firmware" => {
                let mac: Mac = with["mac"].as_str().unwrap().parse().unwrap();
                let phone = gateway.records().phone(mac).unwrap();
                let firmware = with["firmware"].as_str().unwrap().to_owned();
                let store = &gateway.records().store;
                store.phones().change(phone.id, move |phone, _| phone.firmware = Some(firmware)).await.unwrap();
            }
            "wanted" => {
                let (store, instance) = (&gateway.records().store, gateway.records().instance);
                let wanted = Secret::new(with["firmware"].as_str().unwrap());
                let scope = Scope::Phone(with["mac"].as_str().unwrap().parse().unwrap());
                store.settings().set_one(instance, &scope, "firmware_version", Some(&wanted)).await.unwrap();
            }
            "enter" => {
                phone_records::enter(&gateway, 40..41, |phone| phone.accounts[0].cn = "Aaron First".into()).await;
            }
            "stop" => gateway.stop(),
            "start" => gateway.restart().await,
            other => panic!("{other}"),
        }
        json!(null)
    })
    .await;
}

#[actix_rt::test]
async fn a_page_of_an_older_build_loads_itself_anew() {
    let gateway = Gateway::start_with(options()).await;
    crate::harness::watch("older", &given(&gateway, &json!({}))).await;
}
