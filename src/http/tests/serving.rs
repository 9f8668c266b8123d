//! Tests what phones receive.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    super::{interfaces::RequestOutcome, server::certificates::Certificates},
    support::{FILE, TOKEN, TestServer, path, with_token},
};
use crate::phone::{
    admission::{AFTER_FIRST_DELIVERY, Policy, Reason, tests as sample},
    facet::RequestState,
    record::PhoneId,
};

#[actix_web::test]
async fn the_first_delivery_binds_and_is_recorded_once_complete() {
    let mut server = TestServer::open().await;
    let answer = server.get(&with_token("805EC0123456.cfg")).await;
    assert_eq!((answer.status, answer.body.len()), (200, 16 * 1024));
    assert_eq!(answer.header("cache-control"), Some("private, no-store"));
    assert_eq!(answer.header("etag"), Some("\"3-Personal\""));
    assert_eq!(answer.header("content-type"), Some("text/plain"));

    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));
    let phone = server.memory.phone();
    assert_eq!(phone.request.state, RequestState::Provisioned);
    assert_eq!(phone.window.bound.as_ref().unwrap().source.to_string(), "127.0.0.1");
    assert_eq!(phone.firmware.as_deref(), Some("108.86.0.20"));
    let delivery = phone.delivery.clone().unwrap();
    assert_eq!((delivery.revision, delivery.provisioning), (3, 1));

    // Fetching the same file again changes nothing. A new revision is recorded.
    assert_eq!(server.get(&with_token(FILE)).await.status, 200);
    assert!(std::ptr::eq(&*server.memory.phone(), &*phone));
    server.memory.edit(|phone| phone.revision = 4);
    assert_eq!(server.get(&with_token(FILE)).await.header("etag"), Some("\"4-Personal\""));
    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));
    assert_eq!(server.memory.phone().delivery.as_ref().unwrap().revision, 4);
    let kinds: Vec<&str> = server.memory.happenings.lock().unwrap().iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, ["first-delivery", "delivered", "delivered"]);

    server.clock.advance(AFTER_FIRST_DELIVERY);
    assert_eq!(server.get(&with_token(FILE)).await.status, 401, "15 minutes after the first delivery");
    server.close().await;
}

#[actix_web::test]
async fn head_unchanged_part_and_aborted_are_no_deliveries() {
    let mut server = TestServer::open().await;
    let head = server.request("HEAD", &with_token(FILE), "").await;
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("16384")));
    let unchanged = server.request("GET", &with_token(FILE), "If-None-Match: \"3-Personal\"\r\n").await;
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert!(server.memory.phone().delivery.is_none());

    // In a bootstrap window, a partial response would not bind it. The complete file is sent, and it counts as a
    // delivery.
    let whole = server.request("GET", &with_token(FILE), "Range: bytes=0-9\r\n").await;
    assert_eq!((whole.status, whole.body.len()), (200, 16 * 1024));
    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));

    let url = server.url(FILE);
    let digest = ["--digest", "--user", "805ec0123456:OwnPasswordOwnPasswo"];
    let (status, body) = server.curl(&[&digest[..], &["--range", "0-9", &url]].concat()).await;
    assert_eq!((status, body.len()), (206, 10));
    let (status, _) = server.curl(&[&digest[..], &["--range", "99999-", &url]].concat()).await;
    assert_eq!(status, 416);

    // A client disconnects midway. Only the delivery after it is reported.
    *server.memory.body.lock().unwrap() = vec![b'y'; 16 << 20].into();
    server.memory.edit(|phone| {
        phone.revision = 4;
        phone.window.closed = None;
    });
    let mut stream = server.connect("127.0.0.1").await;
    let request =
        format!("GET {} HTTP/1.1\r\nHost: gw\r\nUser-Agent: {}\r\n\r\n", with_token(FILE), super::support::UA);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut some = [0; 1024];
    stream.read_exact(&mut some).await.unwrap();
    drop(stream);
    server.memory.edit(|phone| phone.revision = 5);
    assert_eq!(server.get(&with_token(FILE)).await.body.len(), 16 << 20);
    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));
    assert_eq!(server.memory.phone().delivery.as_ref().unwrap().revision, 5);
    let delivered = server.memory.happenings.lock().unwrap().iter().filter(|entry| entry.kind == "delivered").count();
    assert_eq!(delivered, 2);
    server.close().await;
}

