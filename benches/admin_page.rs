//! Measures the admin page with 10,000 phones: the time from login to rows in a real browser, the bytes transferred,
//! and what 50 open pages cost a phone's GET while 1,000 phones change per second. Run by `make bench`; needs
//! `make tools` (node, Chromium).

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "benchmark program")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "benchmark program")]
#![expect(dead_code, reason = "shared socket test support, only partly used here")]

#[path = "../tests/browser/harness.rs"]
mod harness;
#[path = "../tests/browser/phone_records.rs"]
mod phone_records;
#[path = "../tests/live/support/mod.rs"]
mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use gangway::{phone::facet::Wanted, store::Store};
use gangway_sim::simulation::Simulation;
use serde_json::{Value, json};

use crate::support::{gateway::Gateway, http, page::Page};

const PHONES: usize = 10_000;
const PAGES: usize = 50;
const CHANGES_PER_SECOND: usize = 1_000;
const GETS: usize = 2_000;
const AGENT: &str = "Yealink SIP-T46U 108.86.0.90 80:5e:c0:00:27:10";

fn main() {
    actix_rt::System::new().block_on(async {
        let gateway = Gateway::start_with(harness::options()).await;
        phone_records::enter(&gateway, 0..PHONES, |phone| phone.wanted = Wanted::Blocked).await;
        println!("| 10,000 phones | measured | wanted |");
        println!("|---|---|---|");
        let parameters = harness::given(&gateway, &json!({}));
        harness::play("../../../benches/admin_page/first_view", &parameters, async |what, with| {
            assert_eq!(what, "measured");
            println!("| first view: login to rows, median of {} | {} ms | 300 ms |", with["rounds"], with["median"]);
            println!("| the slowest of them | {} ms | |", with["slowest"]);
            println!("| transferred for it, compressed | {} KiB | 150 KiB |", with["kib"]);
            Value::Null
        })
        .await;
        crowd(&gateway).await;
    });
}

/// Pages that follow the list, phones that change, and one phone that keeps sending requests.
async fn crowd(gateway: &Gateway) {
    let simulation = Simulation::builder().start().await.unwrap();
    let url = personal_file(gateway).await;
    let quiet = gets(&url).await;
    println!("| a GET, nobody else there: median, slowest of {GETS} | {} | |", spread(&quiet));
    let mut open = Vec::new();
    for _ in 0..PAGES {
        let mut page = Page::open(&simulation, &gateway.socket_url()).await;
        page.ask("Devices", json!({ "count": 200, "sort": { "by": "firmware" }, "subscribe": true })).await;
        open.push(support::in_background(async move {
            loop {
                page.until_message("DevicesChanged", |_| false).await;
            }
        }));
    }
    let (ends, changed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let changes = change(gateway.records().store.clone(), Arc::clone(&ends), Arc::clone(&changed));
    let begun = Instant::now();
    let changes = support::in_background(changes);
    let busy = gets(&url).await;
    let rate = changed.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    ends.store(true, Ordering::Relaxed);
    changes.await.unwrap();
    for page in open {
        page.abort();
    }
    println!("| the same beside {PAGES} pages and {rate:.0} changes per second | {} | |", spread(&busy));
    let cost = busy[busy.len() - 1].saturating_sub(quiet[quiet.len() - 1]);
    println!("| so the slowest GET costs more by | {:.2} ms | 5 ms |", cost.as_secs_f64() * 1000.0);
}

/// Returns the URL of a personal file whose phone is inside its bootstrap window.
async fn personal_file(gateway: &Gateway) -> String {
    let now = gangway_base::clock::Clock::now(&gangway_base::clock::SystemClock);
    let mut phone = phone_records::phone(gateway, PHONES, now);
    phone.window.open(now, 7);
    let file = format!("phone/{}/{}.cfg", phone.token.expose(), phone.mac);
    gateway.records().store.phones().create(phone, Vec::new()).await.unwrap();
    format!("{}/{file}", gateway.instance_url())
}

async fn change(store: Store, ends: Arc<AtomicBool>, changed: Arc<AtomicUsize>) {
    let phones = store.phones().all();
    let mut pace = actix_rt::time::interval(Duration::from_millis(10));
    for number in 0_usize.. {
        pace.tick().await;
        let some = phones.iter().cycle().skip(number * 10 % phones.len()).take(CHANGES_PER_SECOND / 100);
        let changes = some.map(|phone| {
            store.phones().change(phone.id, move |phone, _| phone.firmware = Some(format!("108.86.0.{}", number % 97)))
        });
        for done in futures_util::future::join_all(changes).await {
            done.unwrap();
            changed.fetch_add(1, Ordering::Relaxed);
        }
        if ends.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// Returns how long GETs take, in ascending order.
async fn gets(url: &str) -> Vec<Duration> {
    let url = url.to_owned();
    let asking = actix_rt::task::spawn_blocking(move || {
        let mut took: Vec<Duration> = (0..GETS)
            .map(|_| {
                let begun = Instant::now();
                assert_eq!(http::get(&url, AGENT).status, 200);
                begun.elapsed()
            })
            .collect();
        took.sort_unstable();
        took
    });
    asking.await.unwrap()
}

fn spread(took: &[Duration]) -> String {
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    format!("{:.2} ms, {:.2} ms", millis(took[took.len() / 2]), millis(took[took.len() - 1]))
}
