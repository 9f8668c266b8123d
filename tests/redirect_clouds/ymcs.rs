//! Tests Yealink's YMCS with the simulator, whose format is checked by an independent client.

use std::{sync::Arc, time::Duration};

use gangway::redirect::{
    Confirmation, Done, EntryUsed, Operation, RedirectAccount, RedirectFailure, RedirectResult, SerialTrouble,
    ServerEntry,
};
use gangway_base::{clock::ManualClock, mac::Mac, secret::Secret};
use gangway_sim::{host::SimHost, ymcs::Ymcs};

use crate::bench::{Bench, PASSWORD, SHARED, TOKEN, USER, entry, server, unique_url};

fn mac() -> Mac {
    "805ec0aabbcc".parse().unwrap()
}

struct Site {
    ymcs: Ymcs,
    bench: Bench,
    _host: SimHost,
}

async fn site() -> Site {
    let host = SimHost::start().unwrap();
    let ymcs = Ymcs::start(&host.handle(), USER, PASSWORD).await.unwrap();
    let bench = Bench::new("yealink-ymcs", &ymcs.url());
    Site { ymcs, bench, _host: host }
}

fn register(serial: Option<&str>) -> Operation {
    register_at(&unique_url(), serial)
}

fn register_at(url: &str, serial: Option<&str>) -> Operation {
    let serial = serial.map(str::to_owned);
    Operation::Register { mac: mac(), unique_url: Some(Secret::new(url)), server: server(), serial }
}

fn mac_only(bench: &Bench) -> RedirectAccount {
    RedirectAccount { mac_only: true, ..bench.account.clone() }
}

#[actix_rt::test]
async fn a_phone_comes_and_goes_with_one_token() {
    let Site { ymcs, bench, _host } = site().await;
    assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound);
    assert_eq!(entry(&bench.run(register(Some("S1"))).await), Some(EntryUsed::UniqueUrl));
    assert_eq!(ymcs.target(mac()), Some(unique_url()));
    assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::AlreadyMine);
    let moved = bench.run(register_at("https://gw.example.com/new/", None)).await;
    assert_eq!(entry(&moved), Some(EntryUsed::UniqueUrl), "a known phone needs no serial number again");
    assert_eq!(ymcs.target(mac()).as_deref(), Some("https://gw.example.com/new/"));
    assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await.label(), "ok");
    let gone = bench.run(Operation::Deregister { mac: mac() }).await;
    assert_eq!(gone.label(), "not_found");
    assert_eq!(
        ymcs.paths(),
        [
            "POST token",
            "POST rps/listDevices",
            "POST rps/listDevices",
            "POST rps/devices",
            "POST rps/listDevices",
            "POST rps/listDevices",
            "PATCH rps/devices/00000000000000000000000000000001",
            "POST rps/delDevices",
            "POST rps/delDevices",
            "POST rps/listDevices",
        ]
    );
    let history = bench.history.take();
    assert_eq!(history[0].command, "GET TOKEN");
    let kept = format!("{history:?}");
    for secret in [PASSWORD, TOKEN, "of-the-simulator", "s3cret"] {
        assert!(!kept.contains(secret), "{secret}: {kept}");
    }
    assert!(history[0].answer.contains("\"access_token\":\"***\""), "{}", history[0].answer);
}

#[actix_rt::test]
async fn the_list_is_fuzzy_and_another_phone_is_not_taken_for_this_one() {
    let Site { ymcs, bench, _host } = site().await;
    bench.run(register(Some("S1"))).await;
    // The simulator stores phones by whole MACs; this entry matches every filter.
    ymcs.board().change(|state| {
        let other = state.devices.remove(&mac().to_string()).unwrap();
        state.devices.insert(format!("x{}", mac()), other);
    });
    assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound);
}

#[actix_rt::test]
async fn without_a_serial_number_the_administrator_is_asked_for_it() {
    let Site { ymcs, bench, _host } = site().await;
    let outcome = bench.run(register(None)).await;
    assert_eq!(outcome, RedirectResult::NeedsSerial(SerialTrouble::Missing));
    assert!(!outcome.is_retryable());
    for part in ["serial_number", "--phone", "mac_only"] {
        assert!(outcome.sentence().contains(part), "{}", outcome.sentence());
    }
    assert_eq!(ymcs.target(mac()), None);
    ymcs.print_serial(mac(), "S1");
    let outcome = bench.run(register(Some("S2"))).await;
    assert_eq!(outcome, RedirectResult::NeedsSerial(SerialTrouble::Refused));
    assert!(outcome.sentence().contains("label"), "{}", outcome.sentence());
    assert_eq!(entry(&bench.run(register(Some("S1"))).await), Some(EntryUsed::UniqueUrl));
}

