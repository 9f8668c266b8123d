//! Tests the audit entries of every REST route.

use gangway::{
    api::rest::{ROUTES, Route},
    service::action::Action,
    store::TokenScope,
};
use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use super::Audit;
use crate::support::{
    bench::{Bench, simulation},
    mac,
    options::Options,
    page::Page,
    script::{Script, body},
};

const ROBOT: (&str, &str, &str) = ("token robot", "rest", "127.0.0.1");
const CSV: &[(&str, &str)] = &[("Content-Type", "text/csv")];

/// Query and body of a route that changes something, the expected status, and the expected audit entry.
fn change(route: &Route) -> (&'static str, Value, u16, &'static str) {
    match (route.method, route.path) {
        ("POST", "/phones/{mac}/actions/{action}") => ("", json!({}), 202, "Block"),
        ("POST", "/resync") => ("", json!({ "macs": [mac(1)] }), 202, "Have the phone come now"),
        ("DELETE", "/history") => ("?olderThanDays=30", json!({}), 200, "drop the redirect history older than 30 days"),
        ("PATCH", "/settings") => {
            ("", json!({ "values": { "ldap_password": "canary" } }), 204, "set ldap_password to ***")
        }
        ("POST", "/vendors/{vendor}/redirect-test") => ("", json!({}), 200, "try the account at the redirect service"),
        ("POST", "/import") => {
            ("?category=1", json!("mac;user;password\n805ec0123409;user5;secret-5\n"), 202, "import 1 lines")
        }
        ("POST", "/notices/thaw") => ("", json!({ "address": "192.0.2.7" }), 200, "end the freeze of 192.0.2.7"),
        ("DELETE", "/import") => ("", json!({}), 204, "end the import"),
        (method, path) => panic!("{method} {path}: say here what the audit tells of it"),
    }
}

#[actix_rt::test]
async fn every_change_by_rest_is_written_down() {
    let bench = Bench::start_in(simulation().users(9).start().await.unwrap(), Options::default()).await;
    bench.installed(mac(1), model::T46U, "user1").await;
    Page::open(&bench.simulation, &bench.gateway.socket_url()).await.until_devices().await;
    let script = Script::new(&bench.gateway, "robot", TokenScope::Write).await;
    let records = bench.records();
    let mut audit = Audit::new(&records.store, records.instance).await;

    // A blocked phone does not connect, so blocking comes last.
    let mut routes: Vec<&Route> = ROUTES.into_iter().flatten().collect();
    routes.sort_by_key(|route| (route.method != "GET", route.path.contains("{action}")));
    for route in routes {
        let path = route.path.replace("{mac}", &mac(1).to_string()).replace("{vendor}", "yealink");
        let path = path.replace("{action}", "block");
        let what = format!("{} {}", route.method, route.path);
        if route.method == "GET" {
            assert_eq!(script.get(&path).await.status, 200, "{what}");
            audit.assert_nothing(&what).await;
            continue;
        }
        let (query, body, status, deed) = change(route);
        let path = format!("{path}{query}");
        let answer = match &body {
            Value::String(table) => script.send(route.method, &path, CSV, table.as_bytes()).await,
            body => script.change(route.method, &path, body).await,
        };
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
        audit.assert_has(&what, deed, ROBOT).await;
    }
}

#[actix_rt::test]
async fn the_document_names_every_action() {
    let bench = Bench::start().await;
    let document = body(&Script::with(&bench.gateway, "").get("/openapi.json").await);
    let mut named: Vec<&str> = document["components"]["schemas"]["ActionName"]["enum"]
        .as_array()
        .unwrap_or_else(|| panic!("{document}"))
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let mut known: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}
