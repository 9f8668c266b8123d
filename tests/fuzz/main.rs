//! Runs the fuzz targets of `fuzz/` without a fuzzer: every input of their corpora and a fixed, deterministic set of
//! mutations of each. `make fuzz` tests more; `GANGWAY_FUZZ_MUTATIONS=100000` tests somewhat more.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing check panics")]

#[path = "../../fuzz/entries/appws.rs"]
mod appws;
#[path = "../../fuzz/entries/config.rs"]
mod config;
#[path = "../../fuzz/entries/csv.rs"]
mod csv;
#[path = "../../fuzz/entries/digest.rs"]
mod digest;
#[path = "../../fuzz/entries/frames.rs"]
mod frames;
#[path = "../../fuzz/entries/manifest.rs"]
mod manifest;
mod mutate;
#[path = "../../fuzz/entries/redirect.rs"]
mod redirect;
#[path = "../../fuzz/entries/request.rs"]
mod request;
#[path = "../../fuzz/entries/sysclient.rs"]
mod sysclient;

use std::{fs, panic::catch_unwind, path::Path};

use mutate::Mutator;

/// Number of mutations per target.
const MUTATIONS: usize = 2_000;

fn run(target: &str, mutations: usize, enter: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 4, "{target} has hardly any corpus");
    for (name, input) in &corpus {
        attempt(target, name, input, enter);
    }
    let wanted = std::env::var("GANGWAY_FUZZ_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(mutations);
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, input)| input.as_slice()).collect();
    let mut mutator = Mutator::new(0);
    for number in 0..wanted {
        let input = mutator.next(&inputs);
        attempt(target, &format!("mutation {number}"), &input, enter);
    }
}

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = Path::new("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Names the input in the panic message.
fn attempt(target: &str, name: &str, input: &[u8], enter: fn(&[u8])) {
    if catch_unwind(|| enter(input)).is_err() {
        panic!("{target}, {name}: keep this input in fuzz/corpus/{target}: {:?}", String::from_utf8_lossy(input));
    }
}

#[test]
fn appwebsocket_messages() {
    run("appws", MUTATIONS, appws::enter);
}

#[test]
fn sysclient_frames() {
    run("sysclient", MUTATIONS, sysclient::enter);
}

#[test]
fn answers_of_redirect_services() {
    run("redirect", MUTATIONS, redirect::enter);
}

#[test]
fn requests_and_user_agents() {
    run("request", MUTATIONS, request::enter);
}

/// Fewer mutations, because each compiles templates and patterns.
#[test]
fn manifests() {
    run("manifest", MUTATIONS / 10, manifest::enter);
}

#[test]
fn tables() {
    run("csv", MUTATIONS, csv::enter);
}

#[test]
fn authorization_headers() {
    run("digest", MUTATIONS, digest::enter);
}

/// Fewer mutations, because each renders two files.
#[test]
fn configurations() {
    run("config", MUTATIONS / 4, config::enter);
}

#[test]
fn frames_of_websockets() {
    run("frames", MUTATIONS, frames::enter);
}
