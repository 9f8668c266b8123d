//! Tests Snom's XML-RPC interface with Python's standard library and then with the simulator.

use gangway::redirect::{EntryUsed, Operation, RedirectResult};
use gangway_base::{mac::Mac, secret::Secret};
use gangway_sim::{host::SimHost, snom_rps::SnomRps};
use serde_json::json;

use crate::bench::{Bench, PASSWORD, Python, SHARED, TOKEN, USER, entry, register, server, unique_url};

const PROTOCOL: &str = "snom-xmlrpc";

fn mac() -> Mac {
    "000413aabbcc".parse().unwrap()
}

fn old() -> Operation {
    Operation::Register {
        mac: mac(),
        unique_url: Some(Secret::new("https://old.example.com/p/")),
        server: server(),
        serial: None,
    }
}

async fn start(options: &[&str]) -> (Bench, Python) {
    let python = Python::start("python_snom.py", options);
    (Bench::new(PROTOCOL, &python.url("/xmlrpc/")), python)
}

#[actix_rt::test]
async fn a_phone_comes_and_goes() {
    let (bench, python) = start(&[]).await;
    assert_eq!(bench.run(Operation::Probe).await.label(), "ok");
    assert_eq!(bench.run(Operation::EnsureServer(server())).await.label(), "ok");
    assert_eq!(bench.history.commands(), ["CHECK DEVICE"], "there are no server entries to be written");
    assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound);
    assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
    assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::AlreadyMine);
    assert_eq!(python.state(&bench.client).await["phones"]["000413aabbcc"], json!(["ours", unique_url()]));
    bench.history.take();
    assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl), "again is the same");
    assert_eq!(bench.history.commands(), ["CHECK DEVICE", "REDIRECT DEVICE", "CHECK DEVICE"]);
    let shared = Operation::Register { mac: mac(), unique_url: None, server: server(), serial: None };
    let by_name = Some(EntryUsed::Server { name: "example.com".into() });
    assert_eq!(entry(&bench.run(shared).await), by_name);
    assert_eq!(python.state(&bench.client).await["phones"]["000413aabbcc"], json!(["ours", SHARED]));
    assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await.label(), "ok");
    let gone = bench.run(Operation::Deregister { mac: mac() }).await;
    assert_eq!(gone.label(), "not_found");
    let history = bench.history.take();
    let last = history.last().unwrap();
    assert!(last.answer.contains("Error:no_such_mac") && last.mac == Some(mac()), "{last:?}");
    let kept = format!("{history:?}");
    assert!(!kept.contains(PASSWORD) && !kept.contains(TOKEN) && !kept.contains("s3cret"), "{kept}");
}

#[actix_rt::test]
async fn a_phone_of_another_account_stays_unchanged() {
    for (flag, commands) in [("--foreign", &["CHECK DEVICE"][..]), ("--sneaky", &["CHECK DEVICE", "REDIRECT DEVICE"])] {
        let (bench, python) = start(&[flag, "000413aabbcc"]).await;
        assert_eq!(bench.run(register(mac())).await, RedirectResult::OwnedByOther);
        assert_eq!(bench.history.commands(), commands);
        assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await, RedirectResult::OwnedByOther);
        assert_eq!(python.state(&bench.client).await["phones"]["000413aabbcc"][0], "theirs");
    }
}

#[actix_rt::test]
async fn an_own_phone_at_an_old_address_is_moved_whether_or_not_the_service_replaces() {
    let again = ["CHECK DEVICE", "REDIRECT DEVICE", "CHECK DEVICE"];
    let anew = ["CHECK DEVICE", "REDIRECT DEVICE", "CHECK DEVICE", "DEREGISTER DEVICE", "REDIRECT DEVICE"];
    for (options, commands) in [(&[][..], &again[..]), (&["--keep-existing"], &anew)] {
        let (bench, python) = start(options).await;
        bench.run(old()).await;
        bench.history.take();
        assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
        assert_eq!(bench.history.commands(), commands);
        assert_eq!(python.state(&bench.client).await["phones"]["000413aabbcc"], json!(["ours", unique_url()]));
    }
}

#[actix_rt::test]
async fn refusals_have_their_words_and_wrong_credentials_are_said() {
    let (bench, _python) = start(&[]).await;
    let odd = Operation::Register {
        mac: mac(),
        unique_url: Some(Secret::new("gopher://gw/")),
        server: server(),
        serial: None,
    };
    let outcome = bench.run(odd).await;
    assert_eq!(outcome, RedirectResult::InvalidUrl("Error:malformed_url".into()));
    assert!(outcome.sentence().contains("phone_url"), "{}", outcome.sentence());
    let mut wrong = bench.account.clone();
    wrong.password = Secret::new("wrong");
    assert_eq!(bench.run_as(wrong, Operation::Probe).await, RedirectResult::AuthFailed);
    // Without the slash the service has no such page. The error message names the setting.
    let mut elsewhere = bench.account.clone();
    elsewhere.url = elsewhere.url.trim_end_matches('/').to_owned();
    let outcome = bench.run_as(elsewhere, Operation::Probe).await;
    assert!(outcome.sentence().contains("redirect.<vendor>.url"), "{}", outcome.sentence());
}

#[actix_rt::test]
async fn the_simulator_behaves_the_same() {
    let host = SimHost::start().unwrap();
    let rps = SnomRps::start(&host.handle(), USER, PASSWORD).await.unwrap();
    let bench = Bench::new(PROTOCOL, &rps.xmlrpc_url());
    assert_eq!(bench.run(Operation::Probe).await.label(), "ok");
    rps.switch(|switches| switches.keeps_first_url = true);
    bench.run(old()).await;
    assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
    assert_eq!(rps.target(mac()), Some(unique_url()));
    let other: Mac = "000413aabbcd".parse().unwrap();
    rps.add_foreign_phone(other, "https://theirs.example/");
    assert_eq!(bench.run(register(other)).await, RedirectResult::OwnedByOther);
    rps.switch(|switches| switches.hides_foreign_phones = true);
    assert_eq!(bench.run(register(other)).await, RedirectResult::OwnedByOther);
    assert_eq!(rps.target(other).as_deref(), Some("https://theirs.example/"));
    rps.switch(|switches| switches.status = Some(503));
    let outcome = bench.run(register(mac())).await;
    assert!(outcome.is_retryable(), "{outcome:?}");
    rps.switch(|switches| switches.status = None);
    assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await.label(), "ok");
    assert_eq!(rps.target(mac()), None);
    let last = ["checkPhone", "registerPhone", "deregisterPhone"].map(str::to_owned);
    assert_eq!(rps.methods()[rps.methods().len() - 3..], last);
}
