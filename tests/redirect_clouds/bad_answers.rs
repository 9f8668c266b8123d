//! Tests that every misbehaviour of a service has its own error message and the correct retry behaviour, and that the
//! answer is in the history.

use std::collections::HashSet;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use gangway::redirect::Operation;
use gangway_base::{mac::Mac, secret::Secret};

use crate::bench::{Bench, PASSWORD, TOKEN, register, serve, server, unique_url};

const GOOD_TOKEN: &str = r#"{"access_token":"the-good-token","token_type":"bearer","expires_in":86400}"#;

fn mac() -> Mac {
    "805ec0aabbcc".parse().unwrap()
}

/// Protocol-independent misbehaviour.
fn plain(how: &str) -> HttpResponse {
    match how {
        "html" => HttpResponse::Ok().content_type("text/html").body("<!DOCTYPE html><html>Maintenance</html>"),
        "empty" => HttpResponse::Ok().finish(),
        "big" => HttpResponse::Ok().body("x".repeat(10_000_000)),
        "away" => HttpResponse::Found().insert_header(("location", "https://evil.example/")).finish(),
        "slow-down" => HttpResponse::TooManyRequests().insert_header(("retry-after", "30")).finish(),
        status => HttpResponse::build(StatusCode::from_u16(status.parse().unwrap()).unwrap()).body("<html>no</html>"),
    }
}

async fn snom(path: web::Path<String>) -> HttpResponse {
    match path.as_str() {
        "half" => HttpResponse::Ok().body("<?xml version=\"1.0\"?><methodResponse><params><param><value><array>"),
        "odd" => HttpResponse::Ok()
            .body("<methodResponse><params><param><value>hm</value></param></params></methodResponse>"),
        "fault" => HttpResponse::Ok()
            .body("<methodResponse><fault><value><string>no such method</string></value></fault></methodResponse>"),
        "word" => HttpResponse::Ok().body(
            "<methodResponse><params><param><value><array><data><value><boolean>0</boolean></value>\
             <value>Error:whatever_it_is</value></data></array></value></param></params></methodResponse>",
        ),
        how => plain(how),
    }
}

