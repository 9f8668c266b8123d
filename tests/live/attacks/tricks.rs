//! Tests requests with contradictory parts. Two parsers might use different parts, so the gateway uses none of them.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use data_encoding::HEXLOWER;
use gangway::store::TokenScope;
use gangway_sim::yealink_phone::model;
use md5::{Digest as _, Md5};
use serde_json::json;

use super::{raw, refusals::bytes};
use crate::support::{bench::Bench, http, mac, script};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01";

fn hash(text: &str) -> String {
    HEXLOWER.encode(&Md5::digest(text))
}

/// A correct answer to a challenge (RFC 7616) that tests can modify.
#[derive(Clone)]
struct Proof {
    user: String,
    password: String,
    method: &'static str,
    uri: String,
    realm: String,
    nonce: String,
    qop: &'static str,
    more: String,
}

impl Proof {
    fn header(&self) -> String {
        let Self { user, password, method, uri, realm, nonce, qop, more } = self;
        let secret = hash(&format!("{user}:{realm}:{password}"));
        let cnonce = format!("{:016x}", rand::random::<u64>());
        let response = hash(&format!("{secret}:{nonce}:00000001:{cnonce}:{qop}:{}", hash(&format!("{method}:{uri}"))));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", qop={qop}, \
             nc=00000001, cnonce=\"{cnonce}\", response=\"{response}\"{more}\r\n"
        )
    }
}

/// The phone's own answers, modified in ways that some servers accepted for another request or another user.
#[actix_rt::test]
async fn a_modified_proof_opens_nothing() {
    let bench = Bench::start().await;
    let (own, other) = (mac(1), mac(2));
    bench.installed(own, model::T46U, "user1").await;
    bench.installed(other, model::T46U, "user2").await;
    let address = raw::address(&bench);
    let path = |file: &str| format!("/example.com/gangway/phone/{file}");
    let file = format!("{own}.cfg");
    let send = |method: &str, target: &str, headers: &str, version: &str| {
        let head = format!(
            "{method} {target} HTTP/{version}\r\nHost: gw\r\nUser-Agent: {AGENT}\r\nConnection: close\r\n{headers}\r\n"
        );
        raw::exchange(address, head.as_bytes())
    };
    let credentials = bench.records().phone(own).unwrap().own.clone();
    let challenge = http::get(&format!("{}{}", bench.gateway.base(), path(&file)), AGENT);
    let challenge = challenge.header("www-authenticate").unwrap().to_owned();
    let part =
        |name: &str| challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let right = Proof {
        user: credentials.user.clone(),
        password: credentials.password.expose().to_owned(),
        method: "GET",
        uri: path(&file),
        realm: part("realm"),
        nonce: part("nonce"),
        qop: "auth",
        more: String::new(),
    };
    assert_eq!(raw::statuses(&send("GET", &path(&file), &right.header(), "1.1")), [200], "as it should be");
    let elsewhere = format!("http://evil.example{}", path(&file));
    assert_eq!(
        raw::statuses(&send("GET", &elsewhere, &right.header(), "1.1")),
        [200],
        "the same file in absolute form"
    );

    let with = |bend: &dyn Fn(&mut Proof)| {
        let mut bent = right.clone();
        bend(&mut bent);
        bent.header()
    };
    let (here, plain) = (path(&file), right.header());
    let spelled: Vec<(String, String)> =
        ["80:5E:C0:12:34:01", "80-5e-c0-12-34-01", "805EC0123401", "805ec0123401 ", " 805ec0123401"]
            .map(|user| (format!("the user as '{user}'"), with(&|proof| proof.user = user.to_owned())))
            .into();
    let mut tries: Vec<(String, String, String)> = vec![
        ("another phone's file".into(), path(&format!("{other}.cfg")), plain.clone()),
        (
            "another phone's file, named in the proof".into(),
            path(&format!("{other}.cfg")),
            with(&|proof| proof.uri = path(&format!("{other}.cfg"))),
        ),
        ("a query behind it".into(), format!("{here}?x=1"), plain.clone()),
        ("a proof for a query".into(), here.clone(), with(&|proof| proof.uri = format!("{}?x=1", path(&file)))),
        ("a proof for the folder".into(), here.clone(), with(&|proof| proof.uri = path(""))),
        ("a proof for everything".into(), here.clone(), with(&|proof| proof.uri = "*".into())),
        ("a proof for another host's path".into(), here.clone(), with(&|proof| proof.uri = "http://gw".into())),
        ("a proof for an upload".into(), here.clone(), with(&|proof| proof.method = "PUT")),
        ("auth-int".into(), here.clone(), with(&|proof| proof.qop = "auth-int")),
        ("another hash".into(), here.clone(), with(&|proof| proof.more = ", algorithm=SHA-256".into())),
        ("a session hash".into(), here.clone(), with(&|proof| proof.more = ", algorithm=MD5-sess".into())),
        ("two users".into(), here.clone(), with(&|proof| proof.more = ", username=\"x\"".into())),
        ("two targets".into(), here.clone(), with(&|proof| proof.more = ", uri=\"/\"".into())),
        ("another realm".into(), here.clone(), with(&|proof| proof.realm = "example.com/other".into())),
        ("a nonce of 8 KB".into(), here.clone(), with(&|proof| proof.nonce = "0".repeat(8 << 10))),
        ("a nonce with an end".into(), here.clone(), with(&|proof| proof.nonce.push('0'))),
        ("no nonce".into(), here.clone(), with(&|proof| proof.nonce.clear())),
        ("a million fields".into(), here.clone(), with(&|proof| proof.more = ", x=1".repeat(10_000))),
        ("a field without end".into(), here.clone(), with(&|proof| proof.more = ", opaque=\"x".into())),
        ("two headers".into(), here.clone(), format!("{plain}{plain}")),
        ("nobody's header before it".into(), here.clone(), format!("Authorization: Basic eDp4\r\n{plain}")),
        ("nobody's header behind it".into(), here.clone(), format!("{}Authorization: x\r\n", right.header())),
        (
            "its password by Basic, unasked".into(),
            here.clone(),
            format!(
                "Authorization: Basic {}\r\n",
                BASE64_STANDARD.encode(format!("{}:{}", right.user, right.password))
            ),
        ),
    ];
    tries.extend(spelled.into_iter().map(|(what, header)| (what, here.clone(), header)));
    for (what, target, headers) in &tries {
        let answer = send("GET", target, headers, "1.1");
        assert_eq!(raw::statuses(&answer), [401], "{what}: {answer}");
        assert!(!answer.contains("account.1"), "{what}: {answer}");
    }
    assert_eq!(raw::statuses(&send("HEAD", &here, &right.header(), "1.1")), [401], "a proof for GET");
    let again = http::proven(
        "GET",
        &format!("{}{here}", bench.gateway.base()),
        &[("User-Agent", AGENT)],
        &right.user,
        &right.password,
    );
    assert_eq!(again.status, 200, "the phone itself goes on");
}

