//! Tests categories. Devices identifies a category by its name and domain, so the gateway requests codes with both,
//! wherever the category was chosen. Categories for update and backup jobs are neither offered nor accepted.

use gangway::{phone::facet::DevicesState, store::TokenScope};
use gangway_base::mac::Mac;
use gangway_sim::users::ProvisionRequest;
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, TITLE, simulation},
    mac,
    options::Options,
    page::Page,
    process::run,
    script::{Script, body, problem},
};

/// Two domains with a category `Phones` each, one of them with `Lab`, and one category for update jobs.
struct Fixture {
    bench: Bench,
    page: Page,
    second: u64,
    twin: u64,
    lab: u64,
}

async fn fixture() -> Fixture {
    let simulation = simulation().users(6).start().await.unwrap();
    let second = simulation.devices.add_domain("second.example");
    let twin = simulation.devices.add_category(second, "Phones", true);
    let lab = simulation.devices.add_category(second, "Lab", true);
    let bench = Bench::start_in(simulation, Options::default()).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    page.until_devices().await;
    // The domains arrive shortly after the login. Until then only the login's own domain is queried.
    let listed = async { while page.rows("Categories", json!({}), "categories").await.len() < 3 {} };
    tokio::time::timeout(crate::support::records::TIMEOUT, listed).await.expect("the categories of both domains");
    Fixture { bench, page, second, twin, lab }
}

impl Fixture {
    /// A phone that Devices rejects because its code has expired.
    async fn stuck(&self, number: u8) -> Mac {
        let mac = mac(number);
        let code = self.bench.simulation.devices.make_code(1, false);
        self.bench.simulation.devices.expire_code(&code);
        let request = ProvisionRequest {
            code: Some(code),
            ..ProvisionRequest::new(&mac.to_string(), &format!("user{number}"), TITLE)
        };
        assert!(!self.bench.ask(request).await.ok);
        self.bench.records().wait_devices(mac, DevicesState::NotInDomain).await;
        mac
    }

    /// The last request for a code.
    fn last_code_request(&self) -> Value {
        let is_it = |message: &&Value| message["mt"] == "GetProvisioningCode";
        self.bench.simulation.devices.board().read(|state| state.requests.iter().rev().find(is_it).cloned()).unwrap()
    }

    fn codes(&self) -> usize {
        self.bench.simulation.devices.board().read(|state| state.codes.len())
    }

    /// The category that Devices assigned to a phone.
    async fn category(&self, mac: Mac) -> u64 {
        self.bench.records().wait_devices(mac, DevicesState::Received).await;
        self.bench.simulation.devices.board().read(|state| state.devices[&mac.to_string()].category)
    }
}

#[actix_rt::test]
async fn the_page_offers_provisioning_categories_and_sends_the_name_of_the_chosen_one() {
    let mut fixture = fixture().await;
    let rows = fixture.page.rows("Categories", json!({}), "categories").await;
    let mut answer: Vec<_> =
        rows.iter().map(|row| (row["id"].as_str().unwrap(), row["name"].as_str().unwrap())).collect();
    answer.sort_unstable();
    let (twin, lab) = (fixture.twin.to_string(), fixture.lab.to_string());
    let mut expected = [("1", "Phones"), (twin.as_str(), "Phones"), (lab.as_str(), "Lab")];
    expected.sort_unstable();
    assert_eq!(answer, expected, "the category of update jobs is not offered");
    let domain = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap()["domain"].clone();
    assert_eq!((domain("1"), domain(&twin)), (json!("example.com"), json!("second.example")));

    let mac = fixture.stuck(1).await;
    let before = fixture.codes();
    for (category, key) in [
        ("2", "category-not-config"),
        ("Nightly updates", "category-not-config"),
        ("Phones", "category-ambiguous"),
        ("Attic", "unknown-category"),
    ] {
        let refused = fixture.page.ask("Act", json!({ "mac": mac, "action": "new-code", "category": category })).await;
        assert_eq!(refused["code"]["key"], key, "{refused}");
    }
    assert_eq!(fixture.codes(), before, "no code is made in vain");
    fixture.page.act(mac, "new-code", json!({ "category": twin, "rollout": true })).await;
    let code_request = fixture.last_code_request();
    assert_eq!(
        (&code_request["category"], &code_request["domainId"]),
        (&json!("Phones"), &json!(fixture.second)),
        "{code_request}"
    );
    assert_eq!((&code_request["sip"], &code_request["rollout"]), (&json!("user1"), &json!(true)), "{code_request}");
    assert_eq!(fixture.category(mac).await, fixture.twin);
}

