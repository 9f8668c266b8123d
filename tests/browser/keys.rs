//! Tests editing line keys as a table, with the keyboard only and with errors shown next to their rows.

use serde_json::json;

use crate::{
    harness::{given, options, watch},
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn line_keys_are_edited_row_by_row() {
    let gateway = Gateway::start_with(options()).await;
    watch("keys", &given(&gateway, &json!({}))).await;
}
