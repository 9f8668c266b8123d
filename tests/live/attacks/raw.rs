//! Sends raw bytes and reads the raw answer.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use crate::support::bench::Bench;

/// Longer than any step of these tests. A server that neither answers nor closes fails the test.
const TIMEOUT: Duration = Duration::from_secs(120);

pub fn address(bench: &Bench) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], bench.gateway.port()))
}

/// Sends bytes and reads until the server closes. A server that rejects early may close before all bytes are written.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = open(address);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

pub fn open(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream
}

/// Returns the status codes in the answer.
pub fn statuses(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}
