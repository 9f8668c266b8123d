//! Tests Snom desk phones and DECT bases next to Yealink. A factory-fresh phone is zero-touch, a change reaches its
//! next poll, it authenticates with its own credentials, a removed phone gets nothing, and a base has one handset per
//! user.

use gangway::phone::facet::RedirectState;
use gangway_base::mac::Mac;
use gangway_sim::{
    devices::ConfigItem,
    snom_phone::{SnomModel, SnomPhone, model},
    users::ProvisionRequest,
    yealink_phone,
};
use serde_json::json;

use crate::support::{
    bench::{Bench, simulation},
    http,
    options::Options,
};

const DESK: &str = "Snom";
const DECT: &str = "Snom DECT";

fn snom(number: u8) -> Mac {
    Mac::new([0x00, 0x04, 0x13, 0x12, 0x34, number]).unwrap()
}

async fn bench() -> Bench {
    let simulation = simulation().providers(&["yealink", "snom", "snom-dect"]).start().await.unwrap();
    Bench::start_in(simulation, Options::default()).await
}

/// Provisions a MAC as a user who chooses a manufacturer.
async fn provisioned(bench: &Bench, mac: Mac, user: &str, title: &str) {
    let answer = bench.ask(ProvisionRequest::new(&mac.to_string(), user, title)).await;
    assert!(answer.ok, "Users was told: {:?}", answer.error);
}

/// Boots a new phone that Snom's redirection service knows.
async fn unpacked(bench: &Bench, mac: Mac, model: SnomModel) -> SnomPhone {
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    bench.simulation.add_snom_phone(mac, model)
}