#[actix_web::test]
async fn a_phone_provisioned_again_that_holds_its_file_counts_as_delivered() {
    let mut server = TestServer::open().await;
    let tag = "If-None-Match: \"3-Personal\"\r\n";
    server.request("GET", &with_token(FILE), tag).await;
    assert!(server.memory.phone().delivery.is_none(), "nothing was delivered before");
    assert_eq!(server.get(&with_token(FILE)).await.status, 200);
    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));

    // Provisioned again for the same user: same bytes, new provisioning.
    server.memory.edit(|phone| phone.provisioning = 2);
    let delivered = |server: &TestServer| server.memory.phone().delivery.as_ref().unwrap().provisioning;
    assert_eq!(server.request("GET", &with_token(FILE), "If-None-Match: *\r\n").await.status, 304);
    assert_eq!(server.request("HEAD", &with_token(FILE), tag).await.status, 304);
    assert_eq!(delivered(&server), 1, "neither shows that the phone holds it");
    assert_eq!(server.request("GET", &with_token(FILE), tag).await.status, 304);
    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));
    assert_eq!(delivered(&server), 2);
    let kinds: Vec<&str> = server.memory.happenings.lock().unwrap().iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, ["first-delivery", "delivered", "unchanged"]);

    // Another user's file has a different tag. The former tag proves nothing.
    server.memory.edit(|phone| {
        phone.provisioning = 3;
        phone.revision = 4;
    });
    assert_eq!(server.request("GET", &with_token(FILE), tag).await.status, 200);
    server.close().await;
}

#[actix_web::test]
async fn what_is_answered_without_a_file_binds_no_window() {
    let mut server = TestServer::open().await;
    for (method, header) in
        [("GET", "If-None-Match: *\r\n"), ("GET", "If-None-Match: \"3-Personal\"\r\n"), ("HEAD", "")]
    {
        let answer = server.request(method, &with_token(FILE), header).await;
        assert_eq!(answer.status, if method == "GET" { 304 } else { 200 });
        assert!(server.memory.phone().window.bound.is_none(), "{method} {header}");
    }
    let other = server.request_from("127.0.0.2", "GET", &with_token(FILE), "If-None-Match: \"other\"\r\n").await;
    assert_eq!((other.status, other.body.len()), (200, 16 * 1024));
    assert_eq!(server.told.recv().await, Some((PhoneId(7), None)));
    assert_eq!(server.memory.phone().window.bound.as_ref().unwrap().source.to_string(), "127.0.0.2");
    assert_eq!(server.request("GET", &with_token(FILE), "If-None-Match: *\r\n").await.status, 401, "bound");
    server.close().await;
}

#[actix_web::test]
async fn a_file_of_ours_is_no_upload() {
    let server = TestServer::open().await;
    let put = async |file: &str| server.request("PUT", &with_token(file), "Content-Length: 0\r\n").await.status;
    assert_eq!([put(FILE).await, put("805ec0123456-local.cfg").await], [404, 204]);
    let kept: Vec<String> = server.memory.uploads.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(kept, ["805ec0123456-local.cfg"]);
    server.close().await;
}

#[actix_web::test]
async fn own_credentials_close_the_window() {
    let server = TestServer::open().await;
    let url = server.url(FILE);
    let (status, body) = server.curl(&["--digest", "--user", "805ec0123456:OwnPasswordOwnPasswo", &url]).await;
    assert_eq!((status, body.len()), (200, 16 * 1024));
    let phone = server.memory.phone();
    assert_eq!(phone.window.closed, Some(sample::at(10)));
    assert_eq!(phone.own.proven, Some(sample::at(10)));
    // Credentials that were sent through the redirect service are no longer valid.
    assert_eq!(server.get(&with_token(FILE)).await.status, 401);
    let (status, _) = server.curl(&["--digest", "--user", "boot:boot-password", &url]).await;
    assert_eq!(status, 401);
    server.close().await;
}

