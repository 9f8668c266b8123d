//! Digest responses: each is accepted once, and a phone still gets its file in every case.

use std::process::Command;

use data_encoding::HEXLOWER;
use futures_util::future::join_all;
use gangway_base::secret::Secret;
use gangway_wire::http_auth::{Algorithm, Scheme};
use md5::{Digest, Md5};

use super::support::{FILE, TestServer, UA, path};
use crate::phone::{
    admission::Policy,
    record::{Credentials, PhoneId},
};

const USER: &str = "805ec0123456";
const PASSWORD: &str = "OwnPasswordOwnPasswo";

/// One digest response, computed as in RFC 7616.
struct Proof<'a> {
    challenge: &'a str,
    password: &'a str,
    nc: u32,
    cnonce: &'a str,
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(&Md5::digest(text))
}

fn part<'a>(challenge: &'a str, name: &str) -> &'a str {
    challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap()
}

impl Proof<'_> {
    fn header(&self, uri: &str) -> String {
        let Self { challenge, password, nc, cnonce } = self;
        let (realm, nonce) = (part(challenge, "realm"), part(challenge, "nonce"));
        let (ha1, ha2) = (hash(&format!("{USER}:{realm}:{password}")), hash(&format!("GET:{uri}")));
        let response = hash(&format!("{ha1}:{nonce}:{nc:08x}:{cnonce}:auth:{ha2}"));
        format!(
            "Authorization: Digest username=\"{USER}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", qop=auth, nc={nc:08x}, cnonce=\"{cnonce}\"\r\n"
        )
    }
}

async fn challenge(server: &TestServer) -> String {
    let answer = server.get(&path(FILE)).await;
    answer.header("www-authenticate").unwrap().to_owned()
}

#[actix_web::test]
async fn a_captured_request_works_once_and_is_no_strike() {
    let server = TestServer::open().await;
    let challenge = challenge(&server).await;
    let captured = Proof { challenge: &challenge, password: PASSWORD, nc: 1, cnonce: "c" }.header(&path(FILE));
    assert_eq!(server.request("GET", &path(FILE), &captured).await.status, 200);
    for _ in 0..12 {
        let again = server.request("GET", &path(FILE), &captured).await;
        assert_eq!(again.status, 401);
        assert!(again.header("www-authenticate").unwrap().contains("stale=true"));
        assert!(again.header("etag").is_none());
    }
    let other = server.request_from("127.0.0.2", "GET", &path(FILE), &captured).await;
    assert_eq!(other.status, 401, "from nowhere else either");
    server.memory.edit(|phone| phone.window.closed = None);
    let (status, _) = server.curl(&["--digest", "--user", "boot:boot-password", &server.url(FILE)]).await;
    assert_eq!(status, 200, "twelve replays are no guesses");
    server.close().await;
}

#[actix_web::test]
async fn whoever_is_told_to_ask_again_gets_an_unused_challenge() {
    let server = TestServer::open().await;
    let mut challenge = challenge(&server).await;
    // A phone that repeats the same values, all within one second of the gateway's clock.
    for round in 0..5 {
        let header = Proof { challenge: &challenge, password: PASSWORD, nc: 1, cnonce: "same" }.header(&path(FILE));
        assert_eq!(server.request("GET", &path(FILE), &header).await.status, 200, "round {round}");
        let stale = server.request("GET", &path(FILE), &header).await;
        assert_eq!(stale.status, 401);
        let next = stale.header("www-authenticate").unwrap().to_owned();
        assert_ne!(part(&next, "nonce"), part(&challenge, "nonce"));
        challenge = next;
    }
    server.close().await;
}

#[actix_web::test]
async fn parallel_connections_over_several_threads_all_get_their_file() {
    let server = TestServer::with_workers(4).await;
    let challenge = challenge(&server).await;
    let counted: Vec<String> = (1..=40)
        .rev()
        .map(|nc| Proof { challenge: &challenge, password: PASSWORD, nc, cnonce: "c" }.header(&path(FILE)))
        .collect();
    let cnonces: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
    let begun: Vec<String> = cnonces
        .iter()
        .map(|cnonce| Proof { challenge: &challenge, password: PASSWORD, nc: 1, cnonce }.header(&path(FILE)))
        .collect();
    let file = path(FILE);
    let all = counted.iter().chain(&begun).map(|header| server.request("GET", &file, header));
    let statuses: Vec<u16> = join_all(all).await.into_iter().map(|answer| answer.status).collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let again = join_all(counted.iter().map(|header| server.request("GET", &file, header))).await;
    assert!(again.iter().all(|answer| answer.status == 401), "whichever thread answers");
    server.close().await;
}

