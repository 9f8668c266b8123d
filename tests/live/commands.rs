//! Tests that commands work next to the running gateway, print machine-readable output, and report errors with reliable
//! exit codes.

use std::{
    fs,
    process::Output,
    time::{Duration, Instant},
};

use gangway_sim::yealink_phone::model;
use serde_json::Value;

use crate::support::{
    bench::{Bench, comes_up},
    mac,
    options::Options,
    process::{Site, mode, run},
};

fn out(done: &Output) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn err(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

fn json(done: &Output) -> Value {
    assert!(done.status.success(), "{}", err(done));
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", out(done)))
}

#[actix_rt::test]
async fn a_setting_takes_effect_in_the_running_gateway_within_a_second() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert_eq!(phone.board().read(|flash| flash.settings.repeat_minutes(false)), Some(1440));
    let mut changes = bench.records().store.settings().changes();

    // Retry, because a busy machine may delay one attempt. A gateway that polls too rarely is late every time.
    let mut set = "";
    for minutes in ["75", "76", "77"] {
        set = minutes;
        let done = bench.gateway.command(&["settings", "set", "update_interval_minutes", minutes]);
        let since = Instant::now();
        assert!(done.status.success(), "{}", err(&done));
        tokio::time::timeout(crate::support::records::TIMEOUT, changes.recv())
            .await
            .expect("the change is seen")
            .unwrap();
        if since.elapsed() < Duration::from_secs(1) {
            break;
        }
        assert_ne!(minutes, "77", "not once within a second");
    }

    assert!(!phone.poll_once().await.unwrap().unchanged);
    let minutes =
        || phone.board().read(|flash| flash.settings.repeat_minutes(false)).map(|minutes| minutes.to_string());
    assert_eq!(minutes().as_deref(), Some(set));
    let got = bench.gateway.command(&["settings", "get", "update_interval_minutes"]);
    assert!(out(&got).contains(set), "{}", out(&got));
    // A single phone can have its own value.
    let own = mac.to_string();
    let done = bench.gateway.command(&["settings", "set", "update_interval_minutes", "78", "--phone", &own]);
    assert!(done.status.success(), "{}", err(&done));
    tokio::time::timeout(crate::support::records::TIMEOUT, changes.recv()).await.expect("the change is seen").unwrap();
    phone.poll_once().await.unwrap();
    assert_eq!(phone.board().read(|flash| flash.settings.repeat_minutes(false)), Some(78));
}

#[actix_rt::test]
async fn wrong_settings_are_refused_and_secrets_not_shown() {
    let bench = Bench::start().await;
    for wrong in [
        ["settings", "set", "update_interval_minutes", "often"],
        ["settings", "set", "sip_transport", "udp"],
        ["settings", "set", "no_such_setting", "1"],
        ["settings", "set", "redirect.yealink.protocol", "carrier-pigeon"],
    ] {
        let done = bench.gateway.command(&wrong);
        assert!(!done.status.success(), "{wrong:?}");
        assert!(err(&done).contains(wrong[2]), "{wrong:?}: {}", err(&done));
    }
    let list = bench.gateway.command(&["settings", "list"]);
    assert!(list.status.success(), "{}", err(&list));
    assert!(out(&list).contains("redirect.yealink.user") && !out(&list).contains("rps-password"), "{}", out(&list));
    let as_json = bench.gateway.command(&["settings", "list", "--json"]);
    assert!(!json(&as_json).to_string().contains("rps-password"));
}

