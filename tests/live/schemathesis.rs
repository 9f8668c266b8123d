//! Tests that the REST API conforms to its OpenAPI document. Schemathesis (see fixtures/rest) sends valid and invalid
//! requests with a read token and with a write token.

use std::{path::Path, process::Command};

use gangway::store::TokenScope;
use gangway_sim::yealink_phone::model;

use crate::support::{bench::Bench, mac, script::token};

const PROGRAM: &str = "target/schemathesis/bin/schemathesis";

async fn checked(bench: &Bench, token: String, checks: &'static [&'static str]) {
    assert!(Path::new(PROGRAM).exists(), "{PROGRAM} is not installed: run `make tools`");
    let here = std::env::current_dir().unwrap();
    let base = format!("{}/api/v1", bench.gateway.instance_url());
    let done = actix_web::web::block(move || {
        // Schemathesis leaves a cache in its working directory.
        let elsewhere = tempfile::tempdir().unwrap();
        Command::new(here.join(PROGRAM))
            .current_dir(elsewhere.path())
            .arg("--config-file")
            .arg(here.join("fixtures/rest/schemathesis.toml"))
            .arg("run")
            .arg(format!("{base}/openapi.json"))
            .args(["--url", &base, "--header", &format!("Authorization: Bearer {token}")])
            // The same requests in every run, and few enough for every test run.
            .args(["--generation-deterministic", "--max-examples", "8", "--phases", "examples,coverage,fuzzing"])
            .args(["--workers", "1", "--continue-on-failure", "--no-shrink", "--request-timeout", "30", "--no-color"])
            .args(checks)
            .output()
            .unwrap()
    });
    let done = done.await.unwrap();
    let printed = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{printed}\n{}", String::from_utf8_lossy(&done.stderr));
    // A run without any requests would succeed, too.
    let number = |name: &str| printed.split(name).nth(1)?.split(['/', '\n']).next()?.trim().parse::<u32>().ok();
    assert!(number("Selected:") == number("Tested:") && number("Tested:") >= Some(24), "{printed}");
}

#[actix_rt::test]
async fn a_generic_tool_finds_nothing_the_document_does_not_say() {
    let bench = Bench::start().await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let writes = token(&bench.gateway, "writes", TokenScope::Write, None).await;
    checked(&bench, writes, &[]).await;
    let reads = token(&bench.gateway, "reads", TokenScope::Read, None).await;
    checked(
        &bench,
        reads,
        &[
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ],
    )
    .await;
}
