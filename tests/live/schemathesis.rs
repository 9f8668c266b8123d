//! The REST api does what its own document says: asked by a generic tool (Schemathesis, see fixtures/rest) with requests that
//! fit the document and with some that do not, by a token that reads and by one that writes.

use std::{path::Path, process::Command};

use gangway::{sim::yealink_phone::model, store::TokenScope};

use crate::support::{bench::Bench, mac, script::token};

const PROGRAM: &str = "target/schemathesis/bin/schemathesis";

async fn checked(bench: &Bench, token: String, checks: &'static str) {
    assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is not installed: run `make tools`");
    let base = format!("{}/api/v1", bench.gateway.instance_url());
    let done = actix_web::web::block(move || {
        Command::new(PROGRAM)
            .args(["--config-file", "fixtures/rest/schemathesis.toml", "run"])
            .arg(format!("{base}/openapi.json"))
            .args(["--url", &base, "--header", &format!("Authorization: Bearer {token}")])
            // The same requests in every run; few enough for every test run.
            .args(["--generation-deterministic", "--max-examples", "8"])
            .args(["--phases", "examples,coverage,fuzzing", "--workers", "1", "--continue-on-failure", "--no-shrink"])
            // Wrong tokens are answered 401 until there were too many, then 429; tests/live/rest.rs has both.
            .args(["--checks", checks, "--exclude-checks", "ignored_auth"])
            .args(["--request-timeout", "30", "--no-color"])
            .output()
            .unwrap()
    });
    let done = done.await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", String::from_utf8_lossy(&done.stderr));
    // A run that found nothing to ask would succeed, too.
    assert!(said.contains("Tested: 25") && !said.contains("Errored"), "{said}");
}

#[actix_rt::test]
async fn a_generic_tool_finds_nothing_the_document_does_not_say() {
    let bench = Bench::start().await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let writes = token(&bench.gateway, "writes", TokenScope::Write, None).await;
    checked(&bench, writes, "all").await;
    let reads = token(&bench.gateway, "reads", TokenScope::Read, None).await;
    checked(
        &bench,
        reads,
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    )
    .await;
}
