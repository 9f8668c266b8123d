//! Tests light and dark scheme, German and English, a width of 400 pixels, and an accessibility audit.

use serde_json::json;

use crate::{
    harness::{given, options, watch},
    phone_records,
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn schemes_languages_narrow_screens_and_the_audit() {
    let gateway = Gateway::start_with(options()).await;
    phone_records::enter(&gateway, 0..60, |_| {}).await;
    watch("visual", &given(&gateway, &json!({ "mac": phone_records::numbered(3) }))).await;
}