/// For every spelling of a name and every HTTP version, known and unknown phones get the same answer.
#[actix_rt::test]
async fn no_form_of_a_request_tells_known_from_unknown() {
    let bench = Bench::start().await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let (known, unknown) = ("805ec0123401", "805ec0999999");
    let address = raw::address(&bench);
    let spelled = |form: &dyn Fn(&str) -> String| [known, unknown].map(form);
    let forms: [(&str, [String; 2]); 8] = [
        ("capitals", spelled(&|mac| format!("/example.com/gangway/phone/{}.cfg", mac.to_uppercase()))),
        ("percent", spelled(&|mac| format!("/example.com/gangway/phone/%38{}.cfg", &mac[1..]))),
        ("slashes", spelled(&|mac| format!("//example.com///gangway/phone//{mac}.cfg"))),
        ("a query", spelled(&|mac| format!("/example.com/gangway/phone/{mac}.cfg?mac={mac}"))),
        ("absolute", spelled(&|mac| format!("http://gw/example.com/gangway/phone/{mac}.cfg"))),
        ("a user in it", spelled(&|mac| format!("http://{mac}:x@gw/example.com/gangway/phone/{mac}.cfg"))),
        ("a blank", spelled(&|mac| format!("/example.com/gangway/phone/{mac}.cfg%20"))),
        ("a parameter", spelled(&|mac| format!("/example.com/gangway/phone/{mac}.cfg;v=1"))),
    ];
    for (what, paths) in &forms {
        for method in ["GET", "HEAD", "PUT"] {
            for headers in [
                "",
                "Range: bytes=0-0\r\n",
                "Range: bytes=-1,0-,5-2\r\n",
                "If-Match: *\r\n",
                "If-Range: x\r\nRange: bytes=0-\r\n",
            ] {
                let [one, two] = paths.clone().map(|path| bytes(&bench, method, &path, AGENT, headers));
                assert_eq!(one, two, "{what} {method} {headers}");
            }
        }
    }
    for version in ["0.9", "1.0", "1.2", "2.0", "3.0"] {
        let [one, two] = [known, unknown].map(|mac| {
            let head =
                format!("GET /example.com/gangway/phone/{mac}.cfg HTTP/{version}\r\nUser-Agent: {AGENT}\r\n\r\n");
            let answer = raw::exchange(address, head.as_bytes());
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
            let mut lines: Vec<String> = head
                .lines()
                .filter(|line| !line.to_ascii_lowercase().starts_with("date:"))
                .map(|line| line.split("nonce=").next().unwrap().to_owned())
                .collect();
            lines.sort();
            (lines, body.to_owned())
        });
        assert_eq!(one, two, "HTTP/{version}");
        assert!(!one.1.contains("account"), "HTTP/{version}");
    }
}

