//! Takes the screenshots of the documentation (`make pictures`): the main views with phones. Written only on demand.

use serde_json::json;

use crate::{
    people,
    story::{given, options, watch},
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn pictures_are_taken_when_wanted() {
    let Some(folder) = std::env::var_os("GANGWAY_PICTURES") else { return };
    let folder = std::path::absolute(folder).unwrap();
    let gateway = Gateway::start_with(options()).await;
    people::enter(&gateway, 0..312, |_| {}).await;
    watch("pictures", &given(&gateway, &json!({ "folder": folder, "mac": people::numbered(3) }))).await;
}
