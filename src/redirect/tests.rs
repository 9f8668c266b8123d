//! Tests of the exchanges without a network: golden requests, and conversations replayed from recorded answers.

use gangway_base::{mac::Mac, secret::Secret};
use url::Url;

use super::*;
use crate::phone::instance::InstanceId;

const UNIQUE: &str = "https://gw.example.com/example.com/gangway/phone/abcdefghijklmnopqrstuvwxyz/";
const SHARED: &str = "https://boot:a&b@gw.example.com/example.com/gangway/phone/";

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("fixtures/redirect/yealink-xmlrpc/{name}")).unwrap()
}

fn mac() -> Mac {
    "80:5E:C0:AA:BB:CC".parse().unwrap()
}

fn account() -> RedirectAccount {
    RedirectAccount {
        instance: InstanceId(1),
        vendor: "yealink".into(),
        protocol: "yealink-xmlrpc".into(),
        url: String::new(),
        user: "reseller".into(),
        password: Secret::new("secret"),
        server_name: None,
        mac_only: false,
    }
}

fn server() -> ServerEntry {
    ServerEntry { name: "example.com".into(), url: Secret::new(SHARED) }
}

fn register(unique: bool) -> Operation {
    Operation::Register { mac: mac(), unique_url: unique.then(|| Secret::new(UNIQUE)), server: server(), serial: None }
}

fn context() -> ProtocolContext {
    ProtocolContext { memory: AccountCache::default(), now: jiff::Timestamp::UNIX_EPOCH }
}

fn begin(operation: &Operation) -> Box<dyn RedirectProtocol> {
    let protocol = protocol("yealink-xmlrpc").unwrap();
    (protocol.start)(operation, &account(), Url::parse(protocol.info.default_url).unwrap(), &context())
}

fn answer(name: &str) -> ServiceResponse {
    ServiceResponse::bare(200, fixture(&format!("answers/{name}.xml")))
}

/// Returns the called methods and the result, given these answers in turn.
fn tell(operation: &Operation, answers: &[&str]) -> (Vec<String>, RedirectResult) {
    let mut exchange = begin(operation);
    let mut methods = Vec::new();
    let mut answers = answers.iter();
    let mut step = exchange.next(None).step;
    loop {
        match step {
            NextCall::Done(outcome) => {
                assert_eq!(answers.next(), None, "not every answer was wanted");
                return (methods, outcome);
            }
            NextCall::Send(call) => {
                let body = String::from_utf8(call.request.body.to_vec()).unwrap();
                let method = body.split_once("<methodName>redirect.").unwrap().1.split_once('<').unwrap().0;
                methods.push(method.to_owned());
                step = match answers.next() {
                    Some(name) => exchange.next(Some(&answer(name))).step,
                    None => panic!("{method} was not expected"),
                };
            }
        }
    }
}

fn registered(entry: EntryUsed) -> RedirectResult {
    RedirectResult::Ok(Done { entry: Some(entry), ..Done::default() })
}

#[test]
fn every_protocol_of_the_table_is_sound() {
    let mut names = std::collections::HashSet::new();
    for protocol in protocols() {
        assert!(names.insert(protocol.info.name), "{} is there twice", protocol.info.name);
        let url = Url::parse(protocol.info.default_url).unwrap();
        assert_eq!(url.scheme(), "https", "{}", protocol.info.name);
        let operations =
            [Operation::EnsureServer(server()), Operation::Check { mac: mac() }, register(true), register(false)];
        for operation in operations.into_iter().chain([Operation::Deregister { mac: mac() }, Operation::Probe]) {
            let mut exchange = (protocol.start)(&operation, &account(), url.clone(), &context());
            let turn = exchange.next(None);
            assert!(turn.call_result.is_none());
            if !protocol.info.capabilities.server_entries && matches!(operation, Operation::EnsureServer(_)) {
                let NextCall::Done(RedirectResult::Ok(_)) = turn.step else {
                    panic!("{}: there are no entries", protocol.info.name)
                };
                continue;
            }
            let NextCall::Send(call) = turn.step else { panic!("{}: {operation:?} sends nothing", protocol.info.name) };
            assert_eq!(call.request.url.origin(), url.origin());
            assert!(!format!("{call:?}").contains("secret"));
            // Every exchange ends with any answers, and with the same results for every vendor.
            for status in [401, 403, 404, 429, 500, 502] {
                let mut exchange = (protocol.start)(&operation, &account(), url.clone(), &context());
                exchange.next(None);
                let refused = ServiceResponse::bare(status, "<html>no</html>");
                let turn = exchange.next(Some(&refused));
                let NextCall::Done(outcome) = turn.step else { panic!("{status} is not the end") };
                let label = match status {
                    401 => "auth_failed",
                    403 => "not_permitted",
                    429 => "rate_limited",
                    _ => "transport",
                };
                assert_eq!(outcome.label(), label);
                assert!(outcome.sentence().len() > 20);
                assert!(matches!(exchange.next(Some(&refused)).step, NextCall::Done(_)), "it stays over");
            }
        }
    }
}

