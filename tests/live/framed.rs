//! Clients of PBXs may show the page in a frame, also before their PBX is back after a restart of the gateway.

use std::time::Duration;

use crate::support::{bench::Bench, http};

fn policy(bench: &Bench) -> String {
    let page = http::get(&format!("{}/gangway-admin.htm", bench.gateway.instance_url()), "browser");
    page.header("content-security-policy").expect("the page has a policy").to_owned()
}

#[actix_rt::test]
async fn the_first_page_after_a_restart_may_be_framed() {
    let mut bench = Bench::start().await;
    let origin = format!("http://pbx.{}", bench.world.domain());
    assert!(policy(&bench).contains(&origin), "{}", policy(&bench));
    let kept = async {
        while bench.records().store.facts_beginning("frame.hosts").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), kept).await.expect("the name of the PBX is kept");

    bench.world.pbx.go_away();
    bench.gateway.restart().await;
    let policy = policy(&bench);
    assert!(policy.contains(&origin), "{policy}");
    let ancestors = policy.split("frame-ancestors").nth(1).unwrap();
    assert_eq!(ancestors.split_whitespace().collect::<Vec<_>>(), ["'self'", &origin], "nobody else");
}
