//! Tests Yealink's XML-RPC interface with the XML-RPC server of Python's standard library, and with a server that
//! misbehaves in many ways.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{HttpResponse, web};
use gangway::{
    phone::{instance::InstanceId, record::PhoneId},
    redirect::{Done, EntryUsed, Operation, RedirectAccount, RedirectFailure, RedirectResult},
};
use gangway_base::{clock::ManualClock, mac::Mac, secret::Secret};
use serde_json::Value;

use crate::bench::{Bench, PASSWORD, Python, SHARED, TOKEN, account, entry, register, serve, server, unique_url};

const PROTOCOL: &str = "yealink-xmlrpc";

/// Formats of an answer.
const FORMS: &[&[&str]] = &[&[], &["--pretty"], &["--untyped"], &["--pretty", "--untyped"]];

fn mac() -> Mac {
    "805ec0aabbcc".parse().unwrap()
}

/// Starts the Python service and a bench with an account there.
fn start(options: &[&str]) -> (Bench, Python) {
    let python = Python::start("python_rps.py", options);
    (Bench::new(PROTOCOL, &python.url("/xmlrpc")), python)
}

#[actix_rt::test]
async fn a_phone_comes_and_goes() {
    for form in FORMS {
        let (bench, python) = start(form);
        assert_eq!(bench.run(Operation::Probe).await.label(), "ok");
        assert_eq!(bench.run(Operation::EnsureServer(server())).await.label(), "ok");
        let again = bench.run(Operation::EnsureServer(server())).await;
        assert_eq!(again.label(), "server_name_taken");
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound);
        assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::AlreadyMine);
        assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl), "again is the same");
        let state = python.state(&bench.client).await;
        assert_eq!(state["phones"]["805ec0aabbcc"], serde_json::json!(["ours", unique_url()]));
        assert_eq!(state["servers"]["example.com"], serde_json::json!(["ours", SHARED]));
        assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await.label(), "ok");
        let fresh = bench.run(Operation::Deregister { mac: mac() }).await;
        assert_eq!(fresh.label(), "not_found");

        let history = bench.history.take();
        let commands: Vec<&str> = history.iter().map(|entry| entry.command).collect();
        assert_eq!(
            commands,
            [
                "CHECK DEVICE",
                "ADD SERVER",
                "ADD SERVER",
                "CHECK DEVICE",
                "CHECK DEVICE",
                "REDIRECT DEVICE",
                "CHECK DEVICE",
                "CHECK DEVICE",
                "REDIRECT DEVICE",
                "DEREGISTER DEVICE",
                "DEREGISTER DEVICE"
            ]
        );
        assert_eq!(history[5].phone, Some(PhoneId(3)));
        assert_eq!((history[5].mac, history[5].instance), (Some(mac()), InstanceId(7)));
        assert!(history[5].answer.contains("OK") && history[10].answer.contains("Invalid MAC(s)"));
        assert_eq!(history[10].outcome, RedirectResult::NotFound);
        assert_eq!(bench.tasks.finish(Duration::from_secs(5)).await, 0);
    }
}

#[actix_rt::test]
async fn a_phone_of_another_account_stays_unchanged() {
    for form in FORMS {
        for (flag, calls) in [("--foreign", 1), ("--sneaky", 2)] {
            let options = [*form, &[flag, "805ec0aabbcc"]].concat();
            let (bench, python) = start(&options);
            bench.run(Operation::EnsureServer(server())).await;
            bench.history.take();
            let outcome = bench.run(register(mac())).await;
            assert_eq!(outcome, RedirectResult::OwnedByOther);
            assert!(outcome.sentence().contains("another account") && !outcome.is_retryable());
            assert_eq!(bench.history.commands().len(), calls);
            let state = python.state(&bench.client).await;
            assert_eq!(state["phones"]["805ec0aabbcc"][0], "theirs");
        }
    }
}

#[actix_rt::test]
async fn a_service_without_urls_per_phone_gets_the_server_entry() {
    for form in FORMS {
        let (bench, python) = start(&[*form, &["--no-unique-url"]].concat());
        let by_name = Some(EntryUsed::Server { name: "example.com".into() });
        assert_eq!(entry(&bench.run(register(mac())).await), by_name);
        assert_eq!(bench.history.commands(), ["CHECK DEVICE", "REDIRECT DEVICE", "ADD SERVER", "REDIRECT DEVICE"]);
        assert_eq!(entry(&bench.run(register(mac())).await), by_name, "with the entry of the first time");
        let state = python.state(&bench.client).await;
        assert_eq!(state["phones"]["805ec0aabbcc"], serde_json::json!(["ours", SHARED]));
    }
}

