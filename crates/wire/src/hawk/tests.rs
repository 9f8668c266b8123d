//! Tests against published vectors and against the crate `hawk` as an independent implementation.

use std::time::{Duration, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use url::Url;

use super::*;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../fixtures/redirect/hawk/vectors.json")).unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn key(vectors: &Value, number: &Value) -> Key {
    let key = &vectors["keys"][usize::try_from(number.as_u64().unwrap()).unwrap()];
    Key { id: text(key, "id").into(), secret: text(key, "secret").into() }
}

#[test]
fn published_vectors_come_out() {
    let vectors = vectors();
    let requests = vectors["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 6);
    for request in requests {
        let name = text(request, "name");
        let key = key(&vectors, &request["key"]);
        let url = Url::parse(text(request, "url")).unwrap();
        let ts = request["ts"].as_i64().unwrap();
        let (method, nonce) = (text(request, "method"), text(request, "nonce"));
        let mut artifacts = Artifacts::new(method, &url, ts, nonce);
        text(request, "ext").clone_into(&mut artifacts.ext);
        let payload = Payload { content_type: text(request, "content_type"), body: text(request, "body").as_bytes() };
        if request["hashed"] == true {
            artifacts.hash = payload_hash(payload.content_type, payload.body);
            assert_eq!(artifacts.hash, text(request, "hash"), "{name}");
        }
        let mac = text(request, "mac");
        assert_eq!(artifacts.mac("header", &key.secret), mac, "{name}");
        if request["hashed"] == true && artifacts.ext.is_empty() {
            let signed = sign(&key, method, &url, payload, ts, nonce);
            assert_eq!(signed.artifacts, artifacts);
            let hash = &artifacts.hash;
            let id = &key.id;
            let whole = format!("Hawk id=\"{id}\", ts=\"{ts}\", nonce=\"{nonce}\", hash=\"{hash}\", mac=\"{mac}\"");
            assert_eq!(signed.authorization, whole);
        }
    }
    for payload in vectors["payloads"].as_array().unwrap() {
        let hash = payload_hash(text(payload, "content_type"), text(payload, "body").as_bytes());
        assert_eq!(hash, text(payload, "hash"));
    }
    for time in vectors["times"].as_array().unwrap() {
        let key = key(&vectors, &time["key"]);
        let (ts, tsm) = (text(time, "ts"), text(time, "tsm"));
        assert_eq!(time_mac(ts, &key.secret), tsm);
        let header = format!("Hawk ts=\"{ts}\", tsm=\"{tsm}\", error=\"Stale timestamp\"");
        assert_eq!(stale_clock(&key, Some(&header)), Stale::Proven(1_700_000_000));
    }
}

#[test]
fn a_time_is_believed_only_with_its_proof() {
    let key = Key { id: "hawk-id".into(), secret: "hawk-key-secret".into() };
    let proof = "L6FSGwfbs5AcXVxW3wu6dMeKdzPfzVBZS6BqiWdDp/k=";
    for (header, meant) in [
        (format!("Hawk ts=\"1700000001\", tsm=\"{proof}\", error=\"Stale timestamp\""), Stale::Unproven),
        ("Hawk ts=\"1700000000\", error=\"Stale timestamp\"".into(), Stale::Unproven),
        ("Hawk ts=\"1700000000\", tsm=\"\"".into(), Stale::Unproven),
        (format!("Hawk ts=\"soon\", tsm=\"{}\"", time_mac("soon", &key.secret)), Stale::Unproven),
        (format!("Hawk ts=\"1e300\", tsm=\"{}\"", time_mac("1e300", &key.secret)), Stale::Unproven),
        (format!("Hawk ts=\"12.5\", tsm=\"{}\"", time_mac("12.5", &key.secret)), Stale::Proven(12)),
        ("Hawk error=\"Bad mac\"".into(), Stale::No),
        ("Basic realm=\"x\"".into(), Stale::No),
    ] {
        assert_eq!(stale_clock(&key, Some(&header)), meant, "{header}");
    }
    assert_eq!(stale_clock(&key, None), Stale::No);
    let other = Key { secret: "another".into(), ..key };
    let header = format!("Hawk ts=\"1700000000\", tsm=\"{proof}\"");
    assert_eq!(stale_clock(&other, Some(&header)), Stale::Unproven);
}

/// Builds the same request with the crate `hawk`.
fn theirs<'a>(url: &'a Url, method: &'a str, hash: &'a [u8]) -> hawk::Request<'a> {
    hawk::RequestBuilder::from_url(method, url).unwrap().hash(hash).request()
}

