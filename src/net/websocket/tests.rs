use std::net::SocketAddr;

use actix_http::ws::hash_key;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A server for one connection. The test defines what it does after the upgrade.
async fn server<F: Future<Output = ()> + 'static>(talk: impl FnOnce(Framed<TcpStream, Codec>) -> F + 'static) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::task::spawn_local(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let answer = upgraded(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        talk(Framed::new(socket, Codec::new().max_size(4 << 20))).await;
    });
    format!("ws://{address}/").parse().unwrap()
}

/// Reads the upgrade request and returns the response to it.
async fn upgraded(socket: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
    let accept = String::from_utf8(hash_key(key.as_bytes()).to_vec()).unwrap();
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

async fn open(url: &Url, limits: WsLimits) -> WsConn {
    let config = Arc::new(crate::net::tls::client_config(None, None).unwrap());
    connect(config, url, limits).await.unwrap()
}

fn capacity(conn: &mut WsConn) -> (usize, usize) {
    let parts = conn.framed.take().unwrap().into_parts();
    let sizes = (parts.read_buf.capacity(), parts.write_buf.capacity());
    conn.framed = Some(Framed::from_parts(parts));
    sizes
}

#[actix_rt::test]
async fn fragments_become_one_message_and_pings_between_them_are_answered() {
    let url = server(|mut peer| async move {
        peer.send(Message::Continuation(Item::FirstText("Gr\u{fc}".into()))).await.unwrap();
        peer.send(Message::Ping("are you there".into())).await.unwrap();
        peer.send(Message::Continuation(Item::Continue("\u{df} ".into()))).await.unwrap();
        peer.send(Message::Continuation(Item::Last("Gott".into()))).await.unwrap();
        assert_eq!(peer.next().await.unwrap().unwrap(), Frame::Pong("are you there".into()));
        peer.send(Message::Binary("answered".into())).await.unwrap();
        peer.send(Message::Close(Some(CloseReason { code: CloseCode::Away, description: None }))).await.unwrap();
    })
    .await;
    let mut conn = open(&url, WsLimits::default()).await;
    assert_eq!(conn.next().await.unwrap().unwrap(), WsFrame::Ping("are you there".into()));
    assert_eq!(conn.next().await.unwrap().unwrap(), WsFrame::Text("Gr\u{fc}\u{df} Gott".into()));
    assert_eq!(conn.next().await.unwrap().unwrap(), WsFrame::Binary("answered".into()));
    let close = conn.next().await.unwrap().unwrap();
    assert!(matches!(close, WsFrame::Close(Some(CloseReason { code: CloseCode::Away, .. }))));
    assert!(conn.next().await.is_none());
}

#[actix_rt::test]
async fn a_large_message_does_not_leave_large_buffers() {
    let url = server(|mut peer| async move {
        for size in [10, 900_000, 10] {
            peer.send(Message::Binary(vec![7; size].into())).await.unwrap();
        }
        while let Some(Ok(frame)) = peer.next().await {
            if let Frame::Binary(bytes) = frame {
                assert_eq!(bytes.len(), 500_000);
                peer.send(Message::Text("thanks".into())).await.unwrap();
            }
        }
    })
    .await;
    let mut conn = open(&url, WsLimits::default()).await;
    for size in [10, 900_000, 10] {
        assert_eq!(conn.next().await.unwrap().unwrap(), WsFrame::Binary(vec![7; size].into()));
    }
    conn.send(WsFrame::Binary(vec![1; 500_000].into())).await.unwrap();
    assert_eq!(conn.next().await.unwrap().unwrap(), WsFrame::Text("thanks".into()));
    let (read, write) = capacity(&mut conn);
    assert!(read <= KEPT_READ_BUFFER && write == 0, "{read} {write}");
    conn.close(CloseCode::Normal, "done").await;
}

#[actix_rt::test]
async fn what_is_over_the_limit_ends_the_connection_with_a_sentence() {
    for fragments in [false, true] {
        let url = server(move |mut peer| async move {
            if fragments {
                peer.send(Message::Continuation(Item::FirstBinary(vec![0; 700].into()))).await.unwrap();
                peer.send(Message::Continuation(Item::Last(vec![0; 700].into()))).await.unwrap();
            } else {
                peer.send(Message::Binary(vec![0; 1400].into())).await.unwrap();
            }
            let _ = peer.next().await;
        })
        .await;
        let mut conn = open(&url, WsLimits { max_frame: 1000, max_message: 1000, ..WsLimits::default() }).await;
        let error = conn.next().await.unwrap().unwrap_err();
        assert!(matches!(error, NetError::TooLarge { limit: 1000, .. }), "{error}");
        assert!(conn.next().await.is_none());
    }
}

#[actix_rt::test]
async fn an_unreachable_host_is_named() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let config = Arc::new(crate::net::tls::client_config(None, None).unwrap());
    let url = format!("ws://{address}/").parse().unwrap();
    let error = connect(config, &url, WsLimits::default()).await.err().unwrap();
    assert!(error.is_endpoint_away() && error.to_string().contains(&address.to_string()), "{error}");
}

