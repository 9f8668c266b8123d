//! Tests that clients of PBXs may show the page in a frame, even before their PBX has reconnected after a restart of
//! the gateway.

use crate::support::{bench::Bench, gateway::Gateway, http, options::Options};

fn policy(bench: &Bench) -> String {
    let page = http::get(&format!("{}/gangway-admin.htm", bench.gateway.instance_url()), "browser");
    page.header("content-security-policy").expect("the page has a policy").to_owned()
}

#[actix_rt::test]
async fn the_first_page_after_a_restart_may_be_framed() {
    let mut bench = Bench::start().await;
    let origin = format!("http://pbx.{}", bench.simulation.domain());
    assert!(policy(&bench).contains(&origin), "{}", policy(&bench));
    let kept = async {
        while bench.records().store.learned().frame_hosts(bench.records().instance).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::records::TIMEOUT, kept).await.expect("the name of the PBX is kept");

    bench.simulation.pbx.go_away();
    bench.gateway.restart().await;
    let policy = policy(&bench);
    assert!(policy.contains(&origin), "{policy}");
    let ancestors = policy.split("frame-ancestors").nth(1).unwrap();
    assert_eq!(ancestors.split_whitespace().collect::<Vec<_>>(), ["'self'", &origin], "nobody else");
}

/// Every file of the page has the headers that protect the browser. Strict transport security is sent only if the
/// client uses HTTPS.
#[actix_rt::test]
async fn no_answer_of_the_page_goes_without_its_headers() {
    let options = Options { trusted_proxies: "127.0.0.1/32".into(), ..Options::default() };
    let gateway = Gateway::start_with(options).await;
    let base = gateway.instance_url();
    let start = http::get(&format!("{base}/admin/"), "browser").text();
    let script = start.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the page has a script");
    let script = format!("admin/{script}");
    for (method, path, status) in [
        ("GET", "gangway-admin.htm", 200),
        ("GET", "gangway-admin.png", 200),
        ("GET", "admin/", 200),
        ("GET", "admin", 308),
        ("GET", script.as_str(), 200),
        ("POST", "admin/", 405),
    ] {
        for (proto, strict) in [("http", false), ("https", true)] {
            let answer = http::request(method, &format!("{base}/{path}"), &[("X-Forwarded-Proto", proto)], b"");
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {path}");
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{method} {path}");
            assert_eq!(answer.header("strict-transport-security").is_some(), strict, "{method} {path} {proto}");
            let is_page = status == 200 && (path.ends_with('/') || path.ends_with(".htm"));
            let policy = answer.header("content-security-policy").unwrap_or_default();
            assert_eq!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'self'"), is_page);
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }
}
