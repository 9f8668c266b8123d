//! Measures the cost of recognising requests, over every recorded request of `fixtures/recognition`. Part of
//! `make bench`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "benchmark program")]

use std::{fs, hint::black_box, time::Instant};

use gangway::catalog::Registry;
use serde_json::Value;

/// Number of rounds over all requests.
const ROUNDS: u32 = 2_000;

fn main() {
    let registry = Registry::load(None).unwrap();
    println!("| requests of | requests | each |");
    println!("|---|---|---|");
    for (title, files) in [
        ("Yealink phones", &["yealink"][..]),
        ("Snom phones", &["snom"]),
        ("other phones and programs", &["not-yealink", "not-snom"]),
        ("file names alone", &["yealink-files", "snom-files"]),
    ] {
        let requests: Vec<(Option<String>, Option<String>)> = files.iter().flat_map(|file| requests(file)).collect();
        let start = Instant::now();
        for _ in 0..ROUNDS {
            for (agent, path) in &requests {
                black_box(registry.recognise(black_box(agent.as_deref()), black_box(path.as_deref())));
            }
        }
        let each = start.elapsed() / ROUNDS / u32::try_from(requests.len()).unwrap();
        println!("| {title} | {} | {each:.2?} |", requests.len());
    }
}

fn requests(file: &str) -> Vec<(Option<String>, Option<String>)> {
    let text = fs::read_to_string(format!("{}/fixtures/recognition/{file}.json", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let part = |case: &Value, name: &str| case[name].as_str().map(str::to_owned);
    cases.iter().map(|case| (part(case, "user_agent"), part(case, "path").or_else(|| part(case, "name")))).collect()
}
