//! Tests changes to the data directory under a running gateway: deleted files, added files, a second gateway, a
//! read-only disk.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Output,
    sync::Arc,
    time::{Duration, Instant},
};

use gangway::{app::Application, base::config::Config};
use gangway_base::clock::ManualClock;
use gangway_sim::{
    simulation::Simulation,
    yealink_phone::{YealinkPhone, model},
};
use serde_json::Value;

use crate::support::{
    bench::{Bench, TITLE, comes_up, simulation},
    http, mac,
    options::{DOMAIN, INSTANCE, Options},
    process::{Process, Site, free_port, get, run},
};

const TIMEOUT: Duration = Duration::from_secs(60);

fn output_of(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

/// A gateway in a separate process, with one phone in service.
struct Fixture {
    simulation: Simulation,
    site: Site,
    phone: YealinkPhone,
}

impl Fixture {
    async fn start() -> (Self, Process) {
        let simulation = simulation().start().await.unwrap();
        let (site, process) = Site::serving(&simulation, Options::default()).await;
        let phone = Self::install(&simulation, 1).await;
        (Self { simulation, site, phone }, process)
    }

    async fn install(simulation: &Simulation, number: u8) -> YealinkPhone {
        let answer = simulation.provision(mac(number), &format!("user{number}"), TITLE).await.unwrap();
        assert!(answer.ok, "{:?}", answer.error);
        let phone = simulation.add_phone(mac(number), model::T46U);
        comes_up(&phone).await;
        phone
    }

    /// Checks that a poll is accepted and finds the file unchanged.
    async fn is_served(&self, when: &str) {
        let polled = self.phone.poll_once().await.unwrap();
        assert!(polled.unchanged && !polled.given_up, "{when}: {polled:#?}");
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.site.data().join(name)
    }

    fn phones(&self) -> usize {
        let listed = self.site.run(&["phones", "list", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{}", output_of(&listed)));
        listed.as_array().unwrap().len()
    }

    async fn serve_again(&self) -> Process {
        let process = self.site.serve();
        self.simulation.wait_gateway().await.unwrap();
        process
    }
}

/// Returns the answer of `/readyz`.
fn ready(site: &Site) -> Value {
    let answer = get(site.ops, "/readyz").unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Waits until the answer of `/readyz` meets a condition.
async fn until_ready_says(site: &Site, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let now = ready(site);
        if wanted(&now) {
            return now;
        }
        assert!(begun.elapsed() < TIMEOUT, "{what}: {now:#}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn tells(list: &Value, part: &str) -> bool {
    list.as_array().unwrap().iter().any(|one| one.to_string().contains(part))
}

#[actix_rt::test]
async fn a_database_removed_under_the_gateway_is_put_back_and_nothing_is_lost() {
    let (fixture, process) = Fixture::start().await;
    fs::remove_file(fixture.file("gangway.db")).unwrap();
    until_ready_says(&fixture.site, "it is noticed", |now| tells(&now["remarks"], "the database file was removed"))
        .await;
    assert_eq!(ready(&fixture.site)["ready"], true);
    let log = process.log();
    assert_eq!(log.matches(" ERROR ").count(), 1, "{log}");
    Fixture::install(&fixture.simulation, 2).await;
    let made = fixture.site.run(&["tokens", "create", "notices"]);
    let token = String::from_utf8(made.stdout).unwrap();
    let authorization = format!("Bearer {}", token.trim());
    let notices = http::request(
        "GET",
        &format!("{}/{DOMAIN}/{INSTANCE}/api/v1/notices", fixture.site.url()),
        &[("Authorization", &authorization)],
        b"",
    );
    assert!(notices.text().contains("-rescue.db") && notices.text().contains("Nothing was lost"), "{}", notices.text());
    process.kill();

    let _process = fixture.serve_again().await;
    assert_eq!(fixture.phones(), 2);
    fixture.is_served("after the restart").await;
}

#[actix_rt::test]
async fn a_database_emptied_under_the_gateway_is_put_back_and_nothing_is_lost() {
    let (fixture, process) = Fixture::start().await;
    fs::File::create(fixture.file("gangway.db")).unwrap();
    until_ready_says(&fixture.site, "it is noticed", |now| tells(&now["remarks"], "was truncated")).await;
    process.kill();
    let _process = fixture.serve_again().await;
    assert_eq!(fixture.phones(), 1);
    fixture.is_served("after the restart").await;
}

#[actix_rt::test]
async fn a_database_replaced_under_the_gateway_is_told_and_what_it_had_is_kept() {
    let (fixture, process) = Fixture::start().await;
    let other = Site::new(&Options::default());
    other.serve().terminate();
    let theirs = fs::read(other.data().join("gangway.db")).unwrap();
    fs::write(fixture.file("theirs"), &theirs).unwrap();
    fs::rename(fixture.file("theirs"), fixture.file("gangway.db")).unwrap();

    let now = until_ready_says(&fixture.site, "it is told", |now| tells(&now["missing"], "another file was put")).await;
    assert_eq!(now["ready"], false);
    fixture.is_served("while another file is there").await;
    let answer = fixture.simulation.provision(mac(2), "user2", TITLE).await;
    assert!(!answer.as_ref().is_ok_and(|answer| answer.ok), "nothing that would be lost is taken: {answer:?}");
    let log = process.log();
    assert_eq!(log.matches(" ERROR ").count(), 1, "{log}");
    process.kill();
    assert!(fs::read(fixture.file("gangway.db")).unwrap() == theirs, "left alone");

    // Follow the instructions of `/readyz`: stop, restore, continue.
    let why = now["missing"].to_string();
    let command = why.split("`gangway ").nth(1).unwrap().split('`').next().unwrap();
    let restored = fixture.site.run(&command.split_whitespace().collect::<Vec<_>>());
    assert!(restored.status.success(), "{}", output_of(&restored));
    assert!(fixture.site.run(&["restore", "--take-over"]).status.success());
    let _process = fixture.serve_again().await;
    fixture.is_served("after the restoration").await;
}

#[actix_rt::test]
async fn a_start_without_its_database_refuses_and_names_the_ways_on() {
    let (fixture, process) = Fixture::start().await;
    // The daily copy is made while the gateway starts.
    let begun = Instant::now();
    let copy = loop {
        let entries = fs::read_dir(fixture.file("backups")).into_iter().flatten().flatten();
        if let Some(copy) =
            entries.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|kind| kind == "db"))
        {
            break copy;
        }
        assert!(begun.elapsed() < TIMEOUT, "no copy is made");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    process.terminate();
    for name in ["gangway.db", "gangway.db-wal", "gangway.db-shm"] {
        let _ = fs::remove_file(fixture.file(name));
    }
    for command in [
        vec!["serve"],
        vec!["phones", "list"],
        vec!["settings", "list"],
        vec!["tokens", "list"],
        vec!["keys", "rotate"],
    ] {
        let refused = fixture.site.run(&command);
        let output = output_of(&refused);
        assert!(!refused.status.success(), "{command:?}: {output}");
        let restore = format!("gangway restore {}", copy.display());
        assert!(output.contains(&restore) && output.contains("gangway serve --new-database"), "{command:?}: {output}");
        assert!(!fixture.file("gangway.db").exists(), "{command:?}");
    }
    let restored = fixture.site.run(&["restore", copy.to_str().unwrap(), "--take-over"]);
    assert!(restored.status.success(), "{}", output_of(&restored));
    fixture.serve_again().await.terminate();

    for name in ["gangway.db", "gangway.db-wal", "gangway.db-shm"] {
        let _ = fs::remove_file(fixture.file(name));
    }
    let process = fixture.site.serve_as(&["--new-database"]);
    assert_eq!(fixture.phones(), 0);
    process.terminate();
    let again = fixture.site.run(&["serve", "--new-database"]);
    assert!(!again.status.success() && output_of(&again).contains("holds a database already"), "{}", output_of(&again));
    fixture.site.serve().terminate();
}

#[actix_rt::test]
async fn a_second_gateway_is_refused_also_without_the_lock_file_and_through_a_link() {
    let site = Site::new(&Options::default());
    let _process = site.serve();
    fs::remove_file(site.data().join("gangway.lock")).unwrap();
    let (elsewhere, link) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(site.data(), link.path().join("data")).unwrap();
    for data in [site.data(), link.path().join("data")] {
        let refused = second(&site, elsewhere.path(), &data);
        assert!(refused.contains("already serves"), "{}: {refused}", data.display());
    }
    fs::write(site.data().join("gangway.lock"), "").unwrap();
    let refused = second(&site, elsewhere.path(), &site.data());
    assert!(refused.contains("already serves"), "another lock file: {refused}");
    let refused = run(&site.config(), &["serve", "--new-database"]);
    assert!(output_of(&refused).contains("already serves"), "{}", output_of(&refused));
}

/// Starts another gateway with its own ports on the same data; returns its output.
fn second(site: &Site, dir: &Path, data: &Path) -> String {
    let mine = fs::read_to_string(site.config()).unwrap();
    let other = mine
        .replace(&site.http.to_string(), &free_port().to_string())
        .replace(&site.ops.to_string(), &free_port().to_string())
        .replace(site.data().to_str().unwrap(), data.to_str().unwrap());
    let config = dir.join("gangway.toml");
    fs::write(&config, other).unwrap();
    let refused = run(&config, &["serve"]);
    assert!(!refused.status.success(), "it serves");
    output_of(&refused)
}

#[actix_rt::test]
async fn a_token_is_good_the_moment_it_is_shown() {
    let site = Site::new(&Options::default());
    let _process = site.serve();
    let url = format!("{}/{DOMAIN}/{INSTANCE}/api/v1/phones", site.url());
    for round in 0..50 {
        let made = site.run(&["tokens", "create", &format!("script{round}")]);
        let token = String::from_utf8(made.stdout).unwrap();
        let answer = http::request("GET", &url, &[("Authorization", &format!("Bearer {}", token.trim()))], b"");
        assert_eq!(answer.status, 200, "round {round}: {}", answer.text());
    }
    // None of these requests counted as a wrong token.
    let wrong = || http::request("GET", &url, &[("Authorization", "Bearer gw_wrong")], b"").status;
    assert_eq!((0..10).map(|_| wrong()).collect::<Vec<_>>(), [401; 10]);
    assert_eq!(wrong(), 429);
    // A new token is accepted even from the locked-out address, as soon as the gateway has read it.
    let made = String::from_utf8(site.run(&["tokens", "create", "late"]).stdout).unwrap();
    let header = format!("Bearer {}", made.trim());
    let begun = Instant::now();
    while http::request("GET", &url, &[("Authorization", &header)], b"").status != 200 {
        assert!(begun.elapsed() < TIMEOUT, "the new token is not let in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The disk becomes read-only while the gateway runs. `/readyz` reports this at the first failed write.
#[actix_rt::test]
async fn readiness_reports_a_full_disk_until_it_is_over() {
    let bench = Bench::start().await;
    bench.gateway.expect_errors();
    let ready = || http::get(&bench.gateway.ops_url("readyz"), "test");
    let until = async |status: u16| {
        let begun = Instant::now();
        loop {
            let now = ready();
            if now.status == status {
                return now.text();
            }
            assert!(begun.elapsed() < TIMEOUT, "{}", now.text());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    until(200).await;
    bench.records().store.refuse_writes(true).await.unwrap();
    assert!(!bench.provision(mac(1), "user1").await.ok);
    let answer = until(503).await;
    assert!(answer.contains("\"what\":\"database\"") && answer.contains("Phones are served as they were"), "{answer}");
    assert_eq!(http::get(&format!("{}/healthz", bench.gateway.base()), "test").status, 200);
    bench.records().store.refuse_writes(false).await.unwrap();
    until(200).await;
}

#[actix_rt::test]
async fn an_unusable_certificate_is_reported_while_the_earlier_one_serves() {
    let dir = tempfile::tempdir().unwrap();
    let (chain, key) = (dir.path().join("chain.pem"), dir.path().join("key.pem"));
    let pair = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["gw.example.com".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let (good_chain, good_key) = pair();
    fs::write(&chain, &good_chain).unwrap();
    fs::write(&key, &good_key).unwrap();
    let https = free_port();
    let sections =
        format!("[https]\nlisten = \"{https}\"\ncertificate = \"{}\"\nkey = \"{}\"\n", chain.display(), key.display());
    let site = Site::new(&Options { sections, ..Options::default() });
    let process = site.serve();
    let remark = |now: &Value| tells(&now["remarks"], "TLS certificate");
    assert!(!remark(&ready(&site)));
    for (file, bad) in [(&chain, "no certificate".to_owned()), (&key, pair().1)] {
        let good = fs::read(file).unwrap();
        fs::write(file, bad).unwrap();
        process.hang_up();
        let now = until_ready_says(&site, "it is told", remark).await;
        assert!(now["remarks"].to_string().contains("the earlier certificates serve on"), "{now}");
        assert!(std::net::TcpStream::connect(https).is_ok());
        fs::write(file, good).unwrap();
        process.hang_up();
        until_ready_says(&site, "it is over", |now| !remark(now)).await;
    }
}

#[actix_rt::test]
async fn a_clock_before_1970_ends_the_gateway_with_a_sentence_and_lets_none_start() {
    let dir = tempfile::tempdir().unwrap();
    Options::default().write(dir.path(), free_port(), free_port());
    let config = || Config::load(Some(&dir.path().join("gangway.toml"))).unwrap();
    let long_ago = "1969-12-31T23:00:00Z".parse().unwrap();
    let clock = ManualClock::new(long_ago);
    let refused = Application::build(config(), Arc::new(clock.clone())).await.err().expect("it starts").to_string();
    assert!(refused.contains("before 1970") && refused.contains("Set the clock"), "{refused}");
    assert!(!dir.path().join("data").exists(), "nothing is made");

    clock.set("2026-06-01T00:00:00Z".parse().unwrap());
    let application = Application::build(config(), Arc::new(clock.clone())).await.unwrap();
    let running = application.run();
    tokio::pin!(running);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut running).await.is_err(), "it serves");
    clock.set(long_ago);
    let ended = tokio::time::timeout(TIMEOUT, running).await.expect("it ends").unwrap_err().to_string();
    assert!(ended.contains("before 1970"), "{ended}");
}