#[actix_rt::test]
async fn a_factory_fresh_phone_registers_without_manual_steps() {
    let bench = bench().await;
    for (number, model, user) in [(1, model::D785, "user1"), (2, model::D713, "user2"), (3, model::OLD_710, "user3")] {
        let mac = snom(number);
        provisioned(&bench, mac, user, DESK).await;
        let phone = unpacked(&bench, mac, model).await;
        let own = format!("snom{}-{}.htm", model.name, mac.spelled(""));

        let report = phone.boot().await.unwrap();

        let common = format!("snom{}.htm", model.name);
        // The first two requests go to the redirection service, which knows only this phone, the others to the gateway.
        let request = [(common.as_str(), 404), (own.as_str(), 200), (common.as_str(), 200), (own.as_str(), 200)];
        assert_eq!(report.pairs(), request);
        assert!(report.redirected && report.registered && report.ignored.is_empty(), "{report:#?}");
        let record = bench.records().wait_done(mac).await;
        assert!(bench.simulation.sraps.target(mac).unwrap().contains(record.token.expose()));
        assert_eq!(record.model.as_deref(), Some(model.name));
        assert_eq!(record.firmware.as_deref(), Some(model.firmware));
        let registration = bench.simulation.pbx.registration(&mac.to_string()).unwrap();
        assert_eq!(registration.transport, "tls");
        let device = bench.simulation.pbx.device(&mac.to_string()).unwrap();
        assert_eq!((&device["mr"], &device["tls"], &device["trusted"]), (&true.into(), &true.into(), &true.into()));
        // The model's file contains no secrets, and the phone's own file does not repeat the token.
        assert!(!report.files[1].1.contains("secret-"));
        assert!(!report.files[2].1.contains(record.token.expose()));
    }
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_change_reaches_the_next_poll_which_the_phones_own_credentials_prove() {
    let bench = bench().await;
    let mac = snom(1);
    provisioned(&bench, mac, "user1", DESK).await;
    let phone = unpacked(&bench, mac, model::D785).await;
    assert!(phone.boot().await.unwrap().registered);
    bench.records().wait_done(mac).await;
    let own = format!("snomD785-{}.htm", mac.spelled(""));

    let quiet = phone.poll_once().await.unwrap();
    assert_eq!(quiet.pairs(), [("snomD785.htm", 200), (own.as_str(), 401), (own.as_str(), 200)]);
    assert!(quiet.unchanged, "{quiet:#?}");
    bench.records().wait_phone(mac, "the window closed", |phone| phone.window.closed.is_some()).await;

    let before = bench.records().phone(mac).unwrap().revision;
    let content = json!({ "type": "NTP", "ntp1": "10.2.2.2", "tz": "CET-1CEST-2,M3.5.0/2,M10.5.0/3" });
    bench.simulation.devices.push_item(&ConfigItem { categories: Vec::new(), content });
    bench.records().wait_phone(mac, "a new revision", |phone| phone.revision > before).await;
    let get = |name: &str| phone.board().read(|flash| flash.settings.get(name).map(str::to_owned));
    assert_ne!(get("ntp_server").as_deref(), Some("10.2.2.2"), "nobody pushes anything to the phone");
    assert!(!phone.poll_once().await.unwrap().unchanged);
    assert_eq!(get("ntp_server").as_deref(), Some("10.2.2.2"));
    assert_eq!((get("utc_offset").as_deref(), get("prov_polling_enabled").as_deref()), (Some("3600"), Some("on")));
    assert!(!phone.change("user_pass[1]", "x"), "what is managed is read-only on the phone");
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn head_and_conditional_requests_are_answered_to_who_proves_it_is_the_phone() {
    let bench = bench().await;
    let mac = snom(1);
    provisioned(&bench, mac, "user1", DESK).await;
    let phone = unpacked(&bench, mac, model::D785).await;
    assert!(phone.boot().await.unwrap().registered);
    let record = bench.records().wait_done(mac).await;
    let url = format!("{}/phone/snomD785-{}.htm", bench.gateway.instance_url(), mac.spelled(""));
    let agent = model::D785.user_agent(mac).unwrap();
    let basic = http::basic(&record.own.user, record.own.password.expose());
    let ask = |method: &str, more: &[(&str, &str)]| {
        let mut headers = vec![("User-Agent", agent.as_str())];
        headers.extend_from_slice(more);
        http::request(method, &url, &headers, b"")
    };

    let refused = ask("GET", &[]);
    assert_eq!(refused.status, 401);
    let challenges: Vec<_> = refused.headers.iter().filter(|(name, _)| name == "www-authenticate").collect();
    assert!(challenges.len() == 1 && challenges[0].1.starts_with("Basic realm="), "{challenges:?}");
    assert!(refused.header("etag").is_none() && refused.body.is_empty());

    let whole = ask("GET", &[("Authorization", &basic)]);
    let etag = whole.header("etag").unwrap().to_owned();
    let head = ask("HEAD", &[("Authorization", &basic)]);
    let unchanged = ask("GET", &[("Authorization", &basic), ("If-None-Match", &etag)]);
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("text/xml; charset=utf-8")));
    assert_eq!((head.status, head.body.len(), head.header("etag")), (200, 0, Some(etag.as_str())));
    assert_eq!(head.header("content-length"), Some(whole.body.len().to_string().as_str()));
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    let wrong = http::basic(&record.own.user, "wrong");
    assert_eq!(ask("GET", &[("Authorization", &wrong)]).status, 401);
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn a_removed_phone_gets_nothing_more() {
    let bench = bench().await;
    let mac = snom(1);
    provisioned(&bench, mac, "user1", DESK).await;
    let phone = unpacked(&bench, mac, model::D865).await;
    assert!(phone.boot().await.unwrap().registered);
    bench.records().wait_done(mac).await;

    let done = bench.gateway.command(&["phones", "remove", &mac.to_string(), "--wait"]);

    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(bench.simulation.sraps.target(mac), None, "the entry at the redirection service is gone");
    let report = phone.poll_once().await.unwrap();
    assert!(report.files.iter().all(|(_, body)| !body.contains("secret-1")), "{report:#?}");
    assert!(
        report.requests.iter().all(|request| request.file == "snomD865.htm" || request.status == 401),
        "{report:#?}"
    );
}

#[actix_rt::test]
async fn a_base_has_one_handset_per_user() {
    let bench = bench().await;
    let mac = snom(9);
    provisioned(&bench, mac, "user1", DECT).await;
    let base = unpacked(&bench, mac, model::M900).await;
    let report = base.boot().await.unwrap();
    assert!(report.registered && report.registrations.len() == 1, "{report:#?}");
    bench.records().wait_done(mac).await;
    let window = base.poll_once().await.unwrap();
    assert!(window.unchanged, "{window:#?}");

    provisioned(&bench, mac, "user2", DECT).await;
    let both = bench.records().wait_phone(mac, "two accounts", |phone| phone.accounts.len() == 2).await;
    assert_eq!(both.accounts.iter().map(|account| account.line).collect::<Vec<_>>(), [1, 2]);
    let report = base.poll_once().await.unwrap();

    assert!(report.registered && report.registrations.len() == 2, "{report:#?}");
    let names: Vec<&str> = report.registrations.iter().map(|one| one.account.display_name.as_str()).collect();
    assert_eq!(names, ["User 1", "User 2"]);
    assert_eq!(report.registrations[1].account.handset.as_deref(), Some("2"));
    bench.records().wait_done(mac).await;
    // A second base of the same system gets no accounts, because only the data master has them.
    let second = unpacked_elsewhere(&bench, snom(10), mac);
    let report = second.boot().await.unwrap();
    assert!(report.files.iter().all(|(_, body)| !body.contains("secret-")), "{report:#?}");
    bench.assert_no_violation();
}

/// A base that was configured with another base's URL.
fn unpacked_elsewhere(bench: &Bench, mac: Mac, other: Mac) -> SnomPhone {
    let record = bench.records().phone(other).unwrap();
    let base = bench.simulation.add_snom_phone(mac, model::M900);
    base.set_server(&format!("{}/phone/{}/", bench.gateway.instance_url(), record.token.expose()));
    base
}

#[actix_rt::test]
async fn yealink_and_snom_stand_side_by_side_and_the_chosen_one_alone_acts() {
    let bench = bench().await;
    let (yealink, mac) = (crate::support::mac(1), snom(1));
    bench.installed(yealink, yealink_phone::model::T46U, "user1").await;
    let calls = bench.simulation.rps.board().read(|state| state.calls.len());

    provisioned(&bench, mac, "user2", DESK).await;
    assert!(unpacked(&bench, mac, model::D785).await.boot().await.unwrap().registered);
    let record = bench.records().wait_done(mac).await;

    assert_eq!((record.provider.as_str(), record.vendor.as_str()), ("snom", "snom"));
    assert_eq!(bench.simulation.rps.board().read(|state| state.calls.len()), calls, "Yealink's service hears nothing");
    bench.assert_no_violation();
}