/// A proxy may check one of two headers and the gateway the other. Two headers together prove nothing and do not count
/// as a guess.
#[actix_web::test]
async fn two_authorization_headers_prove_nothing() {
    let server = TestServer::open().await;
    let challenge = challenge(&server).await;
    let own = |nc| Proof { challenge: &challenge, password: PASSWORD, nc, cnonce: "c" }.header(&path(FILE));
    let wrong = |nc| Proof { challenge: &challenge, password: "wrong", nc, cnonce: "c" }.header(&path(FILE));
    for round in 0..6 {
        for both in
            [own(2 * round + 1) + &wrong(1), wrong(1) + &own(2 * round + 2), own(1) + "Authorization: Basic eDp4\r\n"]
        {
            let answer = server.request("GET", &path(FILE), &both).await;
            assert_eq!(answer.status, 401, "{both}");
            assert!(!answer.header("www-authenticate").unwrap().contains("stale"), "nothing was looked at");
        }
    }
    assert_eq!(server.curl(&["--digest", "--user", "boot:boot-password", &server.url(FILE)]).await.0, 200, "no strike");
    server.close().await;
}

#[actix_web::test]
async fn a_challenge_survives_a_restart_and_expires() {
    let before = TestServer::open().await;
    let challenge = challenge(&before).await;
    before.close().await;
    let server = TestServer::open().await;
    let proof = |nc| Proof { challenge: &challenge, password: PASSWORD, nc, cnonce: "c" }.header(&path(FILE));
    assert_eq!(server.request("GET", &path(FILE), &proof(1)).await.status, 200);
    server.clock.advance(std::time::Duration::from_secs(2 * 3600 + 1));
    let late = server.request("GET", &path(FILE), &proof(2)).await;
    assert_eq!(late.status, 401);
    assert!(late.header("www-authenticate").unwrap().contains("stale=true"));
    server.close().await;
}

#[actix_web::test]
async fn changed_credentials_overlap_until_the_new_ones_are_proven() {
    let server = TestServer::open().await;
    server.memory.edit(|phone| {
        phone.former = Some(std::mem::replace(&mut phone.own.password, Secret::new("NewPasswordNewPasswo")));
    });
    let fetch = async |password: &str| {
        let challenge = challenge(&server).await;
        let cnonce = format!("{:x}", rand::random::<u64>());
        let header = Proof { challenge: &challenge, password, nc: 1, cnonce: &cnonce }.header(&path(FILE));
        server.request("GET", &path(FILE), &header).await.status
    };
    assert_eq!(fetch(PASSWORD).await, 200);
    assert_eq!(fetch(PASSWORD).await, 200, "as often as it likes");
    assert!(server.memory.phone().former.is_some() && server.memory.phone().own.proven.is_none());
    assert_eq!(fetch("NewPasswordNewPasswo").await, 200);
    let phone = server.memory.phone();
    assert!(phone.former.is_none() && phone.own.proven.is_some());
    assert_eq!(fetch(PASSWORD).await, 401, "dead");
    assert_eq!(fetch("NewPasswordNewPasswo").await, 200);
    let kinds: Vec<&str> = server.memory.happenings.lock().unwrap().iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "credentials-proven").count(), 1, "{kinds:?}");
    server.close().await;
}

#[actix_web::test]
async fn curl_answers_both_hashes_and_keeps_its_connection() {
    let server = TestServer::open().await;
    let own = format!("{USER}:{PASSWORD}");
    for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
        *server.memory.scheme.lock().unwrap() = Some(Scheme::Digest(algorithm));
        server.memory.revision.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let url = server.url(FILE);
        let said = server
            .curl(&["--digest", "--user", &own, "--output", "/dev/null", "--output", "/dev/null", &url, &url])
            .await;
        assert_eq!(said.0, 200, "{algorithm:?}");
        assert_eq!(server.curl(&["--digest", "--user", &format!("{USER}:x"), &url]).await.0, 401, "{algorithm:?}");
    }
    server.close().await;
}

