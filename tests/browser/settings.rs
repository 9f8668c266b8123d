//! Tests settings on the page and their effect on a phone's file.

use gangway::{
    phone::record::Phone,
    store::{DeliveredFile, NewEvent},
};
use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use crate::{
    harness::{given, options, play},
    support::{
        bench::{Bench, simulation},
        mac,
    },
};

#[actix_rt::test]
async fn settings_are_checked_layered_and_seen_in_the_file() {
    let bench = Bench::start_in(simulation().users(3).start().await.unwrap(), options()).await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let record = bench.records().phone(mac).unwrap();
    let secrets = ["secret-1", record.own.password.expose(), record.token.expose()];
    let parameters = given(&bench.gateway, &json!({ "mac": mac, "secrets": secrets }));
    play("settings", &parameters, async |step, _| {
        let store = &bench.records().store;
        match step {
            "polls" => {
                phone.poll_once().await.unwrap();
            }
            // A file that is recorded as delivered but not stored yet.
            "half delivered" => {
                let change = |phone: &mut Phone, _: &mut Vec<NewEvent>| {
                    phone.revision += 1;
                    phone.delivery.as_mut().unwrap().etag = "the newest".into();
                };
                store.phones().change(record.id, change).await.unwrap();
            }
            "kept" => {
                let kept = store.deliveries().last(record.id).await.unwrap().unwrap();
                store.deliveries().note(DeliveredFile {
                    phone: record.id,
                    name: kept.name.as_str().into(),
                    at: kept.at,
                    etag: "the newest".into(),
                    body: kept.body.to_vec().into(),
                });
            }
            other => panic!("{other}"),
        }
        Value::Null
    })
    .await;
}
