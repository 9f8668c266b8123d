//! Tests adding a vendor with files only. The vendor folder from the tutorial docs/vendors.md is installed as the page
//! shows it and brings a phone into service. Then it is changed while the gateway serves, broken, and repaired.

use std::{fs, path::Path};

use gangway::phone::facet::{RedirectState, RequestState};
use gangway_base::mac::Mac;
use gangway_sim::users::ProvisionRequest;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    bench::{Bench, simulation},
    http::{self, Answer},
    options::Options,
    page::Page,
};

const TITLE: &str = "Kestrel";
const AGENT: &str = "Kestrel K5/3.1.4 (00005e005301)";
/// Contains characters that may begin a comment, a section or the end of the file, and at its end one that may continue
/// a line. (Line breaks do not get this far: a name with one is rejected when a phone is provisioned.)
const HOSTILE: &str = "Anna: Password: x ; # // [account 2] <<END>> \\";

/// MAC addresses reserved for documentation, which belong to no vendor.
fn mac(number: u8) -> Mac {
    Mac::new([0x00, 0x00, 0x5e, 0x00, 0x53, number]).unwrap()
}

struct Folder {
    dir: TempDir,
    bench: Bench,
}

impl Folder {
    async fn start() -> Self {
        Self::start_in(copied()).await
    }

    async fn start_in(dir: TempDir) -> Self {
        let simulation = simulation().providers(&["kestrel"]).start().await.unwrap();
        let options = Options { vendors: Some(dir.path().to_owned()), ..Options::default() };
        Self { bench: Bench::start_in(simulation, options).await, dir }
    }

    async fn provisioned(&self, mac: Mac, user: &str) {
        let answer = self.bench.ask(ProvisionRequest::new(&mac.to_string(), user, TITLE)).await;
        assert!(answer.ok, "{:?}", answer.error);
    }

    /// Requests a file as a phone whose URL was configured by hand.
    fn fetch(&self, mac: Mac, name: &str, agent: &str) -> Answer {
        let token = self.bench.records().phone(mac).unwrap().token.expose().to_owned();
        http::get(&format!("{}/phone/{token}/{name}", self.bench.gateway.instance_url()), agent)
    }

    fn change(&self, file: &str, change: impl Fn(String) -> String) {
        rewrite(&self.dir, file, change);
    }

    fn readiness(&self) -> String {
        http::get(&self.bench.gateway.ops_url("readyz"), "curl").text()
    }
}

/// A copy of the tutorial's files that tests can change.
fn copied() -> TempDir {
    let dir = TempDir::new().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vendor-folder"), dir.path());
    dir
}

fn rewrite(dir: &TempDir, file: &str, change: impl Fn(String) -> String) {
    let path = dir.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, change(text)).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Parses the file as the phone does: `[section]` and `key: value` between the first and the last line.
fn read(answer: &Answer) -> Vec<(String, String)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let inner = text.strip_prefix("<<KESTREL SETTINGS 3>>\n").and_then(|text| text.strip_suffix("<<END>>\n")).unwrap();
    let mut section = String::new();
    let mut found = Vec::new();
    for line in inner.lines() {
        if line.starts_with('[') {
            section = line.to_owned();
        } else {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?} is no setting"));
            found.push((format!("{section} {key}"), value.to_owned()));
        }
    }
    found
}

fn value<'a>(file: &'a [(String, String)], key: &str) -> &'a str {
    file.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value)
}

#[actix_rt::test]
async fn a_phone_of_a_made_up_vendor_rings_without_a_line_of_rust() {
    let folder = Folder::start().await;
    let (mac, records) = (mac(1), folder.bench.records());
    let guid = folder
        .bench
        .simulation
        .pbx
        .board()
        .read(|pbx| pbx.users.iter().find(|user| user.h323 == "user1").unwrap().guid.clone());
    folder.bench.simulation.pbx.rename_user(&guid, "user1", HOSTILE);
    folder.provisioned(mac, "user1").await;
    records.wait_redirect(mac, RedirectState::NotConfigured).await;

    let answer = folder.fetch(mac, &format!("kestrel-{mac}.conf"), AGENT);

    let file = read(&answer);
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(value(&file, "[account 1] Password"), "secret-1");
    assert_eq!(value(&file, "[account 1] Shown Name"), "Anna: Password: x ； ＃ ／/ [account 2] <<END>> ＼");
    assert_eq!(value(&file, "[account 1] User"), mac.to_string());
    assert_eq!((value(&file, "[account 1] Transport"), value(&file, "[account 1] ICE")), ("tls", "no"));
    assert_eq!(value(&file, "[account 2] Enabled"), "no");
    assert_eq!(file.iter().filter(|(key, _)| key.ends_with("Password")).count(), 3, "{file:#?}");
    let record = records.wait_request(mac, RequestState::Provisioned).await;
    assert_eq!((record.model.as_deref(), record.firmware.as_deref()), (Some("K5"), Some("3.1.4")));

    // From now on the phone authenticates with the credentials from its file and gets the same file and its directory.
    let base = value(&file, "[server] Server URL").to_owned();
    let (user, password) = (value(&file, "[server] Server User"), value(&file, "[server] Server Password"));
    let agent = [("User-Agent", AGENT)];
    let again = http::proven("GET", &format!("{base}kestrel-{mac}.conf"), &agent, user, password);
    assert_eq!(read(&again), file);
    let book = http::proven("GET", &format!("{base}kestrel-{mac}.book"), &agent, user, password);
    assert_eq!(book.header("content-type"), Some("text/x-kestrel-book"));
    assert!(book.text().contains("Directory:"), "{}", book.text());
    let common = http::get(&format!("{base}kestrel.conf"), AGENT);
    assert_eq!(common.text(), "<<KESTREL SETTINGS 3>>\n<<END>>\n");
    folder.bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_broken_folder_serves_on_as_it_was_and_a_mended_one_at_once() {
    const TEMPLATE: &str = "templates/kestrel/desk.conf";
    let folder = Folder::start().await;
    let (mac, records) = (mac(1), folder.bench.records());
    folder.provisioned(mac, "user1").await;
    let name = format!("kestrel-{mac}.conf");
    let before = folder.fetch(mac, &name, AGENT);
    assert!(folder.readiness().contains("\"remarks\":[]"), "{}", folder.readiness());

    folder.change(TEMPLATE, |text| text.replace("{{ sip.transport }}", "{{ sip.transport"));
    records.wait_for("/readyz to tell of the template", |_| folder.readiness().contains(TEMPLATE).then_some(())).await;
    assert_eq!(folder.fetch(mac, &name, AGENT).body, before.body);
    let check = folder.bench.gateway.command(&["check"]);
    let output = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(1), "{output}");
    let line = output.lines().find(|line| line.contains(TEMPLATE)).unwrap_or_else(|| panic!("{output}"));
    assert!(line.contains("desk.conf:18") && line.contains("correct the template"), "{line}");

    folder.change(TEMPLATE, |text| text.replace("{{ sip.transport", "{{ sip.transport }}\nRing Tone: 7"));
    folder.change(TEMPLATE, |text| text.replace("Opus:", "Opus Codec:"));
    let mended = records
        .wait_for("the new file", |_| {
            let answer = folder.fetch(mac, &name, AGENT);
            answer.text().contains("Ring Tone: 7").then_some(answer)
        })
        .await;
    assert!(mended.text().contains("Opus Codec: on") && mended.header("etag") != before.header("etag"));
    assert!(folder.readiness().contains("\"remarks\":[]"), "{}", folder.readiness());
}

