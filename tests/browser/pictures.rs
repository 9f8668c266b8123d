//! Takes the screenshots of the documentation (`make pictures`): the main views with phones. Written only on demand.

use serde_json::json;

use crate::{
    harness::{given, options, watch},
    phone_records,
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn pictures_are_taken_when_wanted() {
    let Some(folder) = std::env::var_os("GANGWAY_PICTURES") else { return };
    let folder = std::path::absolute(folder).unwrap();
    let gateway = Gateway::start_with(options()).await;
    phone_records::enter(&gateway, 0..312, |_| {}).await;
    watch("pictures", &given(&gateway, &json!({ "folder": folder, "mac": phone_records::numbered(3) }))).await;
}
