//! Tests that every ProvisioningPhone is answered: invalid requests with a text that names the problem, slow ones
//! without delaying others.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use gangway::phone::facet::DevicesState;
use gangway_sim::users::{ProvisionRequest, Src};
use serde_json::{Value, json};

use crate::support::{
    bench::{Bench, TITLE},
    in_background, mac,
};

fn request(number: u8, user: &str) -> ProvisionRequest {
    ProvisionRequest::new(&mac(number).to_string(), user, TITLE)
}

#[actix_rt::test]
async fn every_missing_or_malformed_field_has_its_own_text() {
    let bench = Bench::start().await;
    let line_break = json!("User\r\naccount.1.password = x");
    let wrong: [(&str, Value); 16] = [
        ("mac", Value::Null),
        ("mac", json!("80:5e:c0:12:34")),
        ("mac", json!("805ec012345g")),
        ("mac", json!("ffffffffffff")),
        ("mac", json!("000000000000")),
        ("code", Value::Null),
        ("code", json!("12 34")),
        ("hwid", Value::Null),
        ("hwid", json!("a\nb")),
        ("usename", Value::Null),
        ("usename", json!("x".repeat(300))),
        ("password", json!("zz")),
        ("domain", Value::Null),
        ("domain", json!("a\u{0}b")),
        ("dns", Value::Null),
        ("dns", json!("pbx\r\n")),
    ];
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (member, value) in wrong {
        let case = format!("{member} = {value}");
        let answer = bench.ask(request(1, "user1").with(member, value)).await;
        assert!(!answer.ok, "{case}");
        assert_eq!(answer.raw["mt"], "ProvisioningPhoneResult");
        let text = answer.error.unwrap_or_else(|| panic!("{case}: no text"));
        assert!(!text.is_empty());
        texts.entry(text).or_default().push(case);
    }
    let shared: Vec<_> = texts.iter().filter(|(_, cases)| cases.len() > 1).collect();
    assert!(shared.is_empty(), "these cannot be told apart: {shared:#?}");
    assert_eq!(bench.records().store.phones().len(), 0, "nothing of that is recorded");
    // The socket still works. A display name is not used for authentication and is reduced to one line.
    let answer = bench.ask(request(1, "user1").with("cn", line_break)).await;
    assert!(answer.ok, "{:?}", answer.error);
    assert_eq!(bench.records().phone(mac(1)).unwrap().accounts[0].cn, "User account.1.password = x");
}

#[actix_rt::test]
async fn every_usual_spelling_of_a_mac_is_the_same_phone() {
    let bench = Bench::start().await;
    let hwid = mac(1).to_string();
    for spelling in ["805EC0123401", "80:5e:c0:12:34:01", "80-5E-C0-12-34-01", "805e.c012.3401"] {
        let answer = bench
            .ask(ProvisionRequest { hwid: Some(hwid.clone()), ..ProvisionRequest::new(spelling, "user1", TITLE) })
            .await;
        assert!(answer.ok, "{spelling}: {:?}", answer.error);
    }
    assert_eq!(bench.records().store.phones().len(), 1);
    assert_eq!(bench.records().phone(mac(1)).unwrap().provisioning, 4);
}

/// The published page misspells `usename`. The correct spelling and an additional `api` are accepted as well.
#[actix_rt::test]
async fn tolerated_spellings_of_the_message_are_understood() {
    let bench = Bench::start().await;
    let spelled = request(1, "user1").with("usename", Value::Null).with("username", json!("user1"));
    assert!(bench.ask(spelled).await.ok);
    let with_api = request(2, "user2").with("api", json!("Provisioning")).with("future", json!({ "a": [1] }));
    assert!(bench.ask(with_api).await.ok);
    assert_eq!(bench.records().phone(mac(1)).unwrap().accounts[0].username, "user1");
}

