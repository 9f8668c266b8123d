//! Unknown clients always get the same response.

use futures_util::future::join;

use super::{
    super::interfaces::RequestOutcome,
    support::{FILE, TestServer, path, with_token},
};
use crate::phone::{
    admission::{Policy, Reason},
    facet::{RequestState, Wanted},
    record::PhoneId,
};

#[actix_web::test]
async fn without_token_known_and_unknown_look_alike() {
    let server = TestServer::open().await;
    let known = server.get(&path(FILE)).await.shape();
    assert_eq!((known.status, known.body.len()), (401, 0));
    assert_eq!(known.headers.iter().filter(|(name, _)| name == "www-authenticate").count(), 1);
    assert!(known.header("etag").is_none());
    for (method, path) in [
        ("GET", path("805ec0999999.cfg")),
        ("GET", path("00085d000001.CFG".to_lowercase().as_str())),
        ("PUT", path("805ec0999999-local.cfg")),
        ("PUT", path("805ec0123456-local.cfg")),
    ] {
        let extra = if method == "PUT" { "Content-Length: 0\r\n" } else { "" };
        assert_eq!(server.request(method, &path, extra).await.shape(), known, "{method} {path}");
    }
    server.memory.edit(|phone| phone.wanted = Wanted::Blocked);
    assert_eq!(server.get(&path(FILE)).await.shape(), known, "blocked");
    server.memory.edit(|phone| phone.wanted = Wanted::Removed);
    assert_eq!(server.get(&path(FILE)).await.shape(), known, "removed");
    let wrong =
        "Authorization: Digest username=\"x\", realm=\"example.com/gw\", nonce=\"x\", uri=\"/\", response=\"x\"\r\n";
    let (one, two) = (
        server.request("GET", &path(FILE), wrong).await,
        server.request("GET", &path("805ec0999999.cfg"), wrong).await,
    );
    assert_eq!(one.shape(), two.shape());
    server.close().await;
}

#[actix_web::test]
async fn a_phone_that_knows_only_basic_is_not_asked_for_it_in_clear() {
    let server = TestServer::open().await;
    *server.memory.policy.lock().unwrap() = Policy { https_only: true, clear_passwords: true, ..Policy::default() };
    let known = server.get(&path(FILE)).await;
    assert_eq!((known.status, known.body.as_slice()), (200, b"open".as_slice()));
    assert_eq!(server.get(&path("805ec0999999.cfg")).await, known, "known and unknown look alike");
    let wrong = "Authorization: Basic eDp4\r\n";
    assert_eq!(server.request("GET", &path(FILE), wrong).await, known);
    assert_eq!(server.request("GET", &path(FILE), "X-Forwarded-Proto: https\r\n").await, known, "from anybody");
    let own = "Authorization: Basic ODA1ZWMwMTIzNDU2Ok93blBhc3N3b3JkT3duUGFzc3dv\r\n";
    assert_eq!(server.request("GET", &path(FILE), own).await.body, b"open", "whoever proves what");
    let upload = server.request("PUT", &path("805ec0123456-local.cfg"), "Content-Length: 0\r\n").await;
    assert_eq!((upload.status, upload.header("www-authenticate")), (404, None));
    assert!(
        server
            .memory
            .seen
            .lock()
            .unwrap()
            .iter()
            .all(|seen| seen.phone.is_none() || seen.outcome != RequestOutcome::Refused(Reason::MissingCredentials))
    );

    let proxied = server.request_from("127.0.0.9", "GET", &path(FILE), "X-Forwarded-Proto: https\r\n").await;
    assert_eq!(proxied.status, 401, "TLS up to a trusted proxy counts");
    assert!(proxied.header("www-authenticate").unwrap().starts_with("Basic "));

    // Use a new revision, as after every change of settings.
    server.memory.revision.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    server.memory.policy.lock().unwrap().https_only = false;
    assert_eq!(server.get(&path(FILE)).await.status, 401, "chosen by provisioning_scheme = http");
    server.close().await;
}