#[actix_rt::test]
async fn a_script_names_a_category_by_id_or_by_name() {
    let mut fixture = fixture().await;
    let script = Script::new(&fixture.bench.gateway, "categories", TokenScope::Write).await;
    let offered = script.json("/categories").await;
    let names: Vec<_> = offered["categories"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert!(names.len() == 3 && !names.contains(&json!("Nightly updates")), "{offered}");
    let (first, second) = (fixture.stuck(1).await, fixture.stuck(2).await);
    let act = |mac: Mac| format!("/phones/{mac}/actions/new-code");
    for (category, status, code) in [
        ("Nightly updates", 409, "category-not-config"),
        ("2", 409, "category-not-config"),
        ("phones", 409, "category-ambiguous"),
        ("Attic", 404, "unknown-category"),
    ] {
        let refused = script.change("POST", &act(first), &json!({ "category": category })).await;
        assert_eq!(problem(&refused, status)["code"], code, "{category}");
    }
    let by_name = script.change("POST", &act(first), &json!({ "category": "Lab" })).await;
    assert!(by_name.status < 300, "{}", by_name.text());
    let code_request = fixture.last_code_request();
    assert_eq!(
        (&code_request["category"], &code_request["domainId"]),
        (&json!("Lab"), &json!(fixture.second)),
        "{code_request}"
    );
    assert_eq!(fixture.category(first).await, fixture.lab);
    let by_id = script.change("POST", &act(second), &json!({ "category": "1" })).await;
    assert!(by_id.status < 300, "{}", by_id.text());
    let code_request = fixture.last_code_request();
    assert_eq!((&code_request["category"], &code_request["domainId"]), (&json!("Phones"), &json!(1)), "{code_request}");
    assert_eq!(fixture.category(second).await, 1);

    let csv = [("Content-Type", "text/csv")];
    let line = format!("mac,user,password\n{},user3,secret-3\n", mac(3));
    let refused = script.send("POST", "/import?category=Nightly%20updates", &csv, line.as_bytes()).await;
    assert_eq!(problem(&refused, 409)["code"], "category-not-config");
    let begun = script.send("POST", "/import?category=Lab&rollout=true", &csv, line.as_bytes()).await;
    assert_eq!((begun.status, &body(&begun)["started"]), (202, &json!(1)), "{}", begun.text());
    assert_eq!(fixture.category(mac(3)).await, fixture.lab);
    assert_eq!(fixture.last_code_request()["rollout"], true);
    fixture.page.until_devices().await;
}

#[actix_rt::test]
async fn a_line_of_a_file_that_names_no_provisioning_category_is_refused_with_a_sentence() {
    let fixture = fixture().await;
    let config = fixture.bench.gateway.config();
    let file = config.with_file_name("categories.csv");
    let lines = [
        format!("{},user1,secret-1,1", mac(1)),
        format!("{},user2,secret-2,Lab", mac(2)),
        format!("{},user3,secret-3,{}", mac(3), fixture.twin),
        format!("{},user4,secret-4,Nightly updates", mac(4)),
        format!("{},user5,secret-5,Phones", mac(5)),
        format!("{},user6,secret-6,", mac(6)),
    ];
    std::fs::write(&file, format!("mac,user,password,category\n{}\n", lines.join("\n"))).unwrap();
    let named = file.to_str().unwrap().to_owned();
    let output = actix_web::web::block(move || run(&config, &["phones", "import", &named, "--wait"])).await.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |number: usize| {
        let start = format!("line {number}: ");
        printed.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{start}{printed}")).to_owned()
    };
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert_eq!(printed.lines().count(), 3, "{printed}");
    assert!(line(5).contains("not for provisioning") && line(5).contains("Nightly updates"), "{printed}");
    assert!(line(6).contains(&format!("1, {}", fixture.twin)), "{printed}");
    assert!(line(7).contains("choose one"), "{printed}");
    for (number, category) in [(1, 1), (2, fixture.lab), (3, fixture.twin)] {
        assert_eq!(fixture.category(mac(number)).await, category, "line of {}", mac(number));
    }
    assert_eq!(fixture.codes(), 3, "no code is made for a line that is refused");
}
