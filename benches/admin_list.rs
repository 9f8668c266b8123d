//! Measures what a list of 10,000 phones costs the admin service: queries with search and sorting, and updates while
//! 1,000 phones change per second. Run by `make bench`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "benchmark program")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use gangway::{
    phone::{
        facet::RequestState,
        record::{Phone, PhoneId},
    },
    service::{
        DeviceRow, ListParams, ListView, Sort,
        diagnosis_facts::{DiagnosisInputs, InstanceStatus},
    },
    settings::firmware::FirmwareState,
};
use gangway_base::mac::Mac;
use serde_json::json;

const PHONES: u32 = 10_000;
const ROUNDS: u32 = 50;

fn row(number: u32, requested: RequestState) -> Arc<DeviceRow> {
    let [_, b, c, d] = number.to_be_bytes();
    let mut phone = Phone::sample();
    phone.id = PhoneId(i64::from(number) + 1);
    phone.mac = Mac::new([0x80, 0x5e, 0xc0, b, c, d]).unwrap();
    phone.firmware = Some(format!("108.86.0.{}", number % 97));
    phone.accounts[0].cn = format!("User {:05}", number.wrapping_mul(7_919) % PHONES);
    phone.accounts[0].username = format!("user.{number}");
    phone.request.state = requested;
    let facts = DiagnosisInputs {
        instance_status: &InstanceStatus::default(),
        request: None,
        known_model: true,
        manual_url: None,
    };
    let now = phone.created;
    Arc::new(DeviceRow::new(Arc::new(phone), None, FirmwareState::default(), &facts, now))
}

fn main() {
    let rows: Vec<Arc<DeviceRow>> = (0..PHONES).map(|number| row(number, RequestState::NotYet)).collect();
    println!("| 10,000 phones | time |");
    println!("|---|---|");
    for (name, query, by) in [
        ("by MAC", json!({}), "mac"),
        ("by name", json!({}), "name"),
        ("by firmware", json!({}), "firmware"),
        ("search of two words, by name", json!({ "search": "user 80:5e:c0" }), "name"),
        ("filter and search without a hit", json!({ "search": "nobody", "stages": ["stuck"] }), "stage"),
    ] {
        let sort: Sort = serde_json::from_value(json!({ "by": by })).unwrap();
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            let params: ListParams = serde_json::from_value(query.clone()).unwrap();
            let view = ListView::new(rows.clone(), params.into(), sort, 0, 50);
            let bytes: usize = view.rows().iter().map(|row| serde_json::to_string(&row.info()).unwrap().len()).sum();
            assert!(bytes > 0 || view.total() == 0);
        }
        println!("| list {name} | {:.2} ms |", millis(begun.elapsed() / ROUNDS));
    }
    let sort: Sort = serde_json::from_value(json!({ "by": "name" })).unwrap();
    let mut view = ListView::new(rows, ListParams::default().into(), sort, 0, 50);
    let states = [RequestState::Provisioned, RequestState::NotYet];
    let batches: Vec<Vec<Arc<DeviceRow>>> = (0..100)
        .map(|batch| {
            (0..100).map(|number| row((batch * 37 + number * 101) % PHONES, states[(batch % 2) as usize])).collect()
        })
        .collect();
    let begun = Instant::now();
    for batch in &batches {
        let _ = view.apply(batch);
    }
    println!("| 100 changes of a followed list | {:.2} ms |", millis(begun.elapsed() / 100));
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