#[test]
fn requests_are_sent_to_the_byte() {
    let mut exchange = begin(&register(true));
    let mut sent = |answer: Option<&ServiceResponse>| match exchange.next(answer).step {
        NextCall::Send(call) => String::from_utf8(call.request.body.to_vec()).unwrap(),
        NextCall::Done(outcome) => panic!("{outcome:?}"),
    };
    let golden = |name: &str| fixture(&format!("requests/{name}.xml")).trim_end().to_owned();
    assert_eq!(sent(None), golden("check-device"));
    assert_eq!(sent(Some(&answer("check-unregistered.compact"))), golden("register-device-with-unique-url"));
    assert_eq!(sent(Some(&answer("unknown-method.compact"))), golden("add-server"));
    assert_eq!(sent(Some(&answer("name-used.compact"))), golden("register-device"));
    assert_eq!(sent(Some(&answer("existing.compact"))), golden("deregister-device"));
}

#[test]
fn a_phone_of_another_account_is_never_changed() {
    for answers in ["check-elsewhere.compact", "check-elsewhere.pretty", "check-elsewhere-false.compact"] {
        let (methods, outcome) = tell(&register(true), &[answers]);
        assert_eq!((methods, outcome), (vec!["checkDevice".to_owned()], RedirectResult::OwnedByOther), "{answers}");
    }
    for refusal in ["foreign.compact", "override.pretty"] {
        let (methods, outcome) = tell(&register(true), &["check-unregistered.pretty", refusal]);
        assert_eq!(methods.len(), 2);
        assert_eq!(outcome, RedirectResult::OwnedByOther, "{refusal}");
    }
}

#[test]
fn a_free_or_own_phone_gets_its_own_url() {
    for word in ["registered", "unregistered", "unknown"] {
        for form in ["compact", "pretty"] {
            let (methods, outcome) = tell(&register(true), &[&format!("check-{word}.{form}"), &format!("ok.{form}")]);
            assert_eq!(methods, ["checkDevice", "registerDeviceWithUniqueUrl"]);
            assert_eq!(outcome, registered(EntryUsed::UniqueUrl));
        }
    }
}

#[test]
fn without_urls_per_phone_the_server_entry_is_used() {
    let by_name = registered(EntryUsed::Server { name: "example.com".into() });
    for unknown in ["unknown-method.compact", "unknown-method.pretty"] {
        for entry in ["ok.compact", "name-used.pretty"] {
            let (methods, outcome) =
                tell(&register(true), &["check-unknown.compact", unknown, entry, "ok-cdata.pretty"]);
            assert_eq!(methods, ["checkDevice", "registerDeviceWithUniqueUrl", "addServer", "registerDevice"]);
            assert_eq!(outcome, by_name);
        }
    }
    let (methods, outcome) = tell(&register(false), &["check-unknown.compact", "name-used.compact", "ok.compact"]);
    assert_eq!(methods, ["checkDevice", "addServer", "registerDevice"]);
    assert_eq!(outcome, by_name);
}

#[test]
fn a_missing_server_entry_is_made_and_the_own_url_kept() {
    let (methods, outcome) =
        tell(&register(true), &["check-unknown.compact", "invalid-server.compact", "ok.compact", "ok.compact"]);
    assert_eq!(methods, ["checkDevice", "registerDeviceWithUniqueUrl", "addServer", "registerDeviceWithUniqueUrl"]);
    assert_eq!(outcome, registered(EntryUsed::UniqueUrl));
}

#[test]
fn a_server_name_of_another_account_is_replaced_and_reported() {
    let (methods, outcome) = tell(
        &register(false),
        &["check-unknown.compact", "name-used.compact", "invalid-server.compact", "ok.compact", "ok.compact"],
    );
    assert_eq!(methods, ["checkDevice", "addServer", "registerDevice", "addServer", "registerDevice"]);
    let RedirectResult::Ok(Done { renamed: Some(name), .. }) = &outcome else { panic!("{outcome:?}") };
    assert!(name.starts_with("example.com-") && outcome.sentence().contains(name.as_str()));
    let taken = ["name-used.compact", "invalid-server.compact"].repeat(4);
    let answers: Vec<&str> = std::iter::once("check-unknown.compact").chain(taken).collect();
    let (_, outcome) = tell(&register(false), &answers);
    assert!(matches!(outcome, RedirectResult::ServerNameTaken { foreign: true, .. }));
}

#[test]
fn only_what_is_ours_and_stale_is_removed_before_it_is_registered_again() {
    let (methods, outcome) =
        tell(&register(true), &["check-registered.compact", "existing.compact", "ok.compact", "ok.compact"]);
    assert_eq!(
        methods,
        ["checkDevice", "registerDeviceWithUniqueUrl", "deRegisterDevice", "registerDeviceWithUniqueUrl"]
    );
    assert_eq!(outcome, registered(EntryUsed::UniqueUrl));
    let (_, outcome) =
        tell(&register(true), &["check-registered.compact", "existing.compact", "ok.compact", "existing.compact"]);
    assert_eq!(outcome, RedirectResult::AlreadyMine);
}