/// Python's HTTP client is independent: it shares no code with gangway or curl.
#[actix_web::test]
async fn python_answers_digest_and_basic() {
    const SCRIPT: &str = r#"
import sys, urllib.request as r, urllib.error as e, concurrent.futures as f
url, user, password, kind, agent = sys.argv[1:]
def fetch(number):
    passwords = r.HTTPPasswordMgrWithDefaultRealm()
    passwords.add_password(None, url, user, password)
    handler = {"digest": r.HTTPDigestAuthHandler, "basic": r.HTTPBasicAuthHandler}[kind](passwords)
    opener = r.build_opener(r.ProxyHandler({}), handler)
    opener.addheaders = [("User-Agent", agent)]
    # The second request answers the nonce of the first with the next count.
    return [len(opener.open(url, timeout=20).read()) for _ in range(3)]
try:
    with f.ThreadPoolExecutor(4) as pool:
        print(sorted(set(sum(pool.map(fetch, range(8)), []))))
except e.HTTPError as error:
    print(error.code)
"#;
    let server = TestServer::with_workers(2).await;
    let python = async |kind: &str, password: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", SCRIPT, &server.url(FILE), USER, password, kind, UA]);
        let output =
            tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("python3 is installed");
        format!("{}{}", String::from_utf8_lossy(&output.stdout).trim(), String::from_utf8_lossy(&output.stderr))
    };
    assert_eq!(python("digest", PASSWORD).await, "[16384]");
    assert_eq!(python("digest", "wrong").await, "401");
    *server.memory.policy.lock().unwrap() = Policy { clear_passwords: true, ..Policy::default() };
    server.memory.revision.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(python("basic", PASSWORD).await, "[16384]");
    assert_eq!(python("basic", "wrong").await, "401");
    server.close().await;
}

#[actix_web::test]
async fn the_shared_account_of_a_scanning_source_opens_nothing() {
    let server = TestServer::open().await;
    *server.memory.shared.lock().unwrap() =
        Some(std::sync::Arc::new(Credentials { user: "all".into(), password: Secret::new("shared"), proven: None }));
    let shared = ["--digest", "--user", "all:shared"];
    let curl = async |source: &str, file: &str, user: &[&str]| {
        let url = server.url(file);
        server.curl(&[user, &["--interface", source, &url][..]].concat()).await.0
    };
    // Try one address after the other, with the account that all phones of the instance share.
    for n in 0..8 {
        assert_eq!(curl("127.0.0.5", &format!("805ec012340{n}.cfg"), &shared).await, 401);
    }
    assert_eq!(curl("127.0.0.5", FILE, &shared).await, 401, "frozen");
    assert_eq!(server.memory.phone().window.bound, None);
    let own = ["--digest", "--user", "805ec0123456:OwnPasswordOwnPasswo"];
    assert_eq!(curl("127.0.0.5", FILE, &own).await, 200, "a phone behind the same address");
    server.memory.edit(|phone| phone.window.closed = None);
    assert_eq!(curl("127.0.0.6", FILE, &shared).await, 200, "and everybody elsewhere");
    server.clock.advance(std::time::Duration::from_secs(60));
    server.memory.edit(|phone| phone.window.open(gangway_base::clock::Clock::now(&server.clock), 7));
    assert_eq!(curl("127.0.0.5", FILE, &shared).await, 200, "a window that is opened later");
    server.clock.advance(super::super::auth::scan_detector::FREEZE);
    server.memory.edit(|phone| phone.window = crate::phone::record::BootstrapWindow::default());
    server.memory.edit(|phone| phone.window.open(gangway_base::clock::Clock::now(&server.clock), 7));
    assert_eq!(curl("127.0.0.5", FILE, &shared).await, 200, "when it is over");
    server.close().await;
}