#[actix_rt::test]
async fn a_server_name_of_another_account_is_not_changed() {
    for unique in [&[][..], &["--no-unique-url"]] {
        let (bench, python) = start(&[&["--taken", "example.com"], unique].concat());
        let outcome = bench.run(register(mac())).await;
        let RedirectResult::Ok(Done { renamed: Some(name), .. }) = &outcome else { panic!("{outcome:?}") };
        assert!(outcome.sentence().contains(name.as_str()));
        let state = python.state(&bench.client).await;
        assert_eq!(state["servers"][name], serde_json::json!(["ours", SHARED]));
        assert_eq!(state["servers"]["example.com"][0], "theirs");
        assert_eq!(state["phones"]["805ec0aabbcc"][0], "ours");
    }
}

#[actix_rt::test]
async fn an_own_phone_at_an_old_address_is_moved() {
    let (bench, python) = start(&["--keep-existing"]);
    bench.run(Operation::EnsureServer(server())).await;
    let old = Operation::Register {
        mac: mac(),
        unique_url: Some(Secret::new("https://old.example.com/phone/")),
        server: server(),
        serial: None,
    };
    bench.run(old).await;
    bench.history.take();
    assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
    assert_eq!(bench.history.commands(), ["CHECK DEVICE", "REDIRECT DEVICE", "DEREGISTER DEVICE", "REDIRECT DEVICE"]);
    let state = python.state(&bench.client).await;
    assert_eq!(state["phones"]["805ec0aabbcc"][1], Value::from(unique_url()));
}

#[actix_rt::test]
async fn operations_of_one_account_follow_one_another_and_wrong_credentials_are_said() {
    let (bench, python) = start(&[]);
    let outcome = bench
        .run_as(RedirectAccount { password: Secret::new("wrong"), ..bench.account.clone() }, Operation::Probe)
        .await;
    assert_eq!(outcome, RedirectResult::AuthFailed);
    assert!(!outcome.is_retryable());
    assert_eq!(bench.history.take()[0].outcome, RedirectResult::AuthFailed);
    bench.run(Operation::EnsureServer(server())).await;
    let all = (0..20).map(|_| bench.run(register(mac())));
    for outcome in futures_util::future::join_all(all).await {
        assert_eq!(entry(&outcome), Some(EntryUsed::UniqueUrl));
    }
    let calls = python.state(&bench.client).await["calls"].clone();
    let names: Vec<&str> = calls.as_array().unwrap()[1..].iter().filter_map(|call| call[0].as_str()).collect();
    assert_eq!(names, ["checkDevice", "registerDeviceWithUniqueUrl"].repeat(20), "never interleaved");
}

#[actix_rt::test]
async fn calls_of_one_account_keep_their_distance() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let clock = ManualClock::new(jiff::Timestamp::UNIX_EPOCH);
    let python = Python::start("python_rps.py", &[]);
    let bench = Bench::spaced(Arc::new(clock.clone()), Duration::from_secs(1), PROTOCOL, &python.url("/xmlrpc"));
    let registration = is_send(bench.redirects.run(bench.account.clone(), register(mac()), None));
    // The future must be polled while the test waits.
    let outcome = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&outcome);
    bench.tasks.spawn_local("registration", async move {
        let result = registration.await;
        *kept.lock().unwrap() = Some(result);
    });
    for calls in 1..=4 {
        // One more call every second: check, unique URL, server entry, unique URL.
        while bench.history.len() < calls {
            tokio::task::yield_now().await;
        }
        assert_eq!(python.state(&bench.client).await["calls"].as_array().unwrap().len(), calls);
        if calls < 4 {
            clock.advance(Duration::from_secs(1));
        }
    }
    while outcome.lock().unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(entry(outcome.lock().unwrap().as_ref().unwrap()), Some(EntryUsed::UniqueUrl));
    let at: Vec<i64> = bench.history.take().iter().map(|entry| entry.at.as_second()).collect();
    assert_eq!(at, [0, 1, 2, 3]);
}

/// Misbehaves as specified by the path.
async fn misbehave(path: web::Path<String>) -> HttpResponse {
    let half = "<?xml version=\"1.0\"?><methodResponse><params><param><value><array><data>";
    match path.as_str() {
        "html" => HttpResponse::Ok().content_type("text/html").body("<!DOCTYPE html><html>Maintenance</html>"),
        "half" => HttpResponse::Ok().body(half),
        "empty" => HttpResponse::Ok().finish(),
        "big" => HttpResponse::Ok().body("x".repeat(10_000_000)),
        "away" => HttpResponse::Found().insert_header(("location", "https://evil.example/xmlrpc")).finish(),
        "moved" => HttpResponse::PermanentRedirect().insert_header(("location", "/new")).finish(),
        "odd" => HttpResponse::Ok().body("<methodResponse><params><param><value>hm</value></param></params></methodResponse>"),
        "echo" => HttpResponse::Ok().body(format!(
            "<methodResponse><fault><value>{} is wrong for https://x:y@z/phone/{TOKEN}/</value></fault></methodResponse>",
            PASSWORD.replace('&', "&amp;").replace('<', "&lt;")
        )),
        "slow-down" => HttpResponse::TooManyRequests().insert_header(("retry-after", "30")).finish(),
        status => HttpResponse::build(actix_web::http::StatusCode::from_u16(status.parse().unwrap()).unwrap())
            .body("<html>no</html>"),
    }
}