#[actix_rt::test]
async fn phones_are_listed_and_shown_for_people_and_for_programs() {
    let bench = Bench::start().await;
    let (first, second) = (mac(1), mac(2));
    bench.installed(first, model::T46U, "user1").await;
    bench.provisioned(second, "user2").await;

    let list = json(&bench.gateway.command(&["phones", "list", "--json"]));
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    assert_eq!(list[0]["mac"], first.to_string());
    assert_eq!(list[0]["model"], "T46U");
    assert_eq!(list[0]["device_config"]["state"], "Config Received");
    assert_eq!(list[0]["phone_requests"]["state"], "Provisioned");
    assert_eq!(list[0]["accounts"][0]["registered"]["state"], "Registered");
    assert_eq!(list[1]["phone_requests"]["state"], "Not yet");

    // The phone can be given in any usual spelling of its MAC.
    let spelled = first.spelled("-").to_uppercase();
    let answer = json(&bench.gateway.command(&["phones", "show", &spelled, "--json"]));
    assert_eq!(answer["mac"], first.to_string());
    assert!(!answer["events"].as_array().unwrap().is_empty());
    let people = bench.gateway.command(&["phones", "show", &first.to_string()]);
    assert!(out(&people).contains("Config Received") && out(&people).contains("User 1"), "{}", out(&people));
    let record = bench.records().phone(first).unwrap();
    for secret in ["secret-1", record.token.expose(), record.own.password.expose()] {
        assert!(!out(&people).contains(secret) && !answer.to_string().contains(secret), "{secret} is shown");
    }
    let unknown = bench.gateway.command(&["phones", "show", "80:5e:c0:99:99:99"]);
    assert!(!unknown.status.success());
    assert!(err(&unknown).contains("805ec0999999"), "{}", err(&unknown));
}

#[actix_rt::test]
async fn render_shows_a_phones_file_with_secrets_masked_and_lines_explained() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let record = bench.records().phone(mac).unwrap();

    let file = bench.gateway.command(&["render", "--mac", &mac.to_string()]);

    assert!(file.status.success(), "{}", err(&file));
    let text = out(&file);
    assert!(text.starts_with("#!version:1.0.0.1\n"), "{text}");
    assert!(text.contains("account.1.sip_server.1.address = pbx.example.com"), "{text}");
    for secret in ["secret-1", record.own.password.expose()] {
        assert!(!text.contains(secret), "{text}");
    }
    let explained = bench.gateway.command(&["render", "--mac", &mac.to_string(), "--explain"]);
    assert!(explained.status.success(), "{}", err(&explained));
    assert!(
        out(&explained).contains("NTP") || out(&explained).to_lowercase().contains("devices"),
        "{}",
        out(&explained)
    );
}

#[test]
fn sample_files_and_requests_need_no_gateway() {
    let site = Site::new(&Options::default());
    let rendered =
        site.run(&["render", "--vendor", "yealink", "--model", "T46U", "--set", "update_interval_minutes=55"]);
    assert!(rendered.status.success(), "{}", err(&rendered));
    assert!(out(&rendered).contains("static.auto_provision.repeat.minutes = 55"), "{}", out(&rendered));
    let old = site.run(&["render", "--vendor", "yealink", "--model", "T48G", "--firmware", "35.72.0.6"]);
    assert!(old.status.success(), "{}", err(&old));
    assert!(!out(&old).contains("static.auto_provision"), "{}", out(&old));

    let seen = json(&site.run(&[
        "recognise",
        "--user-agent",
        "Yealink SIP-T54W 96.86.0.70 80:5e:c0:12:34:56",
        "--path",
        "/805ec0123456.cfg",
    ]));
    assert_eq!(
        seen,
        serde_json::json!({ "vendor": "yealink", "model": "T54W", "firmware": "96.86.0.70", "mac": "805ec0123456", "kind": "personal" })
    );
    let strange = json(&site.run(&["recognise", "--user-agent", "curl/8", "--path", "/index.html"]));
    assert_eq!((&strange["vendor"], &strange["mac"]), (&Value::Null, &Value::Null));
    assert!(!site.run(&["recognise"]).status.success());

    let vendors = site.run(&["vendors"]);
    assert!(out(&vendors).to_lowercase().contains("yealink"), "{}", out(&vendors));
    assert!(out(&site.run(&["vendors", "yealink"])).contains("T46U"));
}