/// A REST token is accepted only in its header: not in a URL, which is logged and passed on, and not as a cookie, which
/// a browser adds automatically.
#[actix_rt::test]
async fn a_token_counts_in_its_header_only() {
    let bench = Bench::start().await;
    let token = script::token(&bench.gateway, "script", TokenScope::Write, None).await;
    let api = format!("{}/api/v1", bench.gateway.instance_url());
    let bearer = format!("Bearer {token}");
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("x:{token}")));
    let cookies = [format!("token={token}"), format!("access_token={token}; Authorization={bearer}")];
    let right = [("Authorization", bearer.as_str())];
    assert_eq!(http::request("GET", &format!("{api}/phones"), &right, b"").status, 200);
    for (url, headers) in [
        (format!("{api}/phones?access_token={token}"), vec![]),
        (format!("{api}/phones?token={token}"), vec![]),
        (format!("{api}/{token}/phones"), vec![]),
        (api.replace("http://", &format!("http://x:{token}@")) + "/phones", vec![]),
        (format!("{api}/phones"), vec![("Authorization", basic.as_str())]),
        (format!("{api}/phones"), vec![("Authorization", token.as_str())]),
        (format!("{api}/phones"), vec![("X-Api-Key", token.as_str())]),
        (format!("{api}/phones"), vec![("Cookie", cookies[0].as_str())]),
        (format!("{api}/phones"), vec![("Cookie", cookies[1].as_str())]),
        (format!("{api}/phones"), vec![("Proxy-Authorization", bearer.as_str())]),
        (format!("{api}/phones"), vec![("Authorization", bearer.as_str()), ("Authorization", basic.as_str())]),
        (format!("{api}/phones"), vec![("Authorization", bearer.as_str()), ("Authorization", bearer.as_str())]),
    ] {
        let answer = http::request("GET", &url, &headers, b"");
        assert!(matches!(answer.status, 401 | 404), "{url} {headers:?}: {}", answer.status);
        assert!(!answer.text().contains(&token), "{url}");
    }
}

/// A foreign page in an administrator's browser: no answer is shared with it, and its websocket is treated like that of
/// any unknown client.
#[actix_rt::test]
async fn a_foreign_page_gets_nothing() {
    let bench = Bench::start().await;
    let token = script::token(&bench.gateway, "script", TokenScope::Write, None).await;
    let bearer = format!("Bearer {token}");
    let base = bench.gateway.instance_url();
    let foreign = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "PATCH"),
        ("Access-Control-Request-Headers", "authorization"),
        ("Authorization", bearer.as_str()),
    ];
    for method in ["OPTIONS", "GET", "POST"] {
        for place in ["api/v1/phones", "api/v1/settings", "admin/", "gangway-admin.htm", "phone/805ec0123401.cfg"] {
            let answer = http::request(method, &format!("{base}/{place}"), &foreign, b"");
            let shared = answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
            assert_eq!(shared, None, "{method} {place}");
        }
    }
    let upgrade = format!(
        "GET /example.com/gangway/gangway-admin?token={token} HTTP/1.1\r\nHost: gw\r\nOrigin: https://evil.example\r\n\
         Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nAuthorization: {bearer}\r\n\
         Cookie: token={token}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let mut request = upgrade.into_bytes();
    for message in
        [json!({ "mt": "Hello", "api": "gangway" }), json!({ "mt": "Settings", "api": "gangway", "scope": "instance" })]
    {
        let text = message.to_string();
        // A text frame with a mask of zeros.
        request.extend([0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0]);
        request.extend(text.as_bytes());
    }
    let response = raw::exchange(raw::address(&bench), &request);
    assert!(response.starts_with("HTTP/1.1 101"), "{response}");
    assert!(!response.contains("Result") && !response.contains("version"), "{response}");
}
