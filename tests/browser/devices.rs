//! Tests the phone list: columns, search, filters, sorting, ten thousand rows, keyboard.

use gangway::phone::facet::Wanted;
use serde_json::json;

use crate::{
    harness::{given, options, watch},
    phone_records,
    support::gateway::Gateway,
};

#[actix_rt::test]
async fn phones_are_found_filtered_sorted_and_reached_by_keyboard() {
    let gateway = Gateway::start_with(options()).await;
    phone_records::enter(&gateway, 0..120, |_| {}).await;
    watch("devices", &given(&gateway, &json!({ "phones": 120, "mac": phone_records::numbered(77) }))).await;
}

#[actix_rt::test]
async fn ten_thousand_rows_scroll() {
    let gateway = Gateway::start_with(options()).await;
    // Blocked phones are not processed by the engine, so the list shows the records as entered.
    phone_records::enter(&gateway, 0..10_000, |phone| phone.wanted = Wanted::Blocked).await;
    watch("many", &given(&gateway, &json!({ "phones": 10_000 }))).await;
}
