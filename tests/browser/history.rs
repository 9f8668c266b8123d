//! Tests the tab "RPS history".

use std::time::Duration;

use gangway::store::HistoryEntry;
use gangway_base::mac::Mac;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    harness::{given, options, play},
    support::{gateway::Gateway, mac},
};

const HOSTILE: &str = "<script>window.hacked=1</script><img src=x onerror=alert(1)>";

fn entry(gateway: &Gateway, mac: Mac, at: Timestamp, outcome: String, answer: String) -> HistoryEntry {
    HistoryEntry {
        instance: gateway.records().instance,
        phone: None,
        mac: Some(mac),
        vendor: "yealink".into(),
        command: "CHECK DEVICE".into(),
        at,
        took: Duration::from_millis(7),
        outcome,
        answer,
    }
}

#[actix_rt::test]
async fn the_history_is_filtered_saved_and_pruned() {
    let gateway = Gateway::start_with(options()).await;
    // Older than what is pruned below, but newer than what the gateway prunes automatically.
    let old = gangway_base::clock::Clock::now(&gangway_base::clock::SystemClock) - SignedDuration::from_hours(24 * 60);
    for number in 0..150_u8 {
        let (mac, answer) = match number {
            3 => (mac(200), HOSTILE.to_owned()),
            _ => (mac(number % 100), "ä\"\n".repeat(600)),
        };
        let outcome = format!("=HYPERLINK number {number} ");
        gateway.records().store.redirect_history().add(entry(&gateway, mac, old, outcome, answer)).await.unwrap();
    }
    let parameters = given(&gateway, &json!({ "mac": mac(200), "hostile": HOSTILE }));
    play("history", &parameters, async |step, _| {
        assert_eq!(step, "call");
        let now = gangway_base::clock::Clock::now(&gangway_base::clock::SystemClock);
        let newest = entry(&gateway, mac(7), now, "the newest".into(), String::new());
        gateway.records().store.redirect_history().add(newest).await.unwrap();
        Value::Null
    })
    .await;
}
