//! Tests the page in a frame of a client on another origin, where the client provides login, scheme and language.

use serde_json::json;

use crate::{
    harness::{given, watch},
    phone_records,
    support::{
        gateway::Gateway,
        options::{DOMAIN, Options},
        process,
    },
};

#[actix_rt::test]
async fn the_client_logs_in_and_decides_scheme_and_language() {
    let port = process::free_port().port();
    let instance = format!("frame_ancestors = [\"http://127.0.0.1:{port}\"]\n");
    let gateway = Gateway::start_with(Options { instance, ..Options::default() }).await;
    phone_records::enter(&gateway, 0..5, |_| {}).await;
    watch("frame", &given(&gateway, &json!({ "port": port, "domain": DOMAIN }))).await;
}