#[actix_rt::test]
async fn two_requests_for_one_phone_are_worked_on_one_after_the_other() {
    let bench = Bench::start().await;
    let answers = join_all([bench.ask(request(1, "user1")), bench.ask(request(1, "user1"))]).await;
    // The request that is superseded reports this; the answer of the other one counts.
    assert!(answers.iter().any(|answer| answer.ok), "{answers:?}");
    let overtaken = |error: &str| error.contains("meanwhile");
    assert!(answers.iter().all(|answer| answer.error.as_deref().is_none_or(overtaken)), "{answers:?}");
    let record = bench.records().wait_devices(mac(1), DevicesState::Received).await;
    assert_eq!(bench.records().store.phones().len(), 1);
    assert_eq!((record.provisioning, record.accounts.len()), (2, 1));
    bench.wait_single_sysclient(mac(1)).await;
}

#[actix_rt::test]
async fn a_slow_request_keeps_no_other_waiting() {
    let bench = Bench::start().await;
    let gate = format!("password:{}", mac(1));
    bench.simulation.devices.gates().arm(&gate);
    let users = bench.simulation.users.clone();
    let slow = in_background(async move { users.provision(request(1, "user1")).await });
    bench.simulation.devices.gates().wait_until_held(&gate).await.unwrap();

    bench.provisioned(mac(2), "user2").await;

    assert!(!slow.is_finished());
    bench.simulation.devices.gates().release(&gate);
    assert!(slow.await.unwrap().unwrap().ok);
}

/// Without `src`, answers can be matched only by their order.
#[actix_rt::test]
async fn answers_without_src_keep_the_order_of_the_requests() {
    let bench = Bench::start().await;
    let gate = format!("password:{}", mac(1));
    bench.simulation.devices.gates().arm(&gate);
    let without = |number, user: &str| ProvisionRequest { src: Src::None, ..request(number, user) };
    let (users, first) = (bench.simulation.users.clone(), without(1, "user1"));
    let slow = in_background(async move { users.provision(first).await });
    bench.simulation.devices.gates().wait_until_held(&gate).await.unwrap();
    // This request is rejected at once, but its answer must wait for its turn.
    let (users, second) = (bench.simulation.users.clone(), without(2, "user2").with("mac", json!("nonsense")));
    let quick = in_background(async move { users.provision(second).await });
    // A request with `src` does not wait. After its answer, the quick request was processed, too.
    bench.provisioned(mac(3), "user3").await;
    assert!(!quick.is_finished());

    bench.simulation.devices.gates().release(&gate);

    let (slow, quick) = (slow.await.unwrap().unwrap(), quick.await.unwrap().unwrap());
    assert!(slow.ok, "{:?}", slow.error);
    assert!(!quick.ok);
    assert!(slow.raw.get("src").is_none() && quick.raw.get("src").is_none());
}

/// Special characters in a display name break neither the file's one value per line nor the phone's registration.
#[actix_rt::test]
async fn odd_names_break_no_file() {
    let bench = Bench::start().await;
    for (number, name) in [
        (1, "J\u{fc}rgen \"J\" O'Neil & <S\u{f6}hne>"),
        (2, "100 % C# ; = $x ${y} {{ z }}"),
        (3, "\u{1f4de} \u{202e}Rot"),
    ] {
        let mac = mac(number);
        let user = format!("user{number}");
        let answer = bench.ask(request(number, &user).with("cn", json!(name))).await;
        assert!(answer.ok, "{name}: {:?}", answer.error);
        let phone = bench.simulation.add_phone(mac, gangway_sim::yealink_phone::model::T46U);
        bench.records().wait_redirect(mac, gangway::phone::facet::RedirectState::Redirected).await;
        assert!(phone.boot().await.unwrap().registered, "{name}");
        let displayed = phone.board().read(|flash| flash.settings.get("account.1.display_name").map(str::to_owned));
        assert_eq!(displayed.as_deref(), Some(name));
    }
}
