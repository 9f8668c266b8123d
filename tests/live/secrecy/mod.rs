//! Runs a phone's whole lifecycle with marked values for all secrets, at the most verbose log level. Then searches all
//! output of the gateway for these marks, in every encoding.

mod channels;
mod marks;

use std::{fs, path::Path, process::Output};

use gangway::{phone::facet::RedirectState, settings::Scope, store::HistoryFilter};
use gangway_base::mac::Mac;
use gangway_sim::{
    pbx::PbxUser,
    simulation::Simulation,
    users::ProvisionRequest,
    yealink_phone::{YealinkPhone, model},
};
use serde_json::{Value, json};

use self::marks::Marks;
use crate::support::{
    bench::{TITLE, comes_up, simulation},
    bundle::unpack,
    http, mac,
    options::{Options, PASSWORD},
    page::Page,
    process::{Process, Site, get},
    records::Records,
};

/// Passwords with every character that some format must escape.
const USER: &str = "M4rk<&\"'%+/=;user 7f3a";
const LDAP: &str = "M4rk<&\"'%+/=;ldap 91bc";
const SHARED: &str = "M4rk-shared-3e5d-bootstrap";
const ADMIN: &str = "M4rk<&>admin-66aa";
const RPS: &str = "M4rk<&\"'%rps 0d1e";
const PASSPHRASE: &str = "M4rk passphrase of the backup 55";
const UPLOAD: &str = "M4rk-upload-8a8a";
/// Not secret. Verifies that the search finds values that are present.
const CONTROL: &str = "Contr0l <&\"'% name";

/// Output of the gateway.
#[derive(Default)]
struct Let {
    out: Vec<(String, Vec<u8>)>,
}