#[actix_rt::test]
async fn a_text_that_is_not_utf8_is_an_error_of_the_peer() {
    let url = server(|mut peer| async move {
        use tokio::io::AsyncWriteExt as _;
        peer.io_mut().write_all(&[0x81, 2, 0xff, 0xfe]).await.unwrap();
        let _ = peer.next().await;
    })
    .await;
    let mut conn = open(&url, WsLimits::default()).await;
    assert!(matches!(conn.next().await, Some(Err(NetError::Protocol { .. }))));
}

#[actix_rt::test]
async fn an_ipv6_address_is_connected_to() {
    // Skip the test on a machine without IPv6.
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return };
    let url = format!("ws://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let config = Arc::new(crate::net::tls::client_config(None, None).unwrap());
    let attempt = tokio::task::spawn_local(async move { connect(config, &url, WsLimits::default()).await.is_ok() });
    let (mut socket, _) = listener.accept().await.unwrap();
    assert_eq!(socket.read_u8().await.unwrap(), b'G');
    socket.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    assert!(!attempt.await.unwrap());
}

#[actix_rt::test]
async fn a_redirection_is_refused_with_a_sentence_and_not_followed() {
    let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let to = elsewhere.local_addr().unwrap();
    for status in [301, 302, 303, 307, 308] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("ws://{}/x", listener.local_addr().unwrap())).unwrap();
        gangway_base::tasks::Tasks::new().spawn_local("redirecting server", async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let answer = format!("HTTP/1.1 {status} Moved\r\nLocation: ws://{to}/\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        let tls = Arc::new(crate::net::tls::client_config(None, None).unwrap());
        let error = connect(tls, &url, WsLimits::default()).await.err().expect("no connection");
        assert!(matches!(error, NetError::Redirected { status: given, .. } if given == status), "{error}");
        assert!(error.to_string().contains("nothing was sent there"), "{error}");
    }
    assert!(elsewhere.accept().is_err(), "nobody went there");
}

/// A Devices or PBX that announces an excessive length gets an error at once, and its bytes are discarded.
#[actix_rt::test]
async fn an_announced_length_over_the_limit_ends_the_connection_before_its_bytes() {
    for announced in [(1_u64 << 20) + 1, 1 << 32, 1 << 62, u64::MAX] {
        let url = server(move |mut peer| async move {
            let mut bytes = vec![0x82, 127];
            bytes.extend(announced.to_be_bytes());
            peer.io_mut().write_all(&bytes).await.unwrap();
            let close = peer.next().await.unwrap().unwrap();
            assert!(matches!(close, Frame::Close(Some(CloseReason { code: CloseCode::Size, .. }))), "{close:?}");
        })
        .await;
        let mut conn = open(&url, WsLimits::default()).await;
        let error = conn.next().await.unwrap().unwrap_err();
        assert!(matches!(error, NetError::TooLarge { limit: 1_048_576, .. }), "{error}");
        assert!(conn.next().await.is_none());
    }
}

/// The same over TLS: the decrypted data is checked.
#[actix_rt::test]
async fn an_announced_length_over_the_limit_ends_a_tls_connection_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut ca = rcgen::CertificateParams::new(vec![]).unwrap();
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    std::fs::write(dir.path().join("ca.pem"), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = params.signed_by(&key, &rcgen::Issuer::new(ca, ca_key)).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::net::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let peer = tokio::task::spawn_local(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut socket = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(socket).await.unwrap();
        let answer = upgraded(&mut socket).await;
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket.write_all(&[&[0x82, 127][..], &(1_u64 << 62).to_be_bytes()].concat()).await.unwrap();
        let piece = vec![0; 64 << 10];
        let mut sent = 0;
        while sent < 100 << 20 && socket.write_all(&piece).await.is_ok() {
            sent += piece.len();
        }
        sent
    });
    let tls = Arc::new(crate::net::tls::client_config(Some(&dir.path().join("ca.pem")), None).unwrap());
    let mut conn = connect(tls, &url, WsLimits::default()).await.unwrap();
    let error = conn.next().await.unwrap().unwrap_err();
    assert!(matches!(error, NetError::TooLarge { .. }), "{error}");
    assert!(capacity(&mut conn).0 <= 16 << 10, "nothing is buffered towards it");
    drop(conn);
    assert!(peer.await.unwrap() < 100 << 20);
}
