//! More connections than the process may have.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::support::TestServer;
use crate::http::server::connection_limiter::UNFINISHED;

const WHOLE: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n";
const HALF: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: g";

/// Returns the response to a complete request, or `None` if the connection was closed instead.
async fn asked(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(WHOLE).await.ok()?;
    answer(stream).await
}

async fn answer(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"ok\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Opens `count` connections of a source, each with the start of a request.
async fn begun(server: &TestServer, source: &str, count: usize) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        let mut stream = server.connect(source).await;
        // A rejected connection may be closed already.
        let _ = stream.write_all(HALF).await;
        all.push(stream);
    }
    all
}

/// Completes the requests and returns how many get a response.
async fn answered(streams: Vec<TcpStream>) -> usize {
    let mut count = 0;
    for mut stream in streams {
        if stream.write_all(b"w\r\n\r\n").await.is_ok() && answer(&mut stream).await.is_some() {
            count += 1;
        }
    }
    count
}

#[actix_web::test]
async fn half_heads_of_one_source_take_half_of_the_places_and_others_are_served() {
    let server = TestServer::with_room_for(40).await;
    let begun = begun(&server, "127.0.0.3", 100).await;
    let other = asked(&mut server.connect("127.0.0.2").await).await.unwrap();
    assert!(other.starts_with("HTTP/1.1 200"), "{other}");
    let count = answered(begun).await;
    // A slot that was released meanwhile may have been taken by a later connection.
    assert!((20..60).contains(&count), "{count}");
    server.close().await;
}

#[actix_web::test]
async fn when_places_are_rare_a_connection_ends_with_its_answer() {
    let server = TestServer::with_room_for(40).await;
    let mut first = server.connect("127.0.0.2").await;
    assert!(!asked(&mut first).await.unwrap().contains("connection: close"));
    let begun_by_two = [begun(&server, "127.0.0.3", 20).await, begun(&server, "127.0.0.4", 12).await];
    // The newest connections may not have been accepted yet.
    let began = Instant::now();
    while !asked(&mut first).await.unwrap().contains("connection: close") {
        assert!(began.elapsed() < Duration::from_secs(8), "the connections of two sources are about to be let go");
    }
    assert!(asked(&mut first).await.is_none(), "its place is free");
    drop(begun_by_two);
    server.close().await;
}

#[actix_web::test]
async fn requests_that_are_not_whole_are_bounded_per_source_and_those_that_were_are_not() {
    let bound = usize::try_from(UNFINISHED.connections).unwrap();
    let server = TestServer::open().await;
    let mut idle = Vec::new();
    for _ in 0..bound + 50 {
        let mut stream = server.connect("127.0.0.3").await;
        assert!(asked(&mut stream).await.is_some(), "connection {}", idle.len());
        idle.push(stream);
    }
    let (strangers, proxied) =
        (begun(&server, "127.0.0.3", bound + 50).await, begun(&server, "127.0.0.9", bound + 50).await);
    assert_eq!(answered(proxied).await, bound + 50, "a trusted proxy speaks for many");
    assert_eq!(answered(strangers).await, bound);
    for stream in &mut idle {
        assert!(asked(stream).await.is_some(), "what was open stays open");
    }
    server.close().await;
}