/// Issues tokens correctly; all other calls misbehave.
async fn ymcs(request: HttpRequest, path: web::Path<(String, String)>) -> HttpResponse {
    let (how, path) = path.into_inner();
    let json = |status: u16, body: &str| {
        HttpResponse::build(StatusCode::from_u16(status).unwrap())
            .content_type("application/json")
            .body(body.to_owned())
    };
    match (how.as_str(), path.as_str()) {
        ("no-token", "token") => json(200, "{}"),
        ("invalid-client", "token") => json(400, r#"{"error":"invalid_client","code":70012}"#),
        ("half-token", "token") => json(200, r#"{"access_token":"the-good-token"#),
        (_, "token") => json(200, GOOD_TOKEN),
        ("half", _) => json(200, r#"{"skip":0,"data":[{"mac":"805e"#),
        ("odd", _) => json(200, r#"{"hm":1}"#),
        ("expired", _) => json(401, r#"{"code":900401,"message":"Session is invalid"}"#),
        ("headers", _) => json(401, r#"{"code":500401,"message":"Invalid request header"}"#),
        ("replay", _) => json(403, r#"{"code":500403,"message":"Request reply"}"#),
        ("failed", "rps/listDevices") => json(200, r#"{"total":0,"data":null}"#),
        ("failed", _) => json(
            200,
            r#"{"total":1,"successCount":0,"failureCount":1,"errors":[{"mac":"805ec0aabbcc","errorInfo":"900500"}]}"#,
        ),
        ("url", "rps/listDevices") => json(200, r#"{"total":0,"data":null}"#),
        ("url", _) => {
            json(400, r#"{"code":900400,"message":"bad","details":[{"field":"uniqueServerUrl","message":"no"}]}"#)
        }
        ("limit", "rps/listDevices") => json(200, r#"{"total":0,"data":null}"#),
        ("limit", _) => json(400, r#"{"code":800008,"message":"data limit"}"#),
        ("echo", _) => json(
            400,
            &format!(
                r#"{{"code":1,"message":"{} for {PASSWORD} at https://x:y@z/phone/{TOKEN}/"}}"#,
                request.headers().get("authorization").unwrap().to_str().unwrap()
            ),
        ),
        (how, _) => plain(how),
    }
}

/// Answers every call with the same misbehaviour: a web page, half an answer, a forged signature.
async fn sraps(path: web::Path<(String, String)>) -> HttpResponse {
    let (how, path) = path.into_inner();
    let json = |status: u16, body: &str| {
        HttpResponse::build(StatusCode::from_u16(status).unwrap())
            .content_type("application/json")
            .body(body.to_owned())
    };
    let challenge = |challenge: &str| {
        HttpResponse::Unauthorized().insert_header(("www-authenticate", challenge.to_owned())).body("{}")
    };
    match (how.as_str(), path.as_str()) {
        ("half", _) => json(200, r#"{"links":{"company":"/api/v1/comp"#),
        ("odd", _) => json(200, r#"{"hm":1}"#),
        ("error", _) => json(400, r#"{"error":"no such thing"}"#),
        ("mac", _) => challenge("Hawk error=\"Bad mac\""),
        ("stale", _) => challenge("Hawk ts=\"1700000000\", tsm=\"AAAA\", error=\"Stale timestamp\""),
        ("forged", _) => HttpResponse::Ok()
            .insert_header(("server-authorization", "Hawk mac=\"AAAA\", hash=\"AAAA\""))
            .content_type("application/json")
            .body(r#"{"links":{}}"#),
        ("link", _) => json(200, r#"{"links":{"company":"https://evil.example/api/v1/companies/c"}}"#),
        ("endless", "tokens/reseller") => json(200, r#"{"links":{"company":"/sraps/endless/companies/c"}}"#),
        ("endless", "companies/c") => json(200, r#"{"links":{"endpoints":"/sraps/endless/companies/c/endpoints"}}"#),
        ("endless", "settings/") => HttpResponse::Ok()
            .insert_header(("link", "</sraps/endless/settings/>; rel=\"next\""))
            .content_type("application/json")
            .body("[]"),
        ("echo", _) => json(400, &format!(r#"{{"message":"{PASSWORD} at https://x:y@z/phone/{TOKEN}/"}}"#)),
        (how, _) => plain(how),
    }
}

fn configure(services: &mut web::ServiceConfig) {
    services.route("/sraps/{how}/{path:.*}", web::to(sraps));
    services.route("/snom/{how}", web::post().to(snom)).route("/ymcs/{how}/v2/{path:.*}", web::to(ymcs));
}

/// The misbehaviour, the outcome, whether it is retried, a part of the message, and the number of calls in the history.
type Row = (&'static str, &'static str, bool, &'static str, usize);

async fn tell(bench: &Bench, base: &str, operation: &Operation, rows: &[Row]) {
    let mut sentences = HashSet::new();
    for (how, label, retryable, part, calls) in rows {
        let mut account = bench.account.clone();
        account.url = format!("{base}/{how}");
        account.mac_only = true;
        let outcome = bench.run_as(account, operation.clone()).await;
        let sentence = outcome.sentence();
        assert_eq!((outcome.label(), outcome.is_retryable()), (*label, *retryable), "{how}: {sentence}");
        assert!(sentence.contains(part), "{how}: {sentence}");
        sentences.insert(sentence);
        let history = bench.history.take();
        assert_eq!(history.len(), *calls, "{how}: {history:#?}");
        assert_eq!(history.last().unwrap().outcome, outcome, "{how}");
        assert!(history.iter().all(|entry| !entry.answer.is_empty()), "{how}");
    }
    assert!(sentences.len() + 1 >= rows.len(), "the sentences differ: {sentences:#?}");
}

#[actix_rt::test]
async fn of_snoms_service() {
    let bench = Bench::new("snom-xmlrpc", "");
    let (base, handle) = serve(&bench.tasks, configure);
    let rows: &[Row] = &[
        ("html", "transport", true, "Maintenance", 1),
        ("empty", "transport", true, "something else than its protocol", 1),
        ("half", "transport", true, "only a part", 1),
        ("big", "transport", true, "larger than 65536 bytes", 1),
        ("away", "transport", false, "https://evil.example", 1),
        ("odd", "unknown", false, "\"hm\"", 1),
        ("fault", "unknown", false, "no such method", 1),
        ("word", "unknown", false, "whatever_it_is", 1),
        ("401", "auth_failed", false, "password", 1),
        ("403", "not_permitted", false, "permit", 1),
        ("404", "transport", false, "404", 1),
        ("slow-down", "rate_limited", true, "30 s", 1),
        ("502", "transport", true, "502", 1),
    ];
    tell(&bench, &format!("{base}/snom"), &register(mac()), rows).await;
    handle.stop(false).await;
}

#[actix_rt::test]
async fn of_snoms_rest_service() {
    let bench = Bench::new("snom-sraps", "");
    let (base, handle) = serve(&bench.tasks, configure);
    let base = format!("{base}/sraps");
    let rows: &[Row] = &[
        ("html", "transport", true, "Maintenance", 1),
        ("empty", "unknown", false, "link 'company'", 1),
        ("half", "transport", true, "only a part", 1),
        ("big", "transport", true, "larger than 65536 bytes", 1),
        ("away", "transport", false, "https://evil.example", 1),
        ("odd", "unknown", false, "link 'company'", 1),
        ("error", "unknown", false, "no such thing", 1),
        ("mac", "auth_failed", false, "password", 1),
        ("stale", "transport", true, "the time it tells", 1),
        ("forged", "transport", true, "its signature", 1),
        ("link", "transport", false, "leads to another host (https://evil.example)", 1),
        ("endless", "unknown", false, "not in the first 12 pages", 14),
        ("403", "not_permitted", false, "permit", 1),
        ("404", "transport", false, "404", 1),
        ("slow-down", "rate_limited", true, "30 s", 1),
        ("502", "transport", true, "502", 1),
    ];
    tell(&bench, &base, &register(mac()), rows).await;

    let mut account = bench.account.clone();
    account.url = format!("{base}/echo");
    let outcome = bench.run_as(account, register(mac())).await;
    let history = bench.history.take();
    for text in [outcome.sentence(), history[0].answer.clone(), format!("{:?}", history[0].outcome)] {
        assert!(text.contains("***"), "{text}");
        for secret in ["hunter2", TOKEN, "x:y"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    handle.stop(false).await;
}

#[actix_rt::test]
async fn of_the_management_cloud() {
    let bench = Bench::new("yealink-ymcs", "");
    let (base, handle) = serve(&bench.tasks, configure);
    let base = format!("{base}/ymcs");
    let rows: &[Row] = &[
        ("html", "transport", true, "Maintenance", 2),
        ("empty", "unknown", false, "list of phones", 2),
        ("half", "transport", true, "only a part", 2),
        ("big", "transport", true, "larger than 65536 bytes", 2),
        ("away", "transport", false, "https://evil.example", 2),
        ("odd", "unknown", false, "list of phones", 2),
        ("expired", "transport", true, "token it has just given", 4),
        ("headers", "unknown", false, "clock", 2),
        ("replay", "unknown", false, "nonce", 3),
        ("failed", "transport", true, "900500", 3),
        ("url", "invalid_url", false, "phone_url", 3),
        ("limit", "not_permitted", false, "data limit", 3),
        ("401", "auth_failed", false, "password", 2),
        ("403", "not_permitted", false, "permit", 2),
        ("404", "transport", false, "404", 2),
        ("slow-down", "rate_limited", true, "30 s", 2),
        ("502", "transport", true, "502", 2),
        ("no-token", "unknown", false, "without a token", 1),
        ("half-token", "transport", true, "EOF", 1),
    ];
    tell(&bench, &base, &register(mac()), rows).await;
    let rows: &[Row] = &[("invalid-client", "auth_failed", false, "password", 1)];
    tell(&bench, &base, &register(mac()), rows).await;

    let mut account = bench.account.clone();
    account.url = format!("{base}/echo");
    let operation =
        Operation::Register { mac: mac(), unique_url: Some(Secret::new(unique_url())), server: server(), serial: None };
    let outcome = bench.run_as(account, operation).await;
    let history = bench.history.take();
    let last = history.last().unwrap();
    for text in [outcome.sentence(), last.answer.clone(), format!("{:?}", last.outcome)] {
        assert!(text.contains("***"), "{text}");
        for secret in ["hunter2", TOKEN, "x:y", "the-good-token"] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }
    handle.stop(false).await;
}

/// A call whose connection broke is repeated with a new nonce.
#[actix_rt::test]
async fn a_repeated_call_is_a_new_one_to_the_service() {
    use std::sync::{Mutex, OnceLock};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    static SEEN: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
    let bench = Bench::new("yealink-ymcs", "");
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", gone.local_addr().unwrap());
    bench.tasks.spawn_local("hangs up", async move {
        while let Ok((mut stream, _)) = gone.accept().await {
            let mut head = Vec::new();
            let mut piece = [0_u8; 4096];
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut piece).await {
                    Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).to_lowercase();
            let nonce = head.lines().find_map(|line| line.strip_prefix("nonce: ")).unwrap_or_default().to_owned();
            SEEN.get_or_init(Mutex::default).lock().unwrap().push(nonce);
            let _ = stream.shutdown().await;
        }
    });
    let mut account = bench.account.clone();
    account.url = url;
    let outcome = bench.run_as(account, Operation::Probe).await;
    assert!(outcome.is_retryable(), "{outcome:?}");
    assert_eq!(bench.history.commands(), ["GET TOKEN", "GET TOKEN"]);
    let seen = SEEN.get().unwrap().lock().unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen[0] != seen[1] && seen.iter().all(|nonce| nonce.len() == 32), "{seen:?}");
}
