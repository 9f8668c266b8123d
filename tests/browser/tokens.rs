//! Tests creating, using and revoking tokens for scripts, and their audit entries.

use serde_json::json;

use crate::{
    harness::{given, options, watch},
    phone_records,
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn a_token_is_shown_once_opens_the_api_and_ends_at_a_click() {
    let gateway = Gateway::start_with(options()).await;
    phone_records::enter(&gateway, 0..3, |_| {}).await;
    watch("tokens", &given(&gateway, &json!({ "mac": phone_records::numbered(1) }))).await;
}
