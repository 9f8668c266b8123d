//! Tests the client with npm's reference implementation of Hawk as the service, with payload validation.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use gangway::{
    net::http::{HttpClient, Method, Request},
    redirect::{EntryUsed, Operation, RedirectResult},
};
use gangway_base::{mac::Mac, secret::Secret};
use serde_json::{Value, json};
use url::Url;

use crate::bench::{Bench, PASSWORD, USER, entry, register, unique_url};

const PLACE: &str = "target/hawk";

/// The service. It is stopped when the test ends, even on failure.
struct Node {
    child: Child,
    base: String,
}

impl Node {
    fn start(secret: &str, ahead: i64) -> Self {
        let installed = Command::new("tests/npm.sh").args(["fixtures/redirect/hawk", PLACE, "hawk"]).status();
        assert!(
            installed.as_ref().is_ok_and(std::process::ExitStatus::success),
            "node, npm and its package hawk are needed as the witness of our signatures: run `make tools` once with the \
             package registry in reach ({installed:?})"
        );
        let mut child = Command::new("node")
            .args(["fixtures/redirect/hawk/server.js", PLACE, USER, secret, &ahead.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is needed: it plays the redirect service");
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "the service did not start");
        Self { child, base: format!("http://127.0.0.1:{}", port.trim()) }
    }

    fn api(&self) -> String {
        format!("{}/api/v1/", self.base)
    }

    async fn state(&self, client: &HttpClient) -> Value {
        let url = Url::parse(&format!("{}/state", self.base)).unwrap();
        serde_json::from_slice(&client.send(Request::new(Method::Get, url)).await.unwrap().body).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mac() -> Mac {
    "000413aabbcc".parse().unwrap()
}

#[actix_rt::test]
async fn the_reference_server_believes_every_call_and_we_its_answers() {
    // The service's clock is correct, ahead, and behind.
    for ahead in [0, 7200, -7200] {
        let node = Node::start(PASSWORD, ahead);
        let bench = Bench::new("snom-sraps", &node.api());
        assert_eq!(bench.run(Operation::Probe).await.label(), "ok");
        assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
        let state = node.state(&bench.client).await;
        let written = json!({
            "mac": "000413aabbcc",
            "autoprovisioning_enabled": true,
            "settings_manager": {"uuid-44": {"value": unique_url(), "attrs": {"perm": "RW"}}}
        });
        assert_eq!(state["phones"]["000413aabbcc"], written);
        let verify = Operation::Verify { mac: mac(), url: Secret::new(unique_url()) };
        assert_eq!(bench.run(verify).await, RedirectResult::AlreadyMine);
        assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await.label(), "ok");
        let state = node.state(&bench.client).await;
        let refused = if ahead == 0 { json!([]) } else { json!(["Stale timestamp"]) };
        assert_eq!(state["refused"], refused, "learned once, then kept");
        let paths: Vec<&str> = state["believed"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert_eq!(
            paths,
            [
                "GET /api/v1/tokens/reseller",
                "GET /api/v1/tokens/reseller",
                "GET /api/v1/companies/c1",
                "GET /api/v1/settings/?page_size=1000",
                "GET /api/v1/settings/?page_size=20&page=2",
                "GET /api/v1/settings/?page_size=20&page=3",
                "GET /api/v1/companies/c1/endpoints/000413aabbcc",
                "PUT /api/v1/companies/c1/endpoints/000413aabbcc",
                "GET /api/v1/companies/c1/endpoints/000413aabbcc",
                "DELETE /api/v1/companies/c1/endpoints/000413aabbcc",
            ]
        );
        let stale = bench.history.take().iter().filter(|entry| entry.outcome.sentence().contains("clock")).count();
        assert_eq!(stale, usize::from(ahead != 0));
    }
}

#[actix_rt::test]
async fn another_secret_is_another_secret() {
    let node = Node::start("not ours", 7200);
    let bench = Bench::new("snom-sraps", &node.api());
    assert_eq!(bench.run(Operation::Probe).await, RedirectResult::AuthFailed);
    assert_eq!(node.state(&bench.client).await["refused"], json!(["Bad mac"]));
}
