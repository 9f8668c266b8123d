//! Tests light and dark scheme, German and English, a width of 400 pixels, and an accessibility audit.

use serde_json::json;

use crate::{
    people,
    story::{given, options, watch},
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn schemes_languages_narrow_screens_and_the_audit() {
    let gateway = Gateway::start_with(options()).await;
    people::enter(&gateway, 0..60, |_| {}).await;
    watch("look", &given(&gateway, &json!({ "mac": people::numbered(3) }))).await;
}
