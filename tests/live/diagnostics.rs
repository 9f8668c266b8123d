//! Tests the archive for support tickets: it is complete, contains neither names nor secrets, and is no larger than
//! requested.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use gangway::settings::Scope;
use gangway_base::mac::Mac;
use gangway_sim::yealink_phone::model;
use serde_json::{Value, json};

use crate::support::{
    bench::Bench,
    bundle::unpack,
    http, mac,
    options::{DOMAIN, Options, PASSWORD},
    page::Page,
    process::{Site, mode},
    records::TIMEOUT,
};

fn output_of(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// Creates a bundle; returns the command's output and the bundle's files.
fn made(bench: &Bench, file: &Path, more: &[&str]) -> (String, BTreeMap<String, String>) {
    let done = bench.gateway.command(&[&["diagnostics", "--to", file.to_str().unwrap()], more].concat());
    assert!(done.status.success(), "{}", output_of(&done));
    (output_of(&done), unpack(file))
}

fn rows(files: &BTreeMap<String, String>, name: &str) -> Vec<Value> {
    serde_json::from_str(&files[name]).unwrap_or_else(|error| panic!("{name}: {error}: {}", files[name]))
}

fn value(files: &BTreeMap<String, String>, name: &str) -> Value {
    serde_json::from_str(&files[name]).unwrap_or_else(|error| panic!("{name}: {error}: {}", files[name]))
}

/// Returns the files that contain one of these words, ignoring case.
fn holding(files: &BTreeMap<String, String>, words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files {
        let text = format!("{name}\n{text}").to_lowercase();
        for word in words.iter().filter(|word| text.contains(&word.to_lowercase())) {
            let at = text.find(&word.to_lowercase()).unwrap();
            let around: String = text[..at].chars().rev().take(60).collect();
            found.push(format!("{name}: {word} after {}", around.chars().rev().collect::<String>()));
        }
    }
    found
}

/// All values by which a user or phone could be identified.
fn names(macs: &[Mac]) -> Vec<String> {
    let spelled = macs.iter().flat_map(|mac| [mac.to_string(), mac.spelled(":"), mac.spelled("-"), mac.spelled("%3A")]);
    let words = ["user1", "user2", "User 1", "User 2", DOMAIN, "Anna", "Bob B.", "00499999"];
    spelled.chain(words.map(str::to_owned)).collect()
}

struct Fixture {
    bench: Bench,
    here: tempfile::TempDir,
    first: Mac,
    second: Mac,
}

impl Fixture {
    /// Two phones, one of them in service. An administrator has viewed it, and line keys and a log contain names.
    async fn start() -> Self {
        let bench = Bench::start().await;
        let (first, second) = (mac(1), mac(2));
        bench.installed(first, model::T46U, "user1").await;
        bench.provisioned(second, "user2").await;
        let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
        page.act(first, "allow", json!({})).await;
        let records = bench.records();
        let keys = r#"[{"key":3,"type":"blf","value":"00499999","label":"Bob B."}]"#;
        for (scope, name, value) in
            [(Scope::Instance, "ldap_password", "ldap-secret-1"), (Scope::Phone(first), "line_keys", keys)]
        {
            records.store.settings().set_one(records.instance, &scope, name, Some(&value.into())).await.unwrap();
        }
        records.store.requests().flush().await.unwrap();
        Self { bench, here: tempfile::tempdir().unwrap(), first, second }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    fn log(&self) -> PathBuf {
        let token = self.bench.records().phone(self.first).unwrap().token.clone();
        let lines = [
            format!("\u{1b}[2m2026-11-21T16:50:22Z\u{1b}[0m INFO asked mac={} user=user1", self.first),
            format!("GET /{DOMAIN}/gangway/phone/{}/{}.cfg 200", token.expose(), self.second),
            format!("cn=\"User 1\" at sip%3Auser1%40pbx.{DOMAIN} {}", self.first.spelled(":")),
            "a stranger 80-5E-C0-12-34-77 with secret-1 and ldap-secret-1 asks {\"cn\":\"Anna Admin\"}".to_owned(),
        ];
        let path = self.file("journal of anna.log");
        fs::write(&path, lines.join("\n")).unwrap();
        path
    }

    fn secrets(&self) -> Vec<String> {
        let mut secrets = ["secret-1", "secret-2", "rps-password", "sraps-secret", PASSWORD, "ldap-secret-1"]
            .map(str::to_owned)
            .to_vec();
        for mac in [self.first, self.second] {
            let record = self.bench.records().phone(mac).unwrap();
            secrets.push(record.token.expose().to_owned());
            secrets.push(record.own.password.expose().to_owned());
            secrets.extend(record.sysclient.password.iter().map(|password| password.expose().to_owned()));
        }
        secrets
    }
}

/// `/readyz` and the bundle list the same periodic tasks, each with the result of its last run.
#[actix_rt::test]
async fn readyz_and_the_bundle_list_periodic_tasks_with_their_last_results() {
    let bench = Bench::start().await;
    let here = tempfile::tempdir().unwrap();
    let is_watched = |tasks: &Value| {
        let watch = tasks.as_array()?.iter().find(|task| task["name"] == "watch database")?;
        assert_eq!((&watch["error"], &watch["periodSeconds"]), (&Value::Null, &json!(0.3)), "{watch}");
        (watch["runs"].as_u64()? > 0 && watch["last"].is_string()).then_some(())
    };
    let ready = || http::get(&bench.gateway.ops_url("readyz"), "test").text();
    let listed = async {
        while is_watched(&serde_json::from_str::<Value>(&ready()).unwrap()["periodic"]).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, listed).await.expect("/readyz lists a run");

    let (_, files) = made(&bench, &here.path().join("x.zip"), &[]);
    let live = value(&files, "instance-1/instance.json");
    assert!(files["instance-1/instance.json"].contains("\"prune redirect history\""), "{live}");
}

#[actix_rt::test]
async fn a_bundle_holds_every_part_but_no_name_and_no_secret() {
    let fixture = Fixture::start().await;
    let (file, log) = (fixture.file("x.zip"), fixture.log());
    let (output, files) = made(&fixture.bench, &file, &["--log", log.to_str().unwrap()]);

    assert!(output.contains("questions.txt") && output.contains("IP addresses are as they are"), "{output}");
    assert_eq!(mode(&file), 0o600);
    let again = fixture.bench.gateway.command(&["diagnostics", "--to", file.to_str().unwrap()]);
    assert!(!again.status.success() && output_of(&again).contains("exists already"), "{}", output_of(&again));

    // The bundle contains every part.
    for word in ["Who noticed", "do, step by step", "When?", "expected instead"] {
        assert!(files["questions.txt"].contains(word), "{word}");
    }
    assert!(files["overview.txt"].contains("Nothing is left out."), "{}", files["overview.txt"]);
    let version = value(&files, "version.json");
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["kernel"].is_string() && version["build"].as_str().unwrap().len() == 16, "{version}");
    let process = value(&files, "process.json");
    assert_eq!(process["instances"][0]["password"], "***");
    assert_eq!(process["net"]["connects_per_second"], 500);
    assert!(files["offline-check.txt"].contains("vendors and templates: "), "{}", files["offline-check.txt"]);
    let instance = value(&files, "instance-1/instance.json");
    let connections = instance["serving_gateway"]["connections"].as_array().unwrap_or_else(|| panic!("{instance}"));
    assert!(connections.iter().any(|row| row["kind"] == "pbx" && row["state"] == "up"), "{connections:?}");
    let notices = instance["serving_gateway"]["notices"].as_array().unwrap();
    assert!(notices.iter().any(|notice| notice["key"] == "clear-text"), "{notices:?}");
    let settings = rows(&files, "instance-1/settings.json");
    let set = |name: &str| settings.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{settings:?}"));
    assert_eq!(set("ldap_password")["value"], "***");
    assert_eq!(set("provisioning_scheme")["value"], "http");
    let phones = rows(&files, "instance-1/phones.json");
    let first = phones.iter().find(|row| row["model"] == "T46U").unwrap_or_else(|| panic!("{phones:?}"));
    assert_eq!((phones.len(), &first["phone_requests"]["state"]), (2, &json!("Provisioned")));
    assert!(first["last_request_was"]["requests"].as_u64().unwrap() > 0, "{first}");
    assert!(rows(&files, "instance-1/redirect-history.json").iter().any(|row| row["command"] == "REDIRECT DEVICE"));
    let audit = rows(&files, "instance-1/who-did-what.json");
    assert!(audit[0]["deed"].as_str().unwrap().starts_with("write the diagnostics bundle "), "{audit:?}");
    assert!(audit.iter().any(|row| row["deed"] == "Allow once" && row["way"] == "page"), "{audit:?}");
    let called = first["mac"].as_str().unwrap();
    let timeline = &files[&format!("instance-1/{called}/timeline.txt")];
    assert!(timeline.contains("redirected: ") && timeline.contains("delivered: "), "{timeline}");
    let own = &files[&format!("instance-1/{called}/present-file.txt")];
    assert!(own.contains("account.1.password = ***") && own.contains("another one at"), "{own}");
    let user = first["accounts"][0]["user"].as_str().unwrap();
    let name = first["accounts"][0]["name"].as_str().unwrap();
    assert!(timeline.contains(user), "one alias everywhere: {user} in {timeline}");
    assert!(own.contains(name) && own.contains(called), "one alias everywhere: {name}, {called} in {own}");
    let log = &files["log-1.txt"];
    assert!(
        log.starts_with("2026-11-21T16:50:22Z INFO asked mac=phone-") && log.contains("/phone/***/phone-"),
        "{log}"
    );
    assert!(log.contains(&format!("mac={called} user={user}")), "{log}");
    for name in files.keys() {
        for part in name.split('/') {
            assert!(!part.starts_with(|c: char| c.is_ascii_hexdigit()), "{name}: a ticket may drop it");
        }
    }

    // The bundle contains no names and no secrets.
    let mut words = names(&[fixture.first, fixture.second, mac(0x77)]);
    words.extend(fixture.secrets());
    let found = holding(&files, &words);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[actix_rt::test]
async fn aliases_are_the_same_in_every_bundle_and_the_gateway_need_not_run() {
    let mut fixture = Fixture::start().await;
    let (_, running) = made(&fixture.bench, &fixture.file("running.zip"), &[]);
    let secrets = fixture.secrets();
    fixture.bench.gateway.stop();

    let (output, stopped) = made(&fixture.bench, &fixture.file("stopped.zip"), &["--json"]);

    let output: Value = serde_json::from_str(&output).unwrap();
    assert_eq!(output["files"].as_array().unwrap().len(), stopped.len(), "{output}");
    assert_eq!(output["bytes"], fs::metadata(fixture.file("stopped.zip")).unwrap().len());
    let who = |files: &BTreeMap<String, String>| -> Vec<String> {
        let rows = rows(files, "instance-1/phones.json");
        let of = |row: &Value| format!("{} {} {}", row["mac"], row["accounts"][0]["user"], row["accounts"][0]["pbx"]);
        let mut who: Vec<String> = rows.iter().map(of).collect();
        who.sort();
        who
    };
    assert_eq!(who(&running), who(&stopped));
    let instance = value(&stopped, "instance-1/instance.json");
    assert!(instance["serving_gateway"]["not_known"].as_str().unwrap().contains("no gateway serves"), "{instance}");
    let words = names(&[fixture.first, fixture.second]);
    assert!(holding(&stopped, &words).is_empty(), "{:?}", holding(&stopped, &words));

    // With `--names` the bundle keeps names, but still contains no secrets.
    let (output, named) = made(&fixture.bench, &fixture.file("named.zip"), &["--names"]);
    assert!(output.contains("--names"), "{output}");
    let timeline = format!("instance-1/phone-{}/timeline.txt", fixture.first);
    assert!(named[&timeline].contains("user1"), "{}", named[&timeline]);
    assert!(named["instance-1/phones.json"].contains("User 1"));
    assert!(named["instance-1/who-did-what.json"].contains("Anna Admin (anna.admin)"));
    let found = holding(&named, &secrets);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[actix_rt::test]
async fn a_bundle_of_one_phone_contains_no_other() {
    let fixture = Fixture::start().await;
    let spelled = fixture.second.spelled(":");
    let (_, files) = made(&fixture.bench, &fixture.file("one.zip"), &["--phone", &spelled, "--names"]);
    assert_eq!(rows(&files, "instance-1/phones.json").len(), 1);
    let found = holding(&files, &[fixture.first.to_string(), "User 1".to_owned()]);
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(files.contains_key(&format!("instance-1/phone-{}/timeline.txt", fixture.second)), "{:?}", files.keys());
    let unknown = fixture.bench.gateway.command(&["diagnostics", "--phone", "80:5e:c0:99:99:99"]);
    assert!(
        !unknown.status.success() && output_of(&unknown).contains("no phone 805ec0999999"),
        "{}",
        output_of(&unknown)
    );
}

#[test]
fn the_limit_is_kept_and_what_is_cut_is_said() {
    let site = Site::new(&Options::default());
    let process = site.serve();
    assert_eq!(process.terminate().1, Some(0));
    let here = tempfile::tempdir().unwrap();
    let (log, file) = (here.path().join("long.log"), here.path().join("x.zip"));
    // Incompressible data, like nonces.
    let mut state = 1_u64;
    let mut line = |number: usize| {
        let mut digits = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            format!("{:016x}", state ^ (state >> 29))
        };
        format!("line {number} {} {}\n", digits(), digits())
    };
    let text: String = (0..100_000).map(&mut line).collect();
    fs::write(&log, &text).unwrap();
    let (to, log) = (file.to_str().unwrap(), log.to_str().unwrap());
    let done = site.run(&["diagnostics", "--to", to, "--log", log, "--limit", "1"]);
    assert!(done.status.success(), "{}", output_of(&done));
    let size = fs::metadata(&file).unwrap().len();
    assert!(size <= 1 << 20, "{size}");
    assert!(size > 900 << 10, "what others leave goes to the log: {size}");
    assert!(
        output_of(&done).contains("left out, for want of room (--limit): log-1.txt: all but "),
        "{}",
        output_of(&done)
    );
    let files = unpack(&file);
    assert!(files["overview.txt"].contains("log-1.txt: all but "), "{}", files["overview.txt"]);
    let kept = &files["log-1.txt"];
    assert!(
        kept.starts_with("... ") && kept.lines().next().unwrap().contains("older lines are left out"),
        "{kept:.90}"
    );
    assert!(kept.contains("line 99999 ") && !kept.contains("line 0 "), "the newest lines are kept");
    let gone = site.run(&["diagnostics", "--to", "/nowhere/x.zip", "--log", "/nowhere.log"]);
    assert!(!gone.status.success() && output_of(&gone).contains("/nowhere.log"), "{}", output_of(&gone));
}

/// No user can write the database, not even root, because a directory is at the WAL's path. The bundle contains what
/// can be read, and a note that it is not in the audit.
#[actix_rt::test]
async fn a_gateway_whose_disk_takes_nothing_gets_a_bundle_all_the_same() {
    let mut fixture = Fixture::start().await;
    fixture.bench.gateway.stop();
    let log = fixture.bench.gateway.data().join("gangway.db-wal");
    let closed = async {
        while log.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, closed).await.expect("the store is closed");
    fs::create_dir(&log).unwrap();
    let (output, files) = made(&fixture.bench, &fixture.file("ailing.zip"), &[]);
    fs::remove_dir(&log).unwrap();
    assert!(output.contains("could not be written into the audit"), "{output}");
    assert!(files["overview.txt"].contains("could not be written into the audit"), "{}", files["overview.txt"]);
    let version = value(&files, "version.json");
    assert!(version["database"].as_str().unwrap().contains("served as they were"), "{version}");
    assert_eq!(rows(&files, "instance-1/phones.json").len(), 2);
    let words = names(&[fixture.first, fixture.second]);
    assert!(holding(&files, &words).is_empty(), "{:?}", holding(&files, &words));
}