#[actix_web::test]
async fn with_token_everything_else_is_the_same_empty_404() {
    let server = TestServer::open().await;
    let unknown = server.get(&path(&format!("zzzzzzzzzzzzzzzzzzzzzzzzzz/{FILE}"))).await;
    assert_eq!((unknown.status, unknown.body.len()), (404, 0));
    for path in [
        with_token("805ec0999999.cfg"),
        with_token("805ec0123456.boot"),
        with_token("y000000000000.boot"),
        with_token("passwd"),
        with_token(""),
        with_token("..%2f805ec0123456.cfg"),
        with_token("805ec0123456.cfg%00"),
        path("y000000000000.boot"),
        path("805ec0123456.boot"),
        path("zzzzzzzzzzzzzzzzzzzzzzzzzz/y000000000108.cfg"),
        path(""),
        format!("/example.com/other/phone/{FILE}"),
        "/".to_owned(),
    ] {
        assert_eq!(server.get(&path).await, unknown, "{path}");
    }
    server.memory.edit(|phone| phone.wanted = Wanted::Blocked);
    assert_eq!(server.get(&with_token(FILE)).await, unknown, "blocked");
    let (one, two) =
        (server.request("DELETE", &with_token(FILE), "").await, server.request("DELETE", &path("x"), "").await);
    assert_eq!((one.status, &one), (405, &two));
    server.close().await;
}

#[actix_web::test]
async fn another_source_in_the_window_is_refused_and_raised() {
    let mut server = TestServer::open().await;
    assert_eq!(server.get(&with_token(FILE)).await.status, 200);
    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));
    let stranger = server.request_from("127.0.0.2", "GET", &with_token(FILE), "").await;
    assert_eq!(stranger.status, 401);
    assert_eq!(server.told.recv().await, Some((PhoneId(7), Some(Reason::OtherSource))));
    {
        let happenings = server.memory.happenings.lock().unwrap();
        let alarm = happenings.iter().find(|entry| entry.kind == "alarm").unwrap();
        assert!(alarm.text.contains("127.0.0.2"));
    }
    assert_eq!(server.memory.phone().request.state, RequestState::Provisioned, "strangers change nothing");
    assert_eq!(server.get(&with_token(FILE)).await.status, 200, "the phone itself goes on");
    server.close().await;
}

#[actix_web::test]
async fn of_two_sources_at_once_one_is_served() {
    let server = TestServer::open().await;
    let path = with_token(FILE);
    let (one, two) =
        join(server.request_from("127.0.0.2", "GET", &path, ""), server.request_from("127.0.0.3", "GET", &path, ""))
            .await;
    let mut both = [one.status, two.status];
    both.sort_unstable();
    assert_eq!(both, [200, 401]);
    server.close().await;
}

#[actix_web::test]
async fn ten_wrong_credentials_freeze_all_but_the_phones_own() {
    let server = TestServer::open().await;
    let url = server.url(FILE);
    let unknown = server.url("805ec0999999.cfg");
    // Missing credentials never count as wrong.
    for _ in 0..12 {
        assert_eq!(server.get(&path(FILE)).await.status, 401);
    }
    for round in 0..10 {
        let target = if round % 2 == 0 { &url } else { &unknown };
        let (status, _) = server.curl(&["--digest", "--user", "boot:wrong", target]).await;
        assert_eq!(status, 401);
    }
    let (status, _) = server.curl(&["--digest", "--user", "boot:boot-password", &url]).await;
    assert_eq!(status, 401, "bootstrap is not looked at any more");
    let (status, _) = server.curl(&["--digest", "--user", "805ec0123456:OwnPasswordOwnPasswo", &url]).await;
    assert_eq!(status, 200, "right credentials always pass");
    server.close().await;
}

#[actix_web::test]
async fn an_old_nonce_is_stale_and_no_strike() {
    let server = TestServer::open().await;
    let odd = "Authorization: Digest username=\"805ec0123456\", realm=\"example.com/gw\", nonce=\"old\", uri=\"/example.com/gw/phone/805ec0123456.cfg\", response=\"00000000000000000000000000000000\", qop=auth, nc=00000001, cnonce=\"c\"\r\n";
    for _ in 0..12 {
        let answer = server.request("GET", &path(FILE), odd).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").unwrap().contains("stale=true"));
    }
    let (status, _) = server.curl(&["--digest", "--user", "boot:boot-password", &server.url(FILE)]).await;
    assert_eq!(status, 200);
    server.close().await;
}
