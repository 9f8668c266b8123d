//! Tests that a backup made during operation can be restored on another host, and that the two gateways never serve the
//! same phone.

use std::{fs, process::Output};

use gangway::phone::facet::DevicesState;
use gangway_sim::{users::ProvisionRequest, yealink_phone::model};
use serde_json::Value;

use crate::support::{
    bench::{Bench, TITLE},
    gateway::Gateway,
    http, mac,
    options::Options,
    process::{self, mode},
};

fn out(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn good(done: &Output) -> String {
    assert!(done.status.success(), "{}", out(done));
    out(done)
}

/// The old host fails and the new one takes over: it is passive first and active afterwards, with all previous records.
#[actix_rt::test]
async fn a_restored_gateway_is_passive_until_it_takes_over() {
    let mut bench = Bench::start().await;
    let (first, second) = (mac(1), mac(2));
    let phone = bench.installed(first, model::T46U, "user1").await;
    let here = tempfile::tempdir().unwrap();
    let (file, words) = (here.path().join("site.backup"), here.path().join("passphrase"));
    fs::write(&words, "correct horse battery\n").unwrap();
    let (file_text, words_text) = (file.to_str().unwrap(), words.to_str().unwrap());
    let refused = bench.gateway.command(&["backup", file_text]);
    assert!(!refused.status.success(), "nobody can be asked here, and nothing is assumed: {}", out(&refused));
    let made = bench.gateway.command(&["backup", file_text, "--passphrase-file", words_text]);
    assert!(good(&made).contains("1 phones"), "{}", out(&made));
    assert_eq!(mode(&file), 0o600);
    let again = bench.gateway.command(&["backup", file_text, "--passphrase-file", words_text]);
    assert!(!again.status.success() && out(&again).contains("exists already"), "{}", out(&again));

    // The old gateway is running, so its directory must not be overwritten.
    let busy = bench.gateway.command(&["restore", file_text, "--replace", "--passphrase-file", words_text]);
    assert!(!busy.status.success() && out(&busy).contains("already serves"), "{}", out(&busy));
    bench.gateway.stop();
    let options = Options::default().redirecting(&bench.simulation);
    let host = tempfile::tempdir().unwrap();
    let (http_at, ops) = (bench.gateway.address(), process::free_port());
    options.write(host.path(), http_at, ops);
    let config = host.path().join("gangway.toml");
    let restored = process::run(&config, &["restore", file_text, "--passphrase-file", words_text, "--json"]);
    let output: Value = serde_json::from_slice(&restored.stdout).unwrap_or_else(|_| panic!("{}", out(&restored)));
    assert_eq!((&output["phones"], &output["passive"]), (&1.into(), &true.into()));
    let occupied = process::run(&config, &["restore", file_text, "--passphrase-file", words_text]);
    assert!(!occupied.status.success() && out(&occupied).contains("--replace"), "{}", out(&occupied));

    // While passive, the gateway answers no phone and opens no sysclient. Users gets an error and the operator sees the
    // reason.
    let connected = || bench.simulation.devices.board().read(|state| state.connections.len());
    let calls = || bench.simulation.rps.board().read(|state| state.calls.len());
    let calls_before = calls();
    let mut serving = Gateway::serve_in(host, options, http_at, ops).await;
    let url = format!("{}{first}.cfg", bench.phone_url(first));
    assert_eq!(http::get(&url, &model::T46U.user_agent(first)).status, 503);
    let ready = http::get(&serving.ops_url("readyz"), "curl");
    assert!(ready.status == 503 && ready.text().contains("passive"), "{}", ready.text());
    bench.simulation.connect_gateway(&serving.base());
    bench.simulation.wait_gateway().await.unwrap();
    let answer =
        bench.simulation.users.provision(ProvisionRequest::new(&second.to_string(), "user2", TITLE)).await.unwrap();
    assert!(!answer.ok && answer.error.unwrap_or_default().contains("--take-over"));
    assert!(serving.records().phone(second).is_none(), "nothing is written");
    assert_eq!((connected(), calls()), (0, calls_before));

    // After the takeover the sysclient is connected again, and the phone authenticates with its own credentials and is
    // served.
    let running = serving.command(&["restore", "--take-over"]);
    assert!(!running.status.success() && out(&running).contains("already serves"), "{}", out(&running));
    serving.stop();
    good(&serving.command(&["restore", "--take-over"]));
    serving.start_again().await;
    bench.simulation.wait_gateway().await.unwrap();
    let record = serving.records().wait_devices(first, DevicesState::Received).await;
    assert!(!record.window.is_open(record.created), "what was open then is closed now");
    let booted = phone.boot().await.unwrap();
    assert!(booted.registered && booted.redirect_status.is_none(), "{booted:?}");
    let answer =
        bench.simulation.users.provision(ProvisionRequest::new(&second.to_string(), "user2", TITLE)).await.unwrap();
    assert!(answer.ok, "{:?}", answer.error);
}

/// The sealing key is rotated while the gateway serves, without effect on a phone.
#[actix_rt::test]
async fn the_sealing_key_is_rotated_while_phones_are_served() {
    let mut bench = Bench::start().await;
    let (first, second) = (mac(1), mac(2));
    let phone = bench.installed(first, model::T46U, "user1").await;
    let before = bench.records().phone(first).unwrap();

    let answer = good(&bench.gateway.command(&["keys", "rotate"]));

    assert!(answer.contains("sealed with the new key, number 2"), "{answer}");
    bench.installed(second, model::T31P, "user2").await;
    phone.poll_once().await.unwrap();
    bench.gateway.restart().await;
    let after = bench.records().phone(first).unwrap();
    assert_eq!((&after.token, &after.own.password), (&before.token, &before.own.password));
    assert!(bench.records().phone(second).is_some());
}