#[actix_web::test]
async fn bootstrap_credentials_admit_in_the_window() {
    let server = TestServer::open().await;
    let (status, _) = server.curl(&["--digest", "--user", "boot:boot-password", &server.url(FILE)]).await;
    assert_eq!(status, 200);
    assert!(server.memory.phone().window.bound.is_some());
    server.close().await;
}

#[actix_web::test]
async fn common_files_are_open_for_everyone() {
    let server = TestServer::open().await;
    for path in [path("y000000000108.cfg"), with_token("y000000000108.cfg"), path("/y000000000108.cfg")] {
        let answer = server.get(&path).await;
        assert_eq!((answer.status, answer.body.as_slice()), (200, &b"open"[..]), "{path}");
    }
    server.close().await;
}

#[actix_web::test]
async fn before_the_configuration_never_half_a_file() {
    let mut server = TestServer::open().await;
    server.memory.edit(|phone| phone.device_config.received = None);
    let early = server.get(&with_token(FILE)).await;
    assert_eq!((early.status, early.body.as_slice()), (200, &b"open"[..]));
    assert_eq!(server.told.recv().await, Some((PhoneId(7), Some(Reason::BeforeConfig))));
    let phone = server.memory.phone();
    assert_eq!(phone.request.state, RequestState::BeforeConfig);
    assert!(phone.window.bound.is_none() && phone.delivery.is_none());

    server.memory.edit(|phone| phone.delivery = Some(sample::delivered(phone)));
    let later = server.get(&with_token(FILE)).await;
    assert_eq!((later.status, later.header("retry-after"), later.body.len()), (503, Some("60"), 0));
    server.close().await;
}

#[actix_web::test]
async fn uploads_are_kept_up_to_64_kib() {
    let server = TestServer::open().await;
    let file = "805ec0123456-local.cfg";
    let put = |length: usize, path: String| {
        format!("PUT {path} HTTP/1.1\r\nHost: gw\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
    };
    let full = vec![b'u'; 64 * 1024];
    assert_eq!(server.send("127.0.0.1", &put(full.len(), with_token(file)), &full).await.status, 204);
    let more = vec![b'u'; 64 * 1024 + 1];
    assert_eq!(server.send("127.0.0.1", &put(more.len(), with_token(file)), &more).await.status, 413);
    assert_eq!(server.send("127.0.0.1", &put(3, path(file)), b"abc").await.status, 401);
    assert_eq!(server.send("127.0.0.1", &put(3, with_token("y000000000108.cfg")), b"abc").await.status, 404);
    let uploads = server.memory.uploads.lock().unwrap().clone();
    assert_eq!(uploads.len(), 1);
    assert_eq!((uploads[0].0.as_str(), uploads[0].1.len()), (file, 64 * 1024));
    server.close().await;
}

#[actix_web::test]
async fn https_and_what_a_trusted_proxy_says() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
    std::fs::write(&chain, certified.cert.pem()).unwrap();
    std::fs::write(&key, certified.signing_key.serialize_pem()).unwrap();
    let nowhere = Certificates::load(vec![("/nowhere.pem".into(), key.clone())]).unwrap_err();
    assert!(nowhere.to_string().contains("/nowhere.pem"));
    let certificates = Certificates::load(vec![(chain, key)]).unwrap();

    let server = TestServer::with(Some(certificates)).await;
    *server.memory.policy.lock().unwrap() = Policy { https_only: true, ..Policy::default() };
    let plain = server.get(&with_token(FILE)).await;
    assert_eq!(plain.body, b"open", "plain HTTP gets the open stage");
    let faked = server.request("GET", &with_token(FILE), "X-Forwarded-Proto: https\r\n").await;
    assert_eq!(faked.body, b"open", "and believes nobody");
    assert!(server.memory.phone().window.bound.is_none());

    let url = format!("https://{}{}", server.https.unwrap(), with_token(FILE));
    let (status, body) = server.curl(&["--insecure", &url]).await;
    assert_eq!((status, body.len()), (200, 16 * 1024));
    let (_, _) = server.curl(&["--insecure", "--tls-max", "1.2", &url]).await;

    let forwarded = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 127.0.0.1\r\n";
    let proxied = server.request_from("127.0.0.9", "GET", &with_token(FILE), forwarded).await;
    assert_eq!(proxied.body.len(), 16 * 1024, "the bound source, behind a trusted proxy");
    server.close().await;
}

