//! Tests global notices: they are shown above every view with the required action, and disappear with their cause.

use gangway::store::NamedUrls;
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
async fn notices_name_what_is_wrong_and_go_with_it() {
    let bench = Bench::start_in(simulation().users(3).start().await.unwrap(), options()).await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let mark = |services: bool| {
        bench.simulation.pbx.edit_app("gangway-yealink", |app| app.services = services);
        // A PBX reopens the websocket of a changed object.
        bench.simulation.pbx.drop_link("gangway-yealink");
    };
    let (store, instance) = (&bench.records().store, bench.records().instance);
    let conflict = async |urls: Option<&str>| {
        let known = store.learned().urls_of(instance, "yealink");
        let urls = NamedUrls { conflict: urls.map(str::to_owned), ..known };
        store.learned().set_urls(instance, "yealink", urls).await.unwrap();
    };
    play("notices", &given(&bench.gateway, &json!({})), async |step, _| {
        match step {
            "tick away" => mark(false),
            "tick back" => mark(true),
            "two urls" => conflict(Some("https://a.example, https://b.example")).await,
            "one url" => conflict(None).await,
            "pbx away" => bench.simulation.pbx.go_away(),
            "pbx back" => bench.simulation.pbx.come_back(),
            other => panic!("{other}"),
        }
        Value::Null
    })
    .await;
}