#[actix_rt::test]
async fn every_bad_answer_has_its_own_outcome() {
    let bench = Bench::new(PROTOCOL, "");
    let configure = |services: &mut web::ServiceConfig| {
        services.route("/{how}", web::post().to(misbehave));
    };
    let (base, handle) = serve(&bench.tasks, configure);
    let mut sentences = std::collections::HashSet::new();
    for (how, label, retryable, part) in [
        ("html", "transport", true, "something else than its protocol"),
        ("empty", "transport", true, "something else than its protocol"),
        ("half", "transport", true, "only a part"),
        ("big", "transport", true, "larger than 65536 bytes"),
        ("away", "transport", false, "https://evil.example"),
        ("moved", "transport", false, "another path"),
        ("odd", "unknown", false, "\"hm\""),
        ("401", "auth_failed", false, "password"),
        ("403", "not_permitted", false, "permit"),
        ("404", "transport", false, "404"),
        ("429", "rate_limited", true, "later"),
        ("slow-down", "rate_limited", true, "30 s"),
        ("500", "transport", true, "500"),
        ("502", "transport", true, "502"),
        ("503", "transport", true, "503"),
    ] {
        let outcome = bench.run_as(account(PROTOCOL, &format!("{base}/{how}")), register(mac())).await;
        let sentence = outcome.sentence();
        assert_eq!((outcome.label(), outcome.is_retryable()), (label, retryable), "{how}: {sentence}");
        assert!(sentence.contains(part), "{how}: {sentence}");
        sentences.insert(sentence);
        let history = bench.history.take();
        assert_eq!(history.len(), 1, "{how}");
        assert_eq!(history[0].outcome, outcome);
        assert!(!history[0].answer.is_empty());
    }
    assert!(sentences.len() >= 14, "the sentences differ");

    let outcome = bench.run_as(account(PROTOCOL, &format!("{base}/echo")), register(mac())).await;
    let history = bench.history.take();
    for text in [outcome.sentence(), history[0].answer.clone(), format!("{:?}", history[0].outcome)] {
        assert!(text.contains("***"), "{text}");
        for secret in ["hunter2", TOKEN, "x:y"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    // If a service closes the connection without an answer, the call is retried once, and both attempts are in the
    // history.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    bench.tasks.spawn_local("hangs up", async move {
        while let Ok((stream, _)) = gone.accept().await {
            drop(stream);
        }
    });
    let outcome = bench.run_as(account(PROTOCOL, &url), register(mac())).await;
    assert!(
        matches!(outcome, RedirectResult::Transport(RedirectFailure::Http(_))) && outcome.is_retryable(),
        "{outcome:?}"
    );
    assert_eq!(bench.history.commands(), ["CHECK DEVICE", "CHECK DEVICE"]);

    handle.stop(false).await;
}

#[actix_rt::test]
async fn what_is_not_configured_is_named() {
    let bench = Bench::new(PROTOCOL, "http://127.0.0.1:9/");
    let account = |protocol: &str, url: &str, user: &str| RedirectAccount {
        instance: InstanceId(1),
        vendor: "yealink".into(),
        protocol: protocol.into(),
        url: url.into(),
        user: user.into(),
        password: Secret::new("x"),
        server_name: None,
        mac_only: false,
    };
    for (account, named) in [
        (account("none", "", "u"), "redirect.yealink.protocol"),
        (account("snom-fax", "", "u"), "yealink-xmlrpc"),
        (account("yealink-xmlrpc", "", ""), "redirect.yealink.user"),
        (account("yealink-xmlrpc", "nonsense", "u"), "redirect.yealink.url"),
        (account("yealink-xmlrpc", "ftp://x/", "u"), "redirect.yealink.url"),
    ] {
        let outcome = bench.redirects.run(account, Operation::Probe, None).await;
        assert_eq!(outcome.label(), "not_configured");
        assert!(outcome.sentence().contains(named), "{}", outcome.sentence());
    }
    assert!(bench.history.take().is_empty(), "nothing was sent");
    bench.tasks.finish(Duration::from_secs(5)).await;
    let outcome = bench.run(Operation::Probe).await;
    assert_eq!(outcome, RedirectResult::Transport(RedirectFailure::Stopping));
}
