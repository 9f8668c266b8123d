//! Tests which public URL a provider's phones use. Every source of the URL reports the same one, and one provider's app
//! object does not move another provider's phones.

use std::net::{IpAddr, Ipv4Addr};

use gangway::{phone::facet::RedirectState, store::TokenScope};
use gangway_base::mac::Mac;
use gangway_sim::{pbx::AppObject, sip_phone::SipPhone, snom_phone, users::ProvisionRequest};
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, TITLE, simulation},
    gateway::Gateway,
    http, mac,
    options::{DOMAIN, INSTANCE, Options, PASSWORD},
    page::Page,
    script::Script,
};

/// The two names of the gateway's host.
const HOSTS: [&str; 2] = ["127.0.0.1", "localhost"];

fn snom(number: u8) -> Mac {
    Mac::new([0x00, 0x04, 0x13, 0x12, 0x34, number]).unwrap()
}

fn base(gateway: &Gateway, host: &str) -> String {
    format!("http://{host}:{}/{DOMAIN}/{INSTANCE}/phone/", gateway.port())
}

fn connect(bench: &Bench, app: &str, host: &str) {
    let url = format!("http://{host}:{}/{DOMAIN}/{INSTANCE}/{app}", bench.gateway.port());
    bench.simulation.pbx.add_app(AppObject::new(app, &url, PASSWORD).connected().granting("devices-api"));
}

/// Starts a gateway with these lines for its instance (`{port}` is its own port) and with app objects at these hosts.
async fn bench(instance: &str, yealink: &str, snom: Option<&str>) -> Bench {
    let providers: &[&str] = if snom.is_some() { &["yealink", "snom"] } else { &["yealink"] };
    let simulation = simulation().providers(providers).users(4).start().await.unwrap();
    let options = Options { pnp: "listen = \"127.0.0.1:0\"".to_owned(), ..Options::default() };
    let mut gateway = Gateway::start(&simulation, options).await;
    if !instance.is_empty() {
        let mut options = gateway.options().clone();
        options.instance = instance.replace("{port}", &gateway.port().to_string());
        gateway.restart_with(options).await;
    }
    let bench = Bench { gateway, simulation };
    connect(&bench, "gangway-admin", "127.0.0.1");
    connect(&bench, "gangway-yealink", yealink);
    if let Some(host) = snom {
        connect(&bench, "gangway-snom", host);
    }
    bench.simulation.wait_gateway().await.unwrap();
    bench
}

/// A phone and its vendor-specific request.
struct One {
    vendor: &'static str,
    title: &'static str,
    mac: Mac,
    user: &'static str,
    agent: String,
    file: String,
    /// The prefix of the line in the file that contains the URL.
    line: &'static str,
}

fn yealink() -> One {
    let mac = mac(1);
    One {
        vendor: "yealink",
        title: TITLE,
        mac,
        user: "user1",
        agent: format!("Yealink SIP-T46U 108.86.0.20 {}", mac.spelled(":")),
        file: format!("{mac}.cfg"),
        line: "static.auto_provision.server.url = ",
    }
}

fn snom_phone() -> One {
    let mac = snom(1);
    One {
        vendor: "snom",
        title: "Snom",
        mac,
        user: "user2",
        agent: snom_phone::model::D785.user_agent(mac).unwrap(),
        file: format!("snomD785-{}.htm", mac.spelled("")),
        line: "<setting_server perm=\"RW\">",
    }
}

/// Returns the text after the prefix of a line.
fn named(text: &str, line: &str) -> String {
    let rest = text.lines().find_map(|one| one.trim_start().strip_prefix(line)).unwrap_or_else(|| panic!("{text}"));
    rest.split('<').next().unwrap().to_owned()
}