fn credentials(key: &Key) -> hawk::Credentials {
    let secret = hawk::Key::new(key.secret.expose().as_bytes(), hawk::SHA256).unwrap();
    hawk::Credentials { id: key.id.clone(), key: secret }
}

proptest::proptest! {
    #[test]
    fn the_crate_hawk_signs_the_same(
        id in "[a-z0-9-]{1,20}", secret in "[ -~]{1,40}", path in "[a-zA-Z0-9/_.{}-]{0,30}",
        query in proptest::option::of("[a-z0-9=&%]{0,20}"), port in proptest::option::of(1024_u16..),
        method in "GET|PUT|DELETE|POST", kind in "application/json|text/plain; charset=utf-8|", body in ".{0,60}",
        ts in 0_i64..4_000_000_000, nonce in "[a-zA-Z0-9]{1,32}",
    ) {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        let url = Url::parse(&format!("https://Api.Example.com{port}/{path}{query}")).unwrap();
        let key = Key { id, secret: secret.as_str().into() };
        let ours = sign(&key, &method, &url, Payload { content_type: &kind, body: body.as_bytes() }, ts, nonce.clone());

        let essence = kind.split(';').next().unwrap();
        let hash = hawk::PayloadHasher::hash(essence, hawk::SHA256, body.as_bytes()).unwrap();
        proptest::prop_assert_eq!(&BASE64_STANDARD.encode(&hash), &ours.artifacts.hash);
        let request = theirs(&url, &method, &hash);
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(ts).unwrap());
        let header = request.make_header_full(&credentials(&key), at, nonce.clone()).unwrap();
        let mac = BASE64_STANDARD.encode(header.mac.clone().unwrap().as_ref() as &[u8]);
        proptest::prop_assert_eq!(ours.artifacts.mac("header", &key.secret), mac);

        // The crate accepts our requests, and we accept its signatures.
        let fields = ours.authorization.strip_prefix("Hawk ").unwrap();
        let read: hawk::Header = fields.parse().unwrap();
        let long_ago = Duration::from_secs(8_000_000_000);
        proptest::prop_assert!(request.validate_header(&read, &credentials(&key).key, long_ago));
        let answer_hash = hawk::PayloadHasher::hash("application/json", hawk::SHA256, b"{}").unwrap();
        let response = request.make_response_builder(&read).hash(answer_hash.as_slice()).response();
        let signed = response.make_header(&credentials(&key).key).unwrap();
        let signed = format!("Hawk {signed}");
        let check = |kind: &str, body: &[u8]| check_answer(&key, &ours.artifacts, Some(&signed), kind, body);
        proptest::prop_assert_eq!(check("application/json; charset=utf-8", b"{}"), Proof::Good { body: true });
        proptest::prop_assert_eq!(check("application/json", b"{ }"), Proof::Bad);
        proptest::prop_assert_eq!(check("text/html", b"{}"), Proof::Bad);
    }
}

#[test]
fn an_answer_to_another_request_proves_nothing() {
    let key = Key { id: "i".into(), secret: "s".into() };
    let url = Url::parse("https://api.example.com/api/v1/tokens/i").unwrap();
    let sent = sign(&key, "GET", &url, Payload::default(), 1, "n").artifacts;
    let header = |artifacts: &Artifacts| format!("Hawk mac=\"{}\"", artifacts.mac("response", &key.secret));
    let unsigned_body = Artifacts { hash: String::new(), ..sent.clone() };
    let good = header(&unsigned_body);
    assert_eq!(check_answer(&key, &sent, Some(&good), "x", b"whatever"), Proof::Good { body: false });
    assert_eq!(check_answer(&key, &sent, None, "", b""), Proof::None);
    let later = Artifacts { nonce: "m".into(), ..unsigned_body.clone() };
    for bad in [header(&later), format!("{good}, hash=\"x\""), "Basic x".into(), "Hawk mac=\"\"".into(), String::new()]
    {
        assert_eq!(check_answer(&key, &sent, Some(&bad), "x", b"whatever"), Proof::Bad, "{bad}");
    }
}