#[actix_web::test]
async fn the_rest_of_an_instance() {
    let server = TestServer::open().await;
    assert_eq!(server.get("/healthz").await.body, b"ok\n");
    assert_eq!(server.get("/example.com/gw/gangway-admin.htm").await.body, b"page");
    assert_eq!(server.get("/example.com/gw/other.htm").await.status, 404);
    for path in ["/example.com/gw", "/EXAMPLE.com/gw/x/y"] {
        let answer = server.request("GET", path, "Upgrade: websocket\r\n").await;
        assert_eq!((answer.status, answer.body.as_slice()), (418, &b"example.com/gw"[..]), "{path}");
    }
    assert_eq!(server.request("GET", "/example.com/other", "Upgrade: websocket\r\n").await.status, 404);
    server.close().await;
}

#[actix_web::test]
async fn every_request_is_noted_without_its_token() {
    let server = TestServer::open().await;
    server.get(&with_token(FILE)).await;
    server.get(&path("805ec0999999.cfg")).await;
    let seen = server.memory.seen.lock().unwrap().clone();
    assert_eq!((seen[0].phone, seen[0].outcome), (Some(PhoneId(7)), RequestOutcome::Delivered));
    assert_eq!(seen[1].phone, None);
    assert_eq!(seen[1].outcome, RequestOutcome::Refused(Reason::UnknownPhone));
    // A token without a file name is not logged as a name, and a known MAC does not identify a phone.
    server.get(&path(TOKEN)).await;
    server.get(&path(FILE)).await;
    let wrong = ["--digest", "--user", "x:y", "--user-agent", "stranger"];
    assert_eq!(server.curl(&[&wrong[..], &[&server.url(FILE)]].concat()).await.0, 401);
    let seen = server.memory.seen.lock().unwrap().clone();
    assert!(!format!("{seen:?}").contains(TOKEN));
    assert_eq!(seen.iter().filter(|note| note.phone.is_some()).count(), 1);
    assert_eq!(seen.last().unwrap().outcome, RequestOutcome::Refused(Reason::WrongCredentials));
    server.close().await;
}

#[actix_web::test]
async fn what_was_judged_before_a_hand_over_neither_binds_nor_closes_the_new_window() {
    let server = TestServer::open().await;
    let (sender, _told) = tokio::sync::mpsc::unbounded_channel();
    let tasks = gangway_base::tasks::Tasks::new();
    let consequences = super::super::phone_files::record_updates::RecordUpdates::new(
        server.memory.clone(),
        std::sync::Arc::new(super::support::Told(sender)),
        tasks,
    );
    let judged = server.memory.phone();
    server.memory.edit(|phone| {
        phone.token = crate::phone::record::new_token();
        phone.own = crate::phone::record::Credentials::generate(phone.mac);
        phone.provisioning += 1;
        phone.delivery = None;
    });
    let source = std::net::IpAddr::from([192, 0, 2, 1]);
    let bound = consequences.bind(&judged, source, "x".into(), None, sample::at(10)).await.unwrap();
    assert_eq!(bound, Err(Reason::WindowClosed));
    consequences.proved(&judged, false, sample::at(10)).await.unwrap();
    let phone = server.memory.phone();
    assert!(phone.window.is_open(sample::at(10)) && phone.window.bound.is_none() && phone.own.proven.is_none());
    server.close().await;
}