#[actix_rt::test]
async fn check_tells_by_its_exit_code_whether_phones_will_work() {
    let bench = Bench::start().await;
    let good = bench.gateway.command(&["check"]);
    assert_eq!(good.status.code(), Some(0), "{}{}", out(&good), err(&good));

    bench.simulation.rps.stop().await;
    let away = bench.gateway.command(&["check"]);
    assert!(out(&away).to_lowercase().contains("redirect") || out(&away).contains("yealink"), "{}", out(&away));

    // An invalid vendor file is an error that includes the file's name.
    let site = Site::new(&Options { instance: "phone_url = \"not a url\"".into(), ..Options::default() });
    let bad = site.run(&["check"]);
    assert_eq!(bad.status.code(), Some(1), "{}{}", out(&bad), err(&bad));
}

#[test]
fn an_unknown_configuration_key_is_refused_by_name_and_file() {
    let site = Site::new(&Options { instance: "passwort = \"x\"".into(), ..Options::default() });
    for command in [["serve"].as_slice(), &["check"], &["phones", "list"]] {
        let done = site.run(command);
        assert!(!done.status.success(), "{command:?}");
        let output = format!("{}{}", out(&done), err(&done));
        assert!(output.contains("passwort") && output.contains("gangway.toml"), "{command:?}: {output}");
    }
    let missing = run(&site.config().with_file_name("elsewhere.toml"), &["serve"]);
    assert!(!missing.status.success());
    assert!(err(&missing).contains("elsewhere.toml"), "{}", err(&missing));
}

#[test]
fn the_data_is_readable_by_its_owner_alone() {
    let site = Site::new(&Options::default());
    let process = site.serve();
    assert_eq!(mode(&site.data()), 0o700);
    let mut files = 0;
    for entry in fs::read_dir(site.data()).unwrap() {
        let path = entry.unwrap().path();
        let expected = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&path), expected, "{}", path.display());
        files += 1;
    }
    assert!(files >= 2, "database and sealing key");
    assert_eq!(process.terminate().1, Some(0));
}

#[test]
fn one_data_directory_serves_one_gateway() {
    let site = Site::new(&Options::default());
    let process = site.serve();
    let second = site.run(&["serve"]);
    assert!(!second.status.success());
    assert!(!err(&second).is_empty());
    assert_eq!(process.terminate().1, Some(0));
}

/// No secret appears in the log at the most verbose level.
#[actix_rt::test]
async fn the_log_holds_no_secret() {
    let simulation = crate::support::bench::simulation().start().await.unwrap();
    let options = Options::default().redirecting(&simulation);
    let site = Site::new(&options);
    site.log_everything();
    let records = site.records(&options).await;
    let process = site.serve();
    simulation.connect_gateway(&site.url());
    simulation.wait_gateway().await.unwrap();
    let mac = mac(1);
    let code = simulation.devices.make_code(1, false);
    let request = gangway_sim::users::ProvisionRequest {
        code: Some(code.clone()),
        ..gangway_sim::users::ProvisionRequest::new(&mac.to_string(), "user1", crate::support::bench::TITLE)
    };
    assert!(simulation.users.provision(request).await.unwrap().ok);
    records.wait_redirect(mac, gangway::phone::facet::RedirectState::Redirected).await;
    let phone = simulation.add_phone(mac, model::T46U);
    comes_up(&phone).await;
    let record = records.wait_done(mac).await;
    phone.poll_once().await.unwrap();

    let log = process.log();

    let sysclient = simulation.devices.board().read(|state| state.devices[&mac.to_string()].password.clone());
    let secrets = [
        "secret-1",
        "rps-password",
        "shared password",
        record.token.expose(),
        record.own.password.expose(),
        sysclient.as_str(),
        code.as_str(),
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "the log holds '{secret}': {line:?}");
    }
    assert_eq!(process.terminate().1, Some(0));
}

/// Runs `gangway demo`, the first command that new users try.
#[test]
fn the_demo_brings_every_phone_to_the_pbx() {
    let site = Site::new(&Options::default());
    let done = site.run(&["demo", "--once", "--phones", "4"]);
    assert_eq!(done.status.code(), Some(0), "{}{}", out(&done), err(&done));
    assert!(out(&done).contains("4 of 4 phones are registered"), "{}", out(&done));
    for secret in ["secret-1", "rps-password", "sraps-secret"] {
        assert!(!out(&done).contains(secret), "{}", out(&done));
    }
}