async fn command(bench: &Bench, arguments: &[&str]) -> String {
    let config = bench.gateway.config();
    let arguments: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    let output = actix_web::web::block(move || {
        crate::support::process::run(&config, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Queries every source of the URL; returns the base of each, without the token.
async fn urls_shown(bench: &Bench, one: &One) -> Vec<(&'static str, String)> {
    let mac = one.mac;
    let record = bench.records().phone(mac).unwrap();
    let token = format!("{}/", record.token.expose());
    let bare = |url: &str| url.strip_suffix(&token).unwrap_or_else(|| panic!("no token in {url}")).to_owned();
    let mut urls_shown = Vec::new();

    let target = match one.vendor {
        "yealink" => bench.simulation.rps.target(mac),
        _ => bench.simulation.sraps.target(mac),
    };
    let target = target.expect("it has an entry at its redirect service");
    urls_shown.push(("redirect entry", bare(&target)));
    urls_shown.push(("redirect entry on record", bare(record.redirect_entry.as_ref().unwrap().url.expose())));

    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let sip = SipPhone::start(&bench.simulation.host(), ip, mac, "X", "1").await.unwrap();
    let by_pnp = sip.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap().expect("it is told a URL");
    urls_shown.push(("SIP PnP", bare(&by_pnp)));

    let (url, agent) = (format!("{target}{}", one.file), one.agent.clone());
    let file = actix_web::web::block(move || http::get(&url, &agent)).await.unwrap();
    assert_eq!(file.status, 200, "{file:?}");
    urls_shown.push(("file", named(&file.text(), one.line)));

    let mac = mac.to_string();
    urls_shown.push(("gangway render", named(&command(bench, &["render", "--mac", &mac]).await, one.line)));
    let answer: Value = serde_json::from_str(&command(bench, &["phones", "show", &mac, "--json"]).await).unwrap();
    urls_shown.push(("gangway phones show --json", answer["url"].as_str().unwrap().to_owned()));
    let text = command(bench, &["phones", "show", &mac]).await;
    urls_shown.push((
        "gangway phones show",
        text.split("Comes to").nth(1).unwrap().split_whitespace().next().unwrap().into(),
    ));
    let vendor: Value = serde_json::from_str(&command(bench, &["vendors", one.vendor, "--json"]).await).unwrap();
    let of_vendor = |vendor: &Value| {
        let provider = vendor["providers"].as_array().unwrap().iter().find(|row| row["name"] == one.vendor).unwrap();
        let dhcp = vendor["arrival"]["dhcp"][0]["text"].as_str().unwrap();
        let url = provider["url"].as_str().unwrap().to_owned();
        assert!(dhcp.starts_with(&url), "the DHCP text {dhcp} tells another URL than {url}");
        url
    };
    urls_shown.push(("gangway vendors --json", of_vendor(&vendor)));

    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let answer = page.ask("Phone", json!({ "mac": mac })).await;
    urls_shown.push(("page: phone", answer["phone"]["manualUrl"].as_str().unwrap().to_owned()));
    let vendors = page.rows("Vendors", json!({ "vendor": one.vendor }), "vendors").await;
    urls_shown.push(("page: vendor", of_vendor(&vendors[0])));
    let script = Script::new(&bench.gateway, one.vendor, TokenScope::Read).await;
    let answer = script.json(&format!("/phones/{mac}")).await;
    urls_shown.push(("REST: phone", answer["phone"]["manualUrl"].as_str().unwrap().to_owned()));
    urls_shown.push(("REST: vendor", of_vendor(&script.json(&format!("/vendors/{}", one.vendor)).await)));
    urls_shown
}

/// Provisions the phone as a user and waits for its redirect entry.
async fn provisioned(bench: &Bench, one: &One) {
    let answer = bench.ask(ProvisionRequest::new(&one.mac.to_string(), one.user, one.title)).await;
    assert!(answer.ok, "Users was told: {:?}", answer.error);
    bench.records().wait_redirect(one.mac, RedirectState::Redirected).await;
}

#[actix_rt::test]
async fn every_method_returns_the_same_url() {
    let [a, b] = HOSTS;
    for (instance, yealink_app, snom_app, yealink_base, snom_base) in [
        ("", a, a, a, a),
        ("", a, b, a, b),
        ("", b, a, b, a),
        ("public_url = \"http://localhost:{port}\"", a, a, b, b),
        ("public_url = \"http://127.0.0.1:{port}\"\nphone_url = \"http://localhost:{port}\"", a, b, b, b),
    ] {
        let bench = bench(instance, yealink_app, Some(snom_app)).await;
        for (one, host) in [(yealink(), yealink_base), (snom_phone(), snom_base)] {
            provisioned(&bench, &one).await;
            let expected = base(&bench.gateway, host);
            for (way, urls_shown) in urls_shown(&bench, &one).await {
                assert_eq!(
                    urls_shown, expected,
                    "{way} of {} with {instance:?}, {yealink_app}, {snom_app}",
                    one.vendor
                );
            }
        }
    }
}

#[actix_rt::test]
async fn one_providers_app_object_moves_its_own_phones_alone() {
    let [before, after] = HOSTS;
    let bench = bench("", before, Some(before)).await;
    let (yealink, snom_phone) = (yealink(), snom_phone());
    for one in [&yealink, &snom_phone] {
        provisioned(&bench, one).await;
    }
    let registered = bench.simulation.rps.calls("registerDeviceWithUniqueUrl").len();
    let servers = bench.simulation.rps.board().read(|state| state.servers.clone());
    let old = bench.records().phone(yealink.mac).unwrap();

    bench.simulation.pbx.edit_app("gangway-snom", |app| app.url = app.url.replace(before, after));
    bench.simulation.pbx.drop_link("gangway-snom");

    let moved = base(&bench.gateway, after);
    bench
        .records()
        .wait_phone(snom_phone.mac, "the Snom phone moved", |phone| {
            phone.redirect.state == RedirectState::Redirected
                && phone.redirect_entry.as_ref().is_some_and(|entry| entry.url.expose().starts_with(&moved))
        })
        .await;
    for (way, urls_shown) in urls_shown(&bench, &snom_phone).await {
        assert_eq!(urls_shown, moved, "{way} of the Snom phone");
    }
    let stays = base(&bench.gateway, before);
    for (way, urls_shown) in urls_shown(&bench, &yealink).await {
        assert_eq!(urls_shown, stays, "{way} of the Yealink phone");
    }
    assert_eq!(
        bench.simulation.rps.calls("registerDeviceWithUniqueUrl").len(),
        registered,
        "it was not registered again"
    );
    assert_eq!(bench.simulation.rps.board().read(|state| state.servers.clone()), servers);
    let new = bench.records().phone(yealink.mac).unwrap();
    assert_eq!(new.redirect_entry, old.redirect_entry);
}

/// Without an app object of Snom, the URL of other providers is not used instead, and the missing app object is
/// reported.
#[actix_rt::test]
async fn a_provider_without_an_app_object_has_no_url_and_every_way_says_so() {
    let bench = bench("", "127.0.0.1", None).await;
    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    page.until_devices().await;
    let mac = snom(3);
    let file = bench.gateway.config().with_file_name("snom.csv");
    std::fs::write(&file, format!("mac,user,password\n{mac},user3,secret-3\n")).unwrap();
    command(&bench, &["phones", "import", file.to_str().unwrap(), "--category", "1"]).await;
    let says = |error: &str| error.contains("create the app object gangway-snom");
    bench.records().wait_phone(mac, "the reason", |phone| phone.redirect.error.as_deref().is_some_and(says)).await;
    let answer = page.ask("Phone", json!({ "mac": mac })).await;
    assert_eq!(answer["phone"]["manualUrl"], Value::Null, "{answer}");
    assert!(says(answer["phone"]["urlProblem"].as_str().unwrap()), "{answer}");
    let text = command(&bench, &["phones", "show", &mac.to_string()]).await;
    assert!(text.contains("not known") && says(&text), "{text}");
    let vendors = command(&bench, &["vendors", "snom"]).await;
    assert!(says(&vendors) && vendors.contains("https://GATEWAY/"), "{vendors}");
    let checked = bench.gateway.command(&["check"]);
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains("the phones of gangway-snom reach this gateway"), "{checked}");

    // After the app object is created, the phone continues without intervention.
    connect(&bench, "gangway-snom", "127.0.0.1");
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let answer = page.ask("Phone", json!({ "mac": mac })).await;
    assert_eq!(answer["phone"]["manualUrl"], base(&bench.gateway, "127.0.0.1"), "{answer}");
}

/// Two PBXs name different URLs for one provider. Its phones stay, other providers are not affected, and the conflict
/// is shown.
#[actix_rt::test]
async fn a_conflict_is_shown_and_concerns_one_provider() {
    let [before, other] = HOSTS;
    let bench = bench("", before, Some(before)).await;
    let (yealink, snom_phone) = (yealink(), snom_phone());
    provisioned(&bench, &yealink).await;
    let slave = bench.simulation.add_pbx("slave").await.unwrap();
    let url = format!("http://{other}:{}/{DOMAIN}/{INSTANCE}/gangway-yealink", bench.gateway.port());
    slave.add_app(AppObject::new("gangway-yealink", &url, PASSWORD).connected().granting("devices-api"));

    let mut page = Page::open(&bench.simulation, &bench.gateway.socket_url()).await;
    let conflict = async {
        loop {
            let answer = page.ask("Phone", json!({ "mac": yealink.mac })).await;
            if let Some(problem) = answer["phone"]["urlProblem"].as_str() {
                return problem.to_owned();
            }
        }
    };
    let problem = tokio::time::timeout(crate::support::records::TIMEOUT, conflict).await.expect("a conflict");
    assert!(problem.contains("gangway-yealink") && HOSTS.iter().all(|host| problem.contains(host)), "{problem}");
    provisioned(&bench, &snom_phone).await;
    let stays = base(&bench.gateway, before);
    for one in [&yealink, &snom_phone] {
        for (way, urls_shown) in urls_shown(&bench, one).await {
            assert_eq!(urls_shown, stays, "{way} of {}", one.vendor);
        }
    }
    let text = command(&bench, &["phones", "show", &yealink.mac.to_string()]).await;
    assert!(text.contains("name different URLs"), "{text}");
    let of_other = command(&bench, &["phones", "show", &snom_phone.mac.to_string()]).await;
    assert!(!of_other.contains("name different URLs"), "{of_other}");
    let checked = bench.gateway.command(&["check"]);
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.contains("gangway-yealink of the PBXs name different URLs"), "{checked}");
}
