//! Tests provisioning from the page: a single phone and whole files.

use serde_json::json;

use crate::{
    harness::{given, options, watch},
    support::{
        bench::{Bench, simulation},
        mac,
    },
};

#[actix_rt::test]
async fn files_are_checked_while_pasted_and_imported_once() {
    let bench = Bench::start_in(simulation().users(5).start().await.unwrap(), options()).await;
    let macs: Vec<_> = (1..5).map(mac).collect();
    watch("import", &given(&bench.gateway, &json!({ "macs": macs }))).await;
    bench.assert_no_violation();
}
