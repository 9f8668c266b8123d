//! Tests the client against real sockets on loopback.

use std::{cell::RefCell, rc::Rc};

use gangway_base::tasks::Tasks;
use rustls::{ClientConfig, RootCertStore, pki_types::CertificateDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

fn tls(root: Option<&CertificateDer<'static>>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if let Some(root) = root {
        roots.add(root.clone()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(crate::net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

fn client() -> HttpClient {
    HttpClient::new(&Options::new(tls(None)))
}

/// Answers every connection with these bytes and closes it. Records the requests.
async fn raw(answer: impl Into<Vec<u8>>) -> (Url, Rc<RefCell<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/path/token", listener.local_addr().unwrap())).unwrap();
    let request_text = Rc::new(RefCell::new(String::new()));
    let (keep, answer) = (Rc::clone(&request_text), answer.into());
    Tasks::new().spawn_local("raw server", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = head_of(&mut stream).await;
            keep.borrow_mut().push_str(&head);
            let _ = stream.write_all(&answer).await;
        }
    });
    (url, request_text)
}

async fn head_of(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

async fn get(client: &HttpClient, url: &Url) -> Result<Response, HttpError> {
    let mut request = Request::new(Method::Get, url.clone());
    request.timeout = Duration::from_secs(5);
    request.max_bytes = 1000;
    client.send(request).await
}

fn says(error: &HttpError, url: &Url) {
    let sentence = error.to_string();
    let place = format!("127.0.0.1:{}", url.port().unwrap());
    assert!(sentence.contains(&place) && !sentence.contains("token"), "{sentence}");
}

#[actix_rt::test]
async fn credentials_in_the_address_become_a_header_and_nothing_else() {
    let (mut url, request_text) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok").await;
    url.set_username("boot").unwrap();
    url.set_password(Some("a:b%40")).unwrap();
    let response = get(&client(), &url).await.unwrap();
    assert_eq!((response.status, &response.body[..], response.header("x-a")), (200, &b"ok"[..], Some("b")));
    let request_text = request_text.borrow().to_lowercase();
    assert!(request_text.starts_with("get /path/token http/1.1\r\n"), "{request_text}");
    assert!(request_text.contains("authorization: basic ym9vddphomja"), "{request_text}");
    assert!(!request_text.contains("accept-encoding") && !request_text.contains("boot"), "{request_text}");
}

#[actix_rt::test]
async fn a_redirection_is_an_error_and_tells_the_own_host_from_another() {
    for (location, expected) in [
        ("https://evil.example/x", "evil.example"),
        ("//evil.example:81/", "http://evil.example:81"),
        ("", "same server"),
        ("/elsewhere", "same server"),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let (url, _) =
                raw(format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")).await;
            let error = get(&client(), &url).await.unwrap_err();
            assert_eq!(matches!(error, HttpError::Redirected { .. }), expected == "same server", "{error:?}");
            assert!(error.to_string().contains(expected) && !error.is_retryable(), "{error}");
            says(&error, &url);
        }
    }
    let (url, _) = raw("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await;
    assert!(matches!(get(&client(), &url).await, Err(HttpError::RedirectedAway { .. })));
}

#[actix_rt::test]
async fn reading_stops_at_the_limit_whether_announced_or_not() {
    let body = "x".repeat(1001);
    for answer in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n{body}\r\n0\r\n\r\n"),
        format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
    ] {
        let (url, _) = raw(answer).await;
        let error = get(&client(), &url).await.unwrap_err();
        assert_eq!(error.label(), "too_large");
        says(&error, &url);
    }
    let (url, _) = raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nx").await;
    assert_eq!(&get(&client(), &url).await.unwrap().body[..], b"x", "the body ends with the connection");
    let (url, _) = raw(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}")).await;
    assert_eq!(get(&client(), &url).await.unwrap_err().label(), "too_large");
    let (url, _) = raw(format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{}", &body[1..])).await;
    assert_eq!(get(&client(), &url).await.unwrap().body.len(), 1000);
}

#[actix_rt::test]
async fn half_an_answer_and_none_are_told_apart() {
    for (answer, label) in [
        ("", "closed"),
        ("HTTP/1.1 200 OK\r\nContent-Le", "closed"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", "truncated"),
        ("SSH-2.0-OpenSSH_9\r\n\r\n", "protocol"),
    ] {
        let (url, _) = raw(answer).await;
        let error = get(&client(), &url).await.unwrap_err();
        assert_eq!(error.label(), label, "{answer:?}: {error:?}");
        assert_eq!(error.is_momentary(), label != "protocol");
        says(&error, &url);
    }
}

/// A byte now and then is not progress: the time-out applies to the whole response.
#[actix_rt::test]
async fn an_answer_that_trickles_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/token", listener.local_addr().unwrap())).unwrap();
    Tasks::new().spawn_local("trickle", async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        head_of(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").await.unwrap();
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while stream.write_all(b"x").await.is_ok() {
            ticks.tick().await;
        }
    });
    let mut request = Request::new(Method::Get, url.clone());
    request.timeout = Duration::from_millis(300);
    request.max_bytes = 1 << 20;
    let error = client().send(request).await.unwrap_err();
    assert_eq!(error.label(), "timeout", "{error:?}");
    says(&error, &url);
}

#[actix_rt::test]
async fn refused_connections_unknown_names_and_timeouts_have_their_own_sentences() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = Url::parse(&format!("http://{}/token", gone.local_addr().unwrap())).unwrap();
    drop(gone);
    let error = get(&client(), &refused).await.unwrap_err();
    assert_eq!(error.label(), "refused");
    says(&error, &refused);

    let unknown = Url::parse("http://no-such-host.invalid/token").unwrap();
    assert_eq!(get(&client(), &unknown).await.unwrap_err().label(), "dns");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/token", silent.local_addr().unwrap())).unwrap();
    let mut request = Request::new(Method::Post, url.clone()).body("x");
    request.timeout = Duration::from_millis(50);
    let error = client().send(request).await.unwrap_err();
    assert!(matches!(error, HttpError::Timeout { stage: WaitStage::Answer, .. }), "{error:?}");
    says(&error, &url);

    let odd = Url::parse("ftp://127.0.0.1/x").unwrap();
    assert_eq!(get(&client(), &odd).await.unwrap_err().label(), "url");
}

#[actix_rt::test]
async fn trust_is_the_callers_and_its_refusal_names_host_and_reason() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.clone()));
    let server =
        actix_web::HttpServer::new(|| actix_web::App::new().default_service(actix_web::web::to(|| async { "hello" })))
            .workers(1)
            .disable_signals()
            .bind_rustls_0_23("127.0.0.1:0", config)
            .unwrap();
    let url = Url::parse(&format!("https://{}/token", server.addrs()[0])).unwrap();
    let server = server.run();
    let handle = server.handle();
    Tasks::new().spawn_local("server", async move {
        let _ = server.await;
    });

    let error = get(&client(), &url).await.unwrap_err();
    assert_eq!(error.label(), "tls");
    says(&error, &url);
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let trusting = HttpClient::new(&Options::new(tls(Some(&certificate))));
    assert_eq!(&get(&trusting, &url).await.unwrap().body[..], b"hello");

    // A body that ends with the connection, as over plain HTTP.
    let undelimited = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let unannounced = Url::parse(&format!("https://{}/token", undelimited.local_addr().unwrap())).unwrap();
    Tasks::new().spawn_local("TLS without a length", async move {
        while let Ok((stream, _)) = undelimited.accept().await {
            let mut stream = acceptor.accept(stream).await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole").await;
            let _ = stream.shutdown().await;
        }
    });
    assert_eq!(&get(&trusting, &unannounced).await.unwrap().body[..], b"whole");

    let no_tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = Url::parse(&format!("https://{}/token", no_tls.local_addr().unwrap())).unwrap();
    Tasks::new().spawn_local("no TLS", async move {
        while let Ok((mut stream, _)) = no_tls.accept().await {
            let _ = stream.write_all(b"220 ready\r\n").await;
        }
    });
    assert_eq!(get(&client(), &plain).await.unwrap_err().label(), "tls");

    // The same server through a tunnel: the proxy sees a CONNECT and then only encrypted data.
    let (proxy, request_text) = tunnelling_proxy().await;
    let mut options = Options::new(tls(Some(&certificate)));
    options.proxy = Some(Proxy::parse(&format!("http://user:p%40ss@{proxy}")).unwrap());
    let through = HttpClient::new(&options);
    assert_eq!(&get(&through, &url).await.unwrap().body[..], b"hello");
    let place = format!("127.0.0.1:{}", url.port().unwrap());
    assert!(request_text.borrow().starts_with(&format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n")));
    assert!(request_text.borrow().contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{}", request_text.borrow());
    // Plain HTTP goes through the proxy, too.
    let (plain, _) = raw("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(&get(&through, &plain).await.unwrap().body[..], b"ok");
    assert_eq!(request_text.borrow().matches("CONNECT ").count(), 2);
    handle.stop(false).await;
}

async fn tunnelling_proxy() -> (std::net::SocketAddr, Rc<RefCell<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request_text = Rc::new(RefCell::new(String::new()));
    let keep = Rc::clone(&request_text);
    let tasks = Tasks::new();
    let family = tasks.clone();
    tasks.spawn_local("proxy", async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = head_of(&mut stream).await;
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            keep.borrow_mut().push_str(&head);
            family.spawn_local("tunnel", async move {
                let mut there = TcpStream::connect(target).await.unwrap();
                stream.write_all(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut there).await;
            });
        }
    });
    (address, request_text)
}

#[actix_rt::test]
async fn a_proxy_that_refuses_is_named_with_the_reason_and_without_credentials() {
    for (answer, expected) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "(407)"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        ("220 smtp ready\r\n\r\n", "no HTTP"),
        ("", "broke"),
    ] {
        let (proxy, _) = raw(answer).await;
        let mut options = Options::new(tls(None));
        options.proxy =
            Some(Proxy::parse(&format!("http://user:hunter2@127.0.0.1:{}", proxy.port().unwrap())).unwrap());
        let error = get(&HttpClient::new(&options), &Url::parse("https://127.0.0.1:9/").unwrap()).await.unwrap_err();
        assert_eq!(error.label(), "proxy", "{error:?}");
        let sentence = error.to_string();
        assert!(sentence.contains(expected) && !sentence.contains("hunter2"), "{sentence}");
    }
    for (text, error) in [
        ("proxy:3128", ProxyAddressError::Scheme("proxy".into())),
        ("socks5://proxy:1080", ProxyAddressError::Scheme("socks5".into())),
        ("3128", ProxyAddressError::NoUrl(url::ParseError::RelativeUrlWithoutBase)),
    ] {
        assert_eq!(Proxy::parse(text).unwrap_err(), error, "{text}");
    }
    assert_eq!(format!("{:?}", Proxy::parse("http://u:p@[::1]:3128").unwrap()), "::1:3128");
}

#[actix_rt::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let (url, request_text) = raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = url.port().unwrap();
    let named = Url::parse(&format!("http://dm.example.com:{port}/")).unwrap();
    let answers = |text: &str| {
        let addresses: Vec<_> = text.split(' ').map(|address| address.parse::<std::net::IpAddr>().unwrap()).collect();
        let resolve: Resolve = Arc::new(move |_, port| {
            let found = addresses.iter().map(|address| (*address, port).into()).collect();
            Box::pin(async move { Ok(found) })
        });
        resolve
    };
    let with = |resolve, allow: &[&str]| {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        HttpClient::new(&Options { resolve, reach: EgressPolicy::public_and(allow), ..Options::new(tls(None)) })
    };
    for resolved in ["127.0.0.1", "::ffff:127.0.0.1", "10.0.0.1 169.254.169.254"] {
        let error = get(&with(answers(resolved), &[]), &named).await.unwrap_err();
        assert_eq!(error.label(), "forbidden", "{resolved}: {error}");
        assert!(!error.is_retryable() && error.to_string().contains("[net] allow"), "{error}");
    }
    let literal = get(&with(system_resolver(), &[]), &url).await.unwrap_err();
    assert_eq!(literal.label(), "forbidden", "{literal}");
    assert_eq!(*request_text.borrow(), "", "something was sent to an inner address");
    // Hosts listed in the configuration are reached. An internal address next to an allowed one is skipped.
    assert!(get(&with(answers("10.0.0.1 127.0.0.1"), &["127.0.0.0/8"]), &named).await.is_ok());
    assert!(get(&with(answers("127.0.0.1"), &["dm.example.com"]), &named).await.is_ok());
}

#[actix_rt::test]
async fn behind_a_proxy_inner_addresses_are_not_asked_for_either() {
    let (proxy, request_text) = raw("HTTP/1.1 200 OK\r\n\r\n").await;
    let mut options = Options { reach: EgressPolicy::public_and(Vec::new()), ..Options::new(tls(None)) };
    options.proxy = Some(Proxy::parse(&format!("http://127.0.0.1:{}", proxy.port().unwrap())).unwrap());
    let client = HttpClient::new(&options);
    for inner in ["https://169.254.169.254/latest/meta-data", "http://localhost/", "https://metadata.google.internal/"]
    {
        let error = get(&client, &Url::parse(inner).unwrap()).await.unwrap_err();
        assert_eq!(error.label(), "forbidden", "{inner}: {error}");
    }
    assert_eq!(*request_text.borrow(), "");
}

proptest::proptest! {
    #[test]
    fn percent_decoding_takes_anything(text in ".{0,40}") {
        let _ = percent_decoded(&text);
        let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        proptest::prop_assert_eq!(percent_decoded(&encoded), text);
    }
}