/// A MAC in a file name with an unknown or foreign User-Agent is not enough to get a vendor's file.
#[actix_rt::test]
async fn an_unrecognised_phone_ends_in_unknown_model_with_its_evidence() {
    let dir = copied();
    // Use file names that phones of other vendors might request as well.
    rewrite(&dir, "vendors/kestrel/vendor.toml", |text| text.replace("unique = true\n", ""));
    let folder = Folder::start_in(dir).await;
    let (mac, records) = (mac(2), folder.bench.records());
    folder.provisioned(mac, "user2").await;
    let name = format!("kestrel-{mac}.conf");
    for agent in ["Falcon F1/9.9", "Yealink SIP-T46U 108.86.0.20 00:00:5e:00:53:02"] {
        let answer = folder.fetch(mac, &name, agent);
        assert_eq!((answer.status, answer.body.len(), answer.header("etag")), (404, 0, None), "{agent}");
    }
    let record = records.wait_request(mac, RequestState::Rejected).await;
    let error_text = record.request.error.clone().unwrap();
    assert!(error_text.contains("Unknown model"), "{error_text}");
    let events = records.events(mac).await;
    let seen = events.iter().find(|event| event.kind == "withheld").expect("the time line tells of it");
    for part in ["Falcon F1/9.9", name.as_str(), "127.0.0.1"] {
        assert!(seen.text.contains(part), "{}", seen.text);
    }

    // The phone's own User-Agent is sufficient.
    assert_eq!(folder.fetch(mac, &name, AGENT).status, 200);
    records.wait_request(mac, RequestState::Provisioned).await;
}

#[actix_rt::test]
async fn an_account_the_vendor_lends_out_is_warned_of_until_another_one_is_set() {
    let dir = copied();
    rewrite(&dir, "vendors/kestrel/vendor.toml", |text| {
        let redirect = "protocols = [\"yealink-xmlrpc\"]\ndemo_accounts = [\"Kestrel-Trial\"]\n";
        text.replacen("default = \"none\"\n", &format!("default = \"yealink-xmlrpc\"\n{redirect}"), 1)
    });
    let folder = Folder::start_in(dir).await;
    let mut page = Page::open(&folder.bench.simulation, &folder.bench.gateway.socket_url()).await;
    let of = |message: &Value, key: &str| {
        let notices = message["notices"].as_array().unwrap();
        notices.iter().find(|notice| notice["key"] == key).cloned()
    };
    let hello = page.ask("Hello", json!({})).await;
    let kestrel = hello["vendors"].as_array().unwrap().iter().find(|vendor| vendor["name"] == "kestrel").unwrap();
    assert_eq!(kestrel["demoAccounts"], json!(["Kestrel-Trial"]));
    let now = page.ask("Notices", json!({})).await;
    assert!(of(&now, "redirect-unconfigured").is_some() && of(&now, "redirect-demo").is_none(), "{now}");

    let account = |user: &str| {
        json!({ "scope": "instance", "values": {
            "redirect.kestrel.user": user, "redirect.kestrel.password": "pw", "redirect.kestrel.url": "http://127.0.0.1:9/",
        } })
    };
    let set = page.ask("SettingsSet", account("kestrel-TRIAL")).await;
    assert!(set["error"].is_null(), "{set}");
    let message = page.until_message("NoticesChanged", |message| of(message, "redirect-demo").is_some()).await;
    let notice = of(&message, "redirect-demo").unwrap();
    assert_eq!(
        (&notice["severity"], &notice["text"]["params"]["account"]),
        (&json!("warning"), &json!("kestrel-TRIAL"))
    );
    assert!(of(&message, "redirect-unconfigured").is_none(), "{message}");
    page.ask("SettingsSet", account("ours")).await;
    page.until_message("NoticesChanged", |message| of(message, "redirect-demo").is_none()).await;
}
