//! Tests the first steps of an instance without phones: they say what the PBX lacks, and set it up at a click.

use gangway_sim::pbx::AppObject;
use serde_json::json;

use crate::{
    harness::{given, options, watch},
    support::{bench::simulation, gateway::Gateway, options::PASSWORD},
};

#[actix_rt::test]
async fn an_empty_list_shows_what_the_pbx_lacks_and_sets_it_up() {
    let simulation = simulation().start().await.unwrap();
    let mut options = options();
    options.instance.push_str("pbx_apply = true\n");
    let gateway = Gateway::start(&simulation, options).await;
    simulation.pbx.edit_app("usersadmin", |app| app.grants.clear());
    let url = format!("{}/gangway-admin", gateway.instance_url());
    simulation.pbx.add_app(AppObject::new("gangway-admin", &url, PASSWORD).connected());
    simulation.pbx.wait_connected("gangway-admin").await.unwrap();
    watch("setup", &given(&gateway, &json!({}))).await;
    let app = simulation.pbx.board().read(|pbx| pbx.apps["gangway-yealink"].clone());
    assert!(app.websocket && app.services && !app.admin, "{app:?}");
    assert_eq!(simulation.pbx.board().read(|pbx| pbx.apps["usersadmin"].grants.clone()), ["gangway-yealink"]);
    assert_eq!(simulation.pbx.violations(), Vec::<String>::new());
}