#[test]
fn a_refusal_says_whether_things_are_as_they_should_be() {
    let add = Operation::EnsureServer(server());
    let remove = Operation::Deregister { mac: mac() };
    for (operation, name, label) in [
        (&add, "ok.compact", "ok"),
        (&add, "name-used.compact", "server_name_taken"),
        (&add, "name-used.pretty", "server_name_taken"),
        (&remove, "ok.pretty", "ok"),
        (&remove, "invalid-macs.compact", "not_found"),
        (&remove, "invalid-macs.pretty", "not_found"),
    ] {
        let (_, outcome) = tell(operation, &[name]);
        assert_eq!(outcome.label(), label);
        assert!(!outcome.is_retryable(), "{name}");
    }
    for (operation, name, label) in [
        (&add, "bad-name.compact", "invalid_server_name"),
        (&add, "bad-url.compact", "invalid_url"),
        (&Operation::Check { mac: mac() }, "check-invalid-mac.compact", "invalid_mac"),
        (&Operation::Check { mac: mac() }, "ok.compact", "unknown"),
        (&remove, "unknown-method.compact", "unknown"),
    ] {
        let (_, outcome) = tell(operation, &[name]);
        assert_eq!(outcome.label(), label);
        assert!(!outcome.is_retryable(), "{name}");
    }
    assert_eq!(tell(&Operation::Probe, &["check-invalid-mac.compact"]).1.label(), "ok");
}

/// Answers of every service, passed to the protocols of all others.
const PIECES: &[&str] = &[
    "",
    "<html>no</html>",
    r#"{"access_token":"t","token_type":"bearer","expires_in":60}"#,
    r#"{"skip":0,"limit":100,"total":0,"data":null}"#,
    r#"{"skip":0,"limit":100,"total":900,"data":[{"id":"1","mac":"805ec0000000"}]}"#,
    r#"{"total":1,"data":[{"id":"1","mac":"805ec0aabbcc","serverName":"example.com"}]}"#,
    r#"{"total":1,"successCount":1,"failureCount":0,"errors":[]}"#,
    r#"{"total":1,"successCount":0,"failureCount":1,"errors":[{"errorInfo":"800003"}]}"#,
    r#"{"code":900401,"message":"x"}"#,
    r#"{"code":800003,"message":"x"}"#,
    r#"{"code":500403,"message":"Request reply"}"#,
    "<methodResponse><params><param><value><array><data><value><boolean>1</boolean></value><value>Ok</value>\
     <value>https://elsewhere/</value></data></array></value></param></params></methodResponse>",
    "<methodResponse><params><param><value><array><data><value><boolean>0</boolean></value>\
     <value>Error:no_such_mac</value></data></array></value></param></params></methodResponse>",
];

proptest::proptest! {
    #[test]
    fn every_exchange_of_every_protocol_ends_whatever_is_answered(
        answers in proptest::collection::vec((0_usize..20, ".{0,60}", 0_usize..8), 40),
    ) {
        for protocol in protocols() {
            let url = Url::parse(protocol.info.default_url).unwrap();
            for operation in [
                Operation::EnsureServer(server()),
                Operation::Check { mac: mac() },
                register(true),
                register(false),
                Operation::Deregister { mac: mac() },
                Operation::Probe,
            ] {
                let account = RedirectAccount { mac_only: true, ..account() };
                let mut exchange = (protocol.start)(&operation, &account, url.clone(), &context());
                let mut step = exchange.next(None).step;
                let mut calls = 0;
                for (piece, text, status) in &answers {
                    let NextCall::Send(call) = &step else { break };
                    calls += 1;
                    proptest::prop_assert_eq!(call.request.url.origin(), url.origin());
                    let body = PIECES.get(*piece).map_or(text.as_str(), |piece| *piece).to_owned();
                    let status = [200, 200, 200, 201, 204, 400, 401, 403][*status];
                    step = exchange.next(Some(&ServiceResponse::bare(status, body))).step;
                }
                let NextCall::Done(outcome) = &step else { panic!("{}: {operation:?} does not end", protocol.info.name) };
                proptest::prop_assert!(calls <= 30 && !outcome.sentence().is_empty(), "{}: {}", protocol.info.name, calls);
            }
        }
    }

    #[test]
    fn an_exchange_ends_whatever_is_answered(bodies in proptest::collection::vec((0_u8..8, ".{0,120}"), 40)) {
        let names = ["ok.compact", "name-used.compact", "invalid-server.compact", "existing.compact",
                     "unknown-method.compact", "check-unknown.compact", "foreign.compact"];
        let mut exchange = begin(&register(true));
        let mut step = exchange.next(None).step;
        let mut calls = 0;
        for (kind, text) in bodies {
            if matches!(step, NextCall::Done(_)) { break }
            calls += 1;
            let body = names.get(usize::from(kind)).map_or(text, |name| fixture(&format!("answers/{name}.xml")));
            let answer = ServiceResponse::bare(200, body);
            step = exchange.next(Some(&answer)).step;
        }
        proptest::prop_assert!(matches!(step, NextCall::Done(_)) && calls <= 20, "{calls}");
    }
}
