//! HTTP requests as sent by a phone or an unknown client: one connection per request, with all details visible.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use url::Url;

const TIMEOUT: Duration = Duration::from_secs(120);

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Headers in the order sent, with lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The distinguishing properties of a rejection, without those that are random (including the header order) or
    /// depend on the time.
    pub fn shape(&self) -> (u16, Vec<String>, usize) {
        let names = self.headers.iter().map(|(name, value)| match name.as_str() {
            "date" | "www-authenticate" | "x-request-id" => name.clone(),
            _ => format!("{name}: {value}"),
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        (self.status, names, self.body.len())
    }
}

/// Sends a GET request with a User-Agent.
pub fn get(url: &str, agent: &str) -> Answer {
    request("GET", url, &[("User-Agent", agent)], b"")
}

/// The header that answers a Basic challenge.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Sends a request that answers the server's Digest challenge (RFC 2617, `qop=auth`).
pub fn proven(method: &str, url: &str, headers: &[(&str, &str)], user: &str, password: &str) -> Answer {
    let challenge = request(method, url, headers, b"");
    assert_eq!(challenge.status, 401, "a challenge");
    let challenge = challenge.header("www-authenticate").unwrap().to_owned();
    let part =
        |name: &str| challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (realm, nonce) = (part("realm"), part("nonce"));
    let path = Url::parse(url).unwrap().path().to_owned();
    let secret = md5(&format!("{user}:{realm}:{password}"));
    let request_hash = md5(&format!("{method}:{path}"));
    // A digest answer is valid only once, so each request needs a new one.
    let cnonce = format!("{:016x}", rand::random::<u64>());
    let response = md5(&format!("{secret}:{nonce}:00000001:{cnonce}:auth:{request_hash}"));
    let authorization = format!(
        "Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{path}\", qop=auth, nc=00000001, \
         cnonce=\"{cnonce}\", response=\"{response}\""
    );
    let mut headers = headers.to_vec();
    headers.push(("Authorization", &authorization));
    request(method, url, &headers, b"")
}

fn md5(text: &str) -> String {
    HEXLOWER.encode(&Md5::digest(text.as_bytes()))
}

/// Sends any request.
pub fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let url = Url::parse(url).unwrap();
    let address = url.socket_addrs(|| None).unwrap();
    let mut stream = TcpStream::connect(&*address).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let authority = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    head += "\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // A server that rejects a long body may close before it has read all of it.
    let _ = stream.write_all(body);
    let mut raw = Vec::new();
    let _ = stream.read_to_end(&mut raw);
    parse(&raw)
}

fn parse(raw: &[u8]) -> Answer {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").expect("an HTTP answer");
    let head = String::from_utf8_lossy(&raw[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    Answer { status, headers, body: raw[end + 4..].to_vec() }
}
