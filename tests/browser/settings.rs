//! Settings on the page, and what they do to a phone's file.

use gangway::sim::yealink_phone::model;
use serde_json::{Value, json};

use crate::{
    story::{given, options, play},
    support::{
        bench::{Bench, world},
        mac,
    },
};

#[actix_rt::test]
async fn settings_are_checked_layered_and_seen_in_the_file() {
    let bench = Bench::start_in(world().users(3).start().await.unwrap(), options()).await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let record = bench.records().phone(mac).unwrap();
    let secrets = ["secret-1", record.own.password.expose(), record.token.expose()];
    let told = given(&bench.gateway, &json!({ "mac": mac, "secrets": secrets }));
    play("settings", &told, async |asked, _| {
        assert_eq!(asked, "polls");
        phone.poll_once().await.unwrap();
        Value::Null
    })
    .await;
}