#[actix_rt::test]
async fn by_mac_alone_only_if_configured_and_allowed_by_yealink_and_the_pin_is_reported() {
    let Site { ymcs, bench, _host } = site().await;
    let outcome = bench.run_as(mac_only(&bench), register(None)).await;
    let RedirectResult::NotPermitted(text) = &outcome else { panic!("{outcome:?}") };
    assert!(text.contains("This request is forbidden") && text.contains("serial_number"), "{text}");
    ymcs.switch(|switches| switches.mac_only = true);
    let outcome = bench.run_as(mac_only(&bench), register(None)).await;
    let RedirectResult::Ok(Done { confirmation: Some(Confirmation::Pin(pin)), .. }) = &outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(pin.expose(), "40000");
    assert!(outcome.sentence().contains("40000"));
    assert!(!format!("{outcome:?}").contains("40000"));
    // Repeating the call returns the same result with the PIN. The history does not contain the PIN.
    let again = bench.run(register(None)).await;
    assert_eq!(again, outcome);
    let kept = format!("{:?}", bench.history.take());
    assert!(kept.contains("pin") && !kept.contains("40000"), "{kept}");
    // With a serial number the phone asks for nothing.
    bench.run(Operation::Deregister { mac: mac() }).await;
    let outcome = bench.run_as(mac_only(&bench), register(Some("S1"))).await;
    assert!(matches!(outcome, RedirectResult::Ok(Done { confirmation: None, .. })), "{outcome:?}");
}

#[actix_rt::test]
async fn a_phone_of_another_account_stays_unchanged() {
    let Site { ymcs, bench, _host } = site().await;
    ymcs.add_foreign_phone(mac(), "https://theirs.example/");
    ymcs.switch(|switches| switches.mac_only = true);
    for (account, serial) in [(bench.account.clone(), Some("S1")), (mac_only(&bench), None)] {
        assert_eq!(bench.run_as(account, register(serial)).await, RedirectResult::OwnedByOther);
    }
    assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound, "nothing tells whose it is");
    assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await, RedirectResult::NotFound);
    assert_eq!(ymcs.target(mac()).as_deref(), Some("https://theirs.example/"));
}

#[actix_rt::test]
async fn an_expired_token_is_renewed_once_and_nothing_wrong_is_kept() {
    let Site { ymcs, bench, _host } = site().await;
    let given = || ymcs.board().read(|state| state.tokens_given);
    bench.run(register(Some("S1"))).await;
    ymcs.expire_tokens();
    bench.history.take();
    assert_eq!(entry(&bench.run(register(Some("S1"))).await), Some(EntryUsed::UniqueUrl));
    let history = bench.history.take();
    let commands: Vec<&str> = history.iter().map(|entry| entry.command).collect();
    assert_eq!(commands, ["CHECK DEVICE", "GET TOKEN", "CHECK DEVICE", "REDIRECT DEVICE"]);
    assert_eq!(history[0].outcome, RedirectResult::Transport(RedirectFailure::TokenExpired));
    assert_eq!(given(), 2);
    // A service that rejects every token: the client requests one new token and then reports the error. The next
    // operation requests a new token again.
    ymcs.switch(|switches| switches.no_token_holds = true);
    let outcome = bench.run(register(Some("S1"))).await;
    assert_eq!(outcome, RedirectResult::Transport(RedirectFailure::TokenRefused));
    assert!(outcome.is_retryable() && outcome.sentence().contains("token"));
    assert_eq!(given(), 3);
    ymcs.switch(|switches| switches.no_token_holds = false);
    bench.run(Operation::Check { mac: mac() }).await;
    assert_eq!(given(), 4, "the refused token is not kept");
    // Wrong credentials while a token is cached are reported at once, and correct ones work again.
    let wrong = RedirectAccount { password: Secret::new("wrong"), ..bench.account.clone() };
    assert_eq!(bench.run_as(wrong.clone(), Operation::Check { mac: mac() }).await, RedirectResult::AuthFailed);
    assert_eq!(bench.run_as(wrong, Operation::Probe).await, RedirectResult::AuthFailed);
    assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::AlreadyMine);
}