impl Let {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.out.push((name.into(), bytes.into()));
    }

    fn command(&mut self, name: &str, done: &Output) {
        assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        self.add(format!("{name}: stdout"), done.stdout.clone());
        self.add(format!("{name}: stderr"), done.stderr.clone());
    }

    /// Adds all files below a directory, except the file with the sealing key. The local socket is not a regular file.
    fn files(&mut self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else if path.is_file() && path.file_name().is_some_and(|name| name != "seal.key") {
                self.add(path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }

    /// Adds the unpacked files of a diagnostics bundle.
    fn bundle(&mut self, name: &str, file: &Path) {
        for (part, text) in unpack(file) {
            self.add(format!("{name}: {part}"), text);
        }
    }

    fn assert_clean(&self, marks: &Marks) {
        let found: Vec<String> = self.out.iter().flat_map(|(name, bytes)| marks.find(name, bytes)).collect();
        assert!(found.is_empty(), "secrets came out:\n{}", found.join("\n"));
    }
}

struct Fixture {
    // Dropped before its directory.
    process: Process,
    simulation: Simulation,
    site: Site,
    records: Records,
    marks: Marks,
    out: Let,
}

impl Fixture {
    async fn start() -> Self {
        let simulation = simulation().providers(&["yealink", "snom"]).start().await.unwrap();
        let _ = simulation.pbx.add_user(PbxUser::new("marked", CONTROL, USER));
        simulation.devices.set_admin_password(ADMIN);
        simulation.rps.board().change(|rps| rps.accounts.insert(Simulation::RPS_USER.into(), RPS.into()));
        let mut options = Options::default().redirecting(&simulation);
        for setting in &mut options.settings {
            if setting.0 == "redirect.yealink.password" {
                setting.1 = RPS.into();
            }
        }
        let more = [("ldap_password", LDAP), ("phone_admin_password", "from-devices"), ("provisioning_user", "shared")];
        options.settings.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        options.settings.push(("provisioning_password".into(), SHARED.into()));
        let site = Site::new(&options);
        site.log_everything();
        let records = site.records(&options).await;
        let process = site.serve();
        simulation.connect_gateway(&site.url());
        simulation.wait_gateway().await.unwrap();
        let mut marks = Marks::default();
        for (name, secret) in [
            ("the user's password", USER),
            ("the LDAP password", LDAP),
            ("the shared bootstrap password", SHARED),
            ("the phones' admin password", ADMIN),
            ("the redirect account's password", RPS),
            ("Snom's secret", Simulation::SRAPS_SECRET),
            ("the passphrase", PASSPHRASE),
            ("an upload", UPLOAD),
            ("the app objects' password", PASSWORD),
        ] {
            marks.add(name, secret);
        }
        let mut fixture = Self { simulation, site, process, records, marks, out: Let::default() };
        fixture.further_marks();
        fixture.deploy();
        fixture
    }

    /// Installs a phone up to its first registration, and collects its individual secrets.
    async fn installed(&mut self, mac: Mac, user: &str) -> YealinkPhone {
        let code = self.simulation.devices.make_code(1, false);
        self.marks.add("the provisioning code", &code);
        let request = ProvisionRequest { code: Some(code), ..ProvisionRequest::new(&mac.to_string(), user, TITLE) };
        let answer = self.simulation.users.provision(request).await.unwrap();
        assert!(answer.ok, "{:?}", answer.error);
        self.out.add("ProvisioningPhoneResult", answer.raw.to_string());
        self.records.wait_redirect(mac, RedirectState::Redirected).await;
        let phone = self.simulation.add_phone(mac, model::T46U);
        comes_up(&phone).await;
        let record = self.records.wait_done(mac).await;
        phone.poll_once().await.unwrap();
        self.records.wait_phone(mac, "the window is closed", |phone| phone.window.closed.is_some()).await;
        let sysclient = self.simulation.devices.board().read(|state| state.devices[&mac.to_string()].password.clone());
        self.marks.add("the sysclient password", &sysclient);
        self.marks.add("the token", record.token.expose());
        self.marks.add("the phone's own password", record.own.password.expose());
        phone
    }

    /// Collects the answers to unknown clients and misconfigured phones.
    fn refusals(&mut self, mac: Mac) {
        let record = self.records.phone(mac).unwrap();
        let base = format!("{}/example.com/gangway/phone", self.site.url());
        let agent = format!("Yealink SIP-T46U 108.86.0.20 {}", mac.spelled(":"));
        let token = record.token.expose();
        for (name, url) in [
            ("unknown token", format!("{base}/aaaaaaaaaaaaaaaaaaaaaaaaaa/{mac}.cfg")),
            ("window closed", format!("{base}/{token}/{mac}.cfg")),
            ("no such file", format!("{base}/{token}/../../etc/passwd")),
            ("without token", format!("{base}/{mac}.cfg")),
        ] {
            let answer = http::get(&url, &agent);
            assert!(answer.status >= 400, "{name}: {}", answer.status);
            self.out.add(format!("answer to: {name}"), format!("{:?}{}", answer.headers, answer.text()));
        }
        let wrong = http::basic(&mac.to_string(), LDAP);
        let url = format!("{base}/{token}/{mac}.cfg");
        let answer = http::request("GET", &url, &[("User-Agent", &agent), ("Authorization", &wrong)], b"");
        self.out.add("answer to wrong credentials", format!("{:?}{}", answer.headers, answer.text()));
    }

    /// Uses all functions of the page, including revealing a secret to a user.
    async fn page(&mut self, mac: Mac) {
        let url = format!("ws://{}/example.com/gangway", self.site.http);
        let mut page = Page::open(&self.simulation, &url).await;
        let mut answer = Vec::new();
        for (message, body) in [
            ("Hello", json!({})),
            ("Devices", json!({})),
            ("Phone", json!({ "mac": mac })),
            ("Config", json!({ "mac": mac })),
            ("Diff", json!({ "mac": mac })),
            ("Settings", json!({})),
            ("Settings", json!({ "scope": "vendor:yealink" })),
            ("SettingsPending", json!({})),
            ("History", json!({ "count": 500 })),
            ("HistoryExport", json!({})),
            ("Notices", json!({})),
            ("Categories", json!({})),
            ("Chart", json!({})),
            ("RedirectTest", json!({ "vendor": "yealink" })),
        ] {
            let parts = page.parts(message, body).await;
            answer.extend(parts.into_iter().map(|part| (message, part)));
        }
        let hidden: Vec<Value> = answer
            .iter()
            .filter(|(message, _)| *message == "Config")
            .flat_map(|(_, part)| part["lines"].as_array().cloned().unwrap_or_default())
            .filter(|line| line.to_string().contains("***"))
            .collect();
        assert!(!hidden.is_empty(), "the file shows no masked line");
        for line in &hidden {
            let refused = page.ask("Reveal", json!({ "mac": mac, "line": line["n"] })).await;
            answer.push(("Reveal of a line", refused));
        }
        // Only secrets that gangway generated for the phone can be revealed, not those of the administrator.
        let own = self.records.store.phones().by_mac(self.records.instance, mac).unwrap().own.clone();
        let revealed = page.ask("Reveal", json!({ "mac": mac, "what": "files" })).await;
        assert_eq!(revealed["password"], own.password.expose(), "{revealed}");
        let refused = page.ask("Reveal", json!({ "mac": mac, "what": "web" })).await;
        assert_eq!(refused["code"]["key"], "not-generated", "{refused}");
        answer.push(("Reveal of the web page's password", refused));
        page.act(mac, "allow", json!({})).await;
        let timeline = page.timeline(mac).await;
        assert!(timeline.iter().any(|entry| entry["kind"] == "person"), "{timeline:?}");
        answer.push(("timeline", Value::Array(timeline)));
        for (message, part) in answer {
            self.out.add(format!("admin page: {message}"), part.to_string());
        }
    }

    /// Provokes errors at the redirect service.
    async fn redirect_errors(&mut self, mac: Mac, user: &str) {
        self.simulation.rps.board().change(|rps| rps.accounts.insert(Simulation::RPS_USER.into(), "changed".into()));
        let request = ProvisionRequest::new(&mac.to_string(), user, TITLE);
        let answer = self.simulation.users.provision(request).await.unwrap();
        self.out.add("ProvisioningPhoneResult, redirect refused", answer.raw.to_string());
        self.records.wait_phone(mac, "the redirect error is recorded", |phone| phone.redirect.error.is_some()).await;
        let record = self.records.phone(mac).unwrap();
        self.marks.add("the second token", record.token.expose());
        self.marks.add("the second own password", record.own.password.expose());
    }

    fn commands(&mut self, mac: Mac) {
        let mac = mac.to_string();
        for arguments in [
            &["phones", "list"][..],
            &["phones", "list", "--json"],
            &["phones", "show", &mac],
            &["phones", "show", &mac, "--json"],
            &["settings", "list"],
            &["settings", "list", "--json"],
            &["settings", "get", "ldap_password"],
            &["render", "--mac", &mac],
            &["render", "--mac", &mac, "--explain"],
            &["vendors"],
        ] {
            let done = self.site.run(arguments);
            self.out.command(&arguments.join(" "), &done);
        }
        let checked = self.site.run(&["check"]);
        self.out.add("check", [checked.stdout, checked.stderr].concat());
    }

    /// Creates the bundles that may be shared: with names and without, each with the whole log.
    fn bundles(&mut self, log: &str) {
        let beside = |name: &str| self.site.data().with_file_name(name);
        let (file, named, journal) = (beside("bundle.zip"), beside("named.zip"), beside("journal"));
        fs::write(&journal, log).unwrap();
        for (name, file, more) in [("diagnostics", file, None), ("diagnostics --names", named, Some("--names"))] {
            let (to, journal) = (file.to_str().unwrap(), journal.to_str().unwrap());
            let all = ["diagnostics", "--limit", "64", "--to", to, "--log", journal];
            let made = self.site.run(&all.into_iter().chain(more).collect::<Vec<_>>());
            self.out.command(name, &made);
            self.out.bundle(name, &file);
        }
    }

    async fn records_and_debug(&mut self) {
        for phone in self.records.store.phones().all() {
            self.out.add("Debug of a record", format!("{phone:?} {phone:#?}"));
            for event in self.records.store.phones().events(phone.id, 500).await.unwrap() {
                self.out.add("time line", format!("{event:?}"));
            }
            for account in &phone.accounts {
                self.out.add("Debug of an account", format!("{account:?}"));
            }
        }
        let filter = HistoryFilter { instance: self.records.instance, mac: None, before: None, limit: 500 };
        let history = self.records.store.redirect_history().entries(filter).await.unwrap();
        assert!(!history.is_empty());
        self.out.add("redirect history", format!("{history:?}"));
        let store = &self.records.store;
        let layers = store.settings().layers(self.records.instance);
        self.out.add("Debug of store and settings", format!("{store:?} {layers:?}"));
        let config = gangway::base::config::Config::load(Some(&self.site.config())).unwrap();
        self.out.add("Debug of the configuration", format!("{config:?} {config:#?}"));
    }
}

#[actix_rt::test]
async fn no_secret_comes_out_anywhere_but_where_it_belongs() {
    let mut fixture = Fixture::start().await;
    let (first, second, third) = (mac(1), mac(2), mac(3));
    let phone = fixture.installed(first, "marked").await;
    let file = phone
        .board()
        .read(|flash| flash.reports.iter().map(|report| format!("{:?}", report.files)).collect::<String>());
    fixture.refusals(first);
    fixture.page(first).await;
    fixture.installed(second, "user2").await;
    fixture
        .records
        .store
        .uploaded_files()
        .save(fixture.records.phone(first).unwrap().id, "a.log", UPLOAD.as_bytes())
        .await
        .unwrap();
    fixture.rotated(first, &phone).await;
    fixture.snom(Mac::new([0x00, 0x04, 0x13, 0x12, 0x34, 1]).unwrap()).await;
    let table = fixture.imported(mac(6)).await;
    fixture.scripts(first, &table).await;
    let refused = fixture.site.run(&["settings", "set", "update_interval_minutes", USER]);
    assert!(!refused.status.success());
    fixture.commands(first);
    let released = fixture.site.run(&["phones", "release", &second.to_string()]);
    fixture.out.command("phones release", &released);
    fixture
        .records
        .store
        .settings()
        .set_one(fixture.records.instance, &Scope::Phone(first), "ldap_password", Some(&LDAP.into()))
        .await
        .unwrap();
    phone.poll_once().await.unwrap();
    fixture.redirect_errors(third, "user3").await;
    fixture.ymcs(mac(4)).await;
    let words = fixture.site.data().with_file_name("words");
    fs::write(&words, PASSPHRASE).unwrap();
    let backup = fixture.site.data().with_file_name("site.backup");
    let made = fixture.site.run(&["backup", backup.to_str().unwrap(), "--passphrase-file", words.to_str().unwrap()]);
    fixture.out.command("backup", &made);
    let key = fs::read_to_string(fixture.site.data().join("seal.key")).unwrap();
    fixture.marks.add("the sealing key", key.trim().split(' ').next_back().unwrap());
    let rotated = fixture.site.run(&["keys", "rotate"]);
    fixture.out.command("keys rotate", &rotated);
    let key = fs::read_to_string(fixture.site.data().join("seal.key")).unwrap();
    fixture.marks.add("the new sealing key", key.trim().split(' ').next_back().unwrap());
    fixture.records_and_debug().await;
    fixture.debug_of_instances();
    for page in ["/metrics", "/readyz", "/healthz", "/debug"] {
        fixture.out.add(page, get(fixture.site.ops, page).unwrap());
    }
    fixture.out.files(&fixture.site.data());
    fixture.out.add("the backup", fs::read(&backup).unwrap());
    let log = fixture.process.log();
    assert!(log.contains("TRACE"), "the log is at its most talkative");
    fixture.bundles(&log);
    fixture.out.add("the log", log);

    // Verify that the search finds values that are present: in the phone's file, and a name that is not secret.
    for (name, secret) in [("password", USER), ("admin password", ADMIN)] {
        let mut wanted = Marks::default();
        wanted.add(name, secret);
        assert!(!wanted.find("file", file.as_bytes()).is_empty(), "{name} is in the phone's file: {file}");
    }
    let mut control = Marks::default();
    control.add("the name", CONTROL);
    for place in [
        "gangway.db",
        "phones show",
        "admin page: Devices",
        "Debug of an account",
        "diagnostics --names: instance-1/phones.json",
    ] {
        let hit =
            fixture.out.out.iter().any(|(name, bytes)| name.contains(place) && !control.find(name, bytes).is_empty());
        assert!(hit, "the control is not found in {place}: the search would miss a secret there, too");
    }
    // A bundle with aliases does not contain names either.
    let aliased: Vec<_> = fixture.out.out.iter().filter(|(name, _)| name.starts_with("diagnostics: ")).collect();
    assert!(aliased.iter().any(|(name, _)| name.contains("log-1.txt")), "the bundle has its log");
    let named: Vec<String> = aliased.iter().flat_map(|(name, bytes)| control.find(name, bytes)).collect();
    assert!(named.is_empty(), "names came out:\n{}", named.join("\n"));
    // Verify that planted secrets are found at each place where they could occur.
    for (name, secret) in [("the user's password", USER), ("the redirect account's password", RPS)] {
        for (place, bytes) in
            fixture.out.out.iter().filter(|(place, _)| place == "the log" || place.contains("gangway.db"))
        {
            let planted = [bytes.as_slice(), secret.as_bytes()].concat();
            let found = fixture.marks.find(place, &planted);
            assert!(found.iter().any(|hit| hit.contains(name)), "{name} is not found in {place}");
        }
    }
    fixture.out.assert_clean(&fixture.marks);
    assert_eq!(fixture.process.terminate().1, Some(0));
}
