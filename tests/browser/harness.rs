//! Runs a scenario: a Node program that drives the browser and requests changes of the simulators by lines of
//! JSON.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::support::{
    gateway::Gateway,
    options::{Options, PASSWORD},
};

/// Longest wait between two lines of a scenario.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Options with password login and with accounts at unreachable redirect services, so that records stay as entered.
pub fn options() -> Options {
    let mut options = Options { instance: "admin_password_login = true\n".into(), ..Options::default() };
    for (vendor, protocol) in [("yealink", "yealink-xmlrpc"), ("snom", "snom-sraps")] {
        let account = [("protocol", protocol), ("url", "http://127.0.0.1:9/"), ("user", "office"), ("password", "pw")];
        let rows = account.map(|(name, value)| (format!("redirect.{vendor}.{name}"), value.to_owned()));
        options.settings.extend(rows);
    }
    options
}

/// Parameters of every scenario, plus those of this one.
pub fn given(gateway: &Gateway, more: &Value) -> Value {
    let mut given = json!({ "url": gateway.instance_url(), "password": PASSWORD });
    given.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    given
}

struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `scenarios/<name>.mjs`; `act` handles its requests. The test fails if the scenario ends with an error.
pub async fn play(name: &str, given: &Value, mut act: impl AsyncFnMut(&str, &Value) -> Value) {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/browser");
    assert!(tools.join("node_modules").is_dir(), "run 'make tools': {} is not there", tools.display());
    let scenario = format!("{}/tests/browser/scenarios/{name}.mjs", env!("CARGO_MANIFEST_DIR"));
    let started = Command::new("node")
        .arg(scenario)
        .env("GANGWAY_BROWSER", &tools)
        .env("GANGWAY_GIVEN", given.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut browser = Browser(started.expect("node starts ('make tools' installs it)"));
    let mut input = browser.0.stdin.take().unwrap();
    let output = BufReader::new(browser.0.stdout.take().unwrap());
    let (lines, mut received) = mpsc::channel::<String>(64);
    let reader = std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = tokio::time::timeout(TIMEOUT, received.recv()).await.expect("the scenario goes on") {
        let Ok(Value::Object(request)) = serde_json::from_str(&line) else {
            eprintln!("{name}: {line}");
            continue;
        };
        let value = act(request["do"].as_str().unwrap(), &request["with"]).await;
        writeln!(input, "{}", json!({ "answer": request["ask"], "value": value })).unwrap();
    }
    drop(received);
    reader.join().unwrap();
    let ended = browser.0.wait().unwrap();
    assert!(ended.success(), "the scenario {name} failed: see above");
}

/// Runs a scenario that requests no changes.
pub async fn watch(name: &str, given: &Value) {
    play(name, given, async |step, _| panic!("{step} is not offered here")).await;
}