#[actix_web::test]
async fn limits_follow_the_client_behind_a_trusted_proxy() {
    let server = TestServer::open().await;
    let guess = async |forwarded: &str| {
        let challenge = challenge(&server).await;
        let proof = Proof { challenge: &challenge, password: "wrong", nc: 1, cnonce: "c" }.header(&path(FILE));
        let headers = format!("{proof}X-Forwarded-For: {forwarded}\r\n");
        server.request_from("127.0.0.9", "GET", &path(FILE), &headers).await.status
    };
    // The entries that the client writes itself are to the left and are ignored.
    for n in 0..10 {
        assert_eq!(guess(&format!("198.51.100.{n}, 203.0.113.7")).await, 401);
    }
    let boot = async |forwarded: &str| {
        let url = server.url(FILE);
        let header = format!("X-Forwarded-For: {forwarded}");
        server
            .curl(&["--interface", "127.0.0.9", "--header", &header, "--digest", "--user", "boot:boot-password", &url])
            .await
            .0
    };
    assert_eq!(boot("203.0.113.7").await, 401, "locked out");
    assert_eq!(boot("198.51.100.1").await, 200, "neither the proxy nor who was named");
    server.close().await;
}

/// All IPv4 clients of an IPv6 listener have addresses in one IPv6 network. Limits and bootstrap windows must not treat
/// them as one source.
#[actix_web::test]
async fn ipv4_clients_of_an_ipv6_listener_are_themselves() {
    let server = TestServer::dual_stack().await;
    for n in 0..10 {
        let challenge = challenge(&server).await;
        let cnonce = format!("{n}");
        let proof = Proof { challenge: &challenge, password: "wrong", nc: 1, cnonce: &cnonce }.header(&path(FILE));
        assert_eq!(server.request_from("127.0.0.5", "GET", &path(FILE), &proof).await.status, 401);
    }
    let url = server.url(FILE);
    let boot = async |source: &str| {
        server.curl(&["--interface", source, "--digest", "--user", "boot:boot-password", &url]).await.0
    };
    assert_eq!(boot("127.0.0.5").await, 401, "locked out");
    assert_eq!(boot("127.0.0.6").await, 200, "nobody else");
    let bound = server.memory.phone().window.bound.clone().unwrap();
    assert_eq!(bound.source, std::net::IpAddr::from([127, 0, 0, 6]));
    // Trusted addresses are recognised in both forms.
    let forwarded = "X-Forwarded-For: 192.0.2.9\r\n";
    let unknown = path("805ec0999999.cfg");
    assert_eq!(server.request_from("127.0.0.9", "GET", &unknown, forwarded).await.status, 401);
    assert_eq!(server.memory.seen.lock().unwrap().last().unwrap().address, std::net::IpAddr::from([192, 0, 2, 9]));
    server.close().await;
}

/// Behind an unlisted proxy, ten wrong logins do not lock out other phones, once phones have authenticated through it.
#[actix_web::test]
async fn behind_a_proxy_that_is_not_listed_limits_follow_the_client_it_names() {
    let server = TestServer::open().await;
    let guess = async |forwarded: &str| {
        let challenge = challenge(&server).await;
        let proof = Proof { challenge: &challenge, password: "wrong", nc: 1, cnonce: "c" }.header(&path(FILE));
        let headers = format!("{proof}X-Forwarded-For: {forwarded}\r\n");
        server.request_from("127.0.0.5", "GET", &path(FILE), &headers).await.status
    };
    let curl = async |forwarded: &str, file: &str, user: &str| {
        let url = server.url(file);
        let header = format!("X-Forwarded-For: {forwarded}");
        let arguments = ["--interface", "127.0.0.5", "--header", &header, "--digest", "--user", user, &url];
        server.curl(&arguments).await.0
    };
    let mut second = (*server.memory.phone()).clone();
    second.id = PhoneId(8);
    second.mac = gangway_base::mac::Mac::from_hex("805ec0123457").unwrap();
    second.own.user = "805ec0123457".into();
    server.memory.phones.lock().unwrap().insert(second.id, std::sync::Arc::new(second));
    for (file, user) in [(FILE, "805ec0123456"), ("805ec0123457.cfg", "805ec0123457")] {
        assert_eq!(curl("203.0.113.9", file, &format!("{user}:OwnPasswordOwnPasswo")).await, 200);
    }
    server.memory.edit(|phone| phone.window.open(gangway_base::clock::Clock::now(&server.clock), 7));
    for _ in 0..10 {
        assert_eq!(guess("203.0.113.7").await, 401);
    }
    assert_eq!(curl("203.0.113.7", FILE, "boot:boot-password").await, 401, "locked out");
    assert_eq!(curl("203.0.113.8", FILE, "boot:boot-password").await, 200, "another client");
    server.close().await;
}