#[actix_rt::test]
async fn a_token_is_not_used_beyond_its_time() {
    let host = SimHost::start().unwrap();
    let ymcs = Ymcs::start(&host.handle(), USER, PASSWORD).await.unwrap();
    let clock = ManualClock::new(jiff::Timestamp::from_second(1_800_000_000).unwrap());
    let bench = Bench::at(Arc::new(clock.clone()), "yealink-ymcs", &ymcs.url());
    let given = || ymcs.board().read(|state| state.tokens_given);
    for (pause, tokens) in [(0, 1), (86_000, 1), (400, 2)] {
        clock.advance(Duration::from_secs(pause));
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound);
        assert_eq!(given(), tokens, "after {pause} s");
    }
    // A token with a lifetime of zero is used for this operation only.
    ymcs.switch(|switches| switches.expires_in = 0);
    clock.advance(Duration::from_secs(90_000));
    for tokens in [3, 4] {
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound);
        assert_eq!(given(), tokens);
    }
}

#[actix_rt::test]
async fn a_probe_changes_nothing_and_tries_the_credentials_every_time() {
    let Site { ymcs, bench, _host } = site().await;
    for _ in 0..2 {
        assert_eq!(bench.run(Operation::Probe).await.label(), "ok");
    }
    assert_eq!(ymcs.paths(), ["POST token", "POST token"]);
    bench.run(Operation::Check { mac: mac() }).await;
    assert_eq!(ymcs.paths().last().unwrap(), "POST rps/listDevices", "with the token the probe got");
}

#[actix_rt::test]
async fn the_server_entry_is_created_changed_and_never_that_of_another_account() {
    let Site { ymcs, bench, _host } = site().await;
    let ensure =
        |name: &str, url: &str| Operation::EnsureServer(ServerEntry { name: name.into(), url: Secret::new(url) });
    let server = |name: &str| ymcs.board().read(|state| state.servers.get(name).cloned());
    assert_eq!(bench.run(ensure("example.com", SHARED)).await.label(), "ok");
    let made = server("example.com").unwrap();
    assert_eq!(made.url, "https://gw.example.com/example.com/gangway/phone/");
    assert_eq!(made.credentials, Some(("boot".into(), "s3cret".into())), "not in the URL, which people can read");
    assert_eq!(bench.run(ensure("example.com", "https://b2:pw@new.example/phone/")).await.label(), "ok");
    let changed = server("example.com").unwrap();
    assert_eq!((changed.id, changed.url.as_str()), (made.id, "https://new.example/phone/"));
    // Longer names are shortened; the distinguishing part is kept.
    assert_eq!(bench.run(ensure("communications.-0a1b2c3d", SHARED)).await.label(), "ok");
    assert!(server("communicati-0a1b2c3d").is_some());
    // If a name belongs to another organisation, another name is chosen and reported.
    ymcs.board().change(|state| {
        let mut theirs = state.servers.get("example.com").unwrap().clone();
        theirs.is_ours = false;
        state.servers.insert("taken.example".into(), theirs);
    });
    let outcome = bench.run(ensure("taken.example", SHARED)).await;
    let RedirectResult::Ok(Done { renamed: Some(name), .. }) = &outcome else { panic!("{outcome:?}") };
    assert!(name.starts_with("taken.example-") && outcome.sentence().contains(name.as_str()));
    assert!(!server("taken.example").unwrap().is_ours);
}

#[actix_rt::test]
async fn without_a_url_per_phone_the_shared_one_is_written_with_its_credentials_beside_it() {
    let Site { ymcs, bench, _host } = site().await;
    let shared = Operation::Register { mac: mac(), unique_url: None, server: server(), serial: Some("S1".to_owned()) };
    let by_name = Some(EntryUsed::Server { name: "example.com".into() });
    assert_eq!(entry(&bench.run(shared).await), by_name);
    assert_eq!(ymcs.target(mac()).as_deref(), Some(SHARED));
}

#[actix_rt::test]
async fn too_many_calls_and_an_outage_are_waited_out() {
    let Site { ymcs, bench, _host } = site().await;
    ymcs.switch(|switches| switches.too_many = true);
    let outcome = bench.run(register(Some("S1"))).await;
    assert!(matches!(outcome, RedirectResult::RateLimited { .. }) && outcome.is_retryable(), "{outcome:?}");
    ymcs.switch(|switches| switches.too_many = false);
    ymcs.switch(|switches| switches.status = Some(500));
    assert!(bench.run(register(Some("S1"))).await.is_retryable());
    ymcs.switch(|switches| switches.status = None);
    ymcs.stop().await;
    assert!(bench.run(register(Some("S1"))).await.is_retryable());
    ymcs.start_again().await.unwrap();
    assert_eq!(entry(&bench.run(register(Some("S1"))).await), Some(EntryUsed::UniqueUrl));
    assert!(!bench.history.take().is_empty());
}
