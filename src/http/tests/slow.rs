//! Clients that stall after their first request. The HTTP layer has a deadline only for the first one.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{
    handshakes::{P256, pair},
    support::{TestServer, UA, over_tls, path},
};
use crate::http::server::{certificates::Certificates, connections::Timeouts};

/// actix checks its clock twice a second.
const PATIENCE: Timeouts =
    Timeouts { handshake: Duration::from_secs(10), request: Duration::from_secs(1), stall: Duration::from_secs(1) };
/// A connection that is still open after this time was not closed.
const LONG: Duration = Duration::from_secs(20);

async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).ends_with(end) {
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "{}", String::from_utf8_lossy(&bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns everything sent until the server closes the connection.
async fn cut_off(mut stream: TcpStream, what: &str) -> String {
    let mut rest = Vec::new();
    let reading = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await;
    let _ = reading.unwrap_or_else(|_| panic!("{what}: the connection is kept for ever"));
    String::from_utf8_lossy(&rest).into_owned()
}

#[actix_web::test]
async fn who_begins_a_second_request_and_does_not_end_it_is_cut_off() {
    let server = TestServer::with_tls(None, PATIENCE).await;
    let mut websocket = server.connect("127.0.0.1").await;
    let upgrade = "GET /example.com/gw HTTP/1.1\r\nHost: gw\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    websocket.write_all(upgrade.as_bytes()).await.unwrap();
    assert!(until(&mut websocket, "\r\n\r\n").await.starts_with("HTTP/1.1 101"));
    let refused = format!("GET {} HTTP/1.1\r\nHost: gw\r\nUser-Agent: {UA}\r\n\r\n", path("805ec0999999.cfg"));
    let body = |length: &str| {
        format!("PUT {} HTTP/1.1\r\nHost: gw\r\nUser-Agent: {UA}\r\n{length}\r\n", path("805ec0123456-local.cfg"))
    };
    for (what, first, then) in [
        ("a letter", refused.clone(), "G"),
        ("half a head", refused.clone(), "GET /healthz HTTP/1.1\r\nHost: g"),
        ("empty lines", refused.clone(), "\r\n"),
        ("chunks nobody reads", body("Transfer-Encoding: chunked\r\n"), ""),
        ("a chunk nobody reads", body("Transfer-Encoding: chunked\r\n"), "ff\r\nabc"),
        ("a body nobody reads", body("Content-Length: 1000\r\n"), "abc"),
    ] {
        let mut stream = server.connect("127.0.0.1").await;
        stream.write_all(first.as_bytes()).await.unwrap();
        assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 401"), "{what}");
        // The connection may be closed already.
        let _ = stream.write_all(then.as_bytes()).await;
        cut_off(stream, what).await;
    }
    // All of the above took longer than any time limit here. A websocket does not count as an unfinished request.
    websocket.write_all(b"\x89\x80\0\0\0\0").await.unwrap();
    let mut frame = [0; 2];
    websocket.read_exact(&mut frame).await.unwrap();
    server.close().await;
}

/// A byte now and then does not count as progress.
#[actix_web::test]
async fn a_byte_now_and_then_keeps_no_connection() {
    let server = TestServer::with_tls(None, PATIENCE).await;
    let mut stream = server.connect("127.0.0.1").await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n").await.unwrap();
    until(&mut stream, "ok\n").await;
    let (mut reading, mut writing) = stream.into_split();
    let mut rest = Vec::new();
    let mut pauses = tokio::time::interval(Duration::from_millis(100));
    let trickle = async {
        for byte in b"GET /healthz HTTP/1.1\r\nX-Long: ".iter().chain(std::iter::repeat(&b'a')) {
            pauses.tick().await;
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = reading.read_to_end(&mut rest) => {}
        () = trickle => {}
        () = tokio::time::sleep(LONG) => panic!("the connection is kept for ever"),
    }
    server.close().await;
}

/// A request that arrives in pieces is answered.
#[actix_web::test]
async fn requests_in_pieces_on_one_connection_are_answered() {
    let server = TestServer::open().await;
    let mut stream = server.connect("127.0.0.1").await;
    stream.set_nodelay(true).unwrap();
    for _ in 0..5 {
        for piece in ["GET /hea", "lthz HTT", "P/1.1\r\nHost", ": gw\r\n\r", "\n"] {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert!(until(&mut stream, "ok\n").await.starts_with("HTTP/1.1 200"));
    }
    server.close().await;
}

#[actix_web::test]
async fn a_second_request_over_tls_that_does_not_end_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let tls = over_tls(Certificates::load(vec![pair(dir.path(), "ec", P256)]).unwrap());
    let server = TestServer::with_tls(Some(tls), PATIENCE).await;
    let mut stream = super::handshakes::connect(&server).await;
    assert!(super::handshakes::get(&mut stream).await.starts_with("HTTP/1.1 200"));
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHo").await.unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(LONG, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the connection is kept for ever");
    server.close().await;
}
