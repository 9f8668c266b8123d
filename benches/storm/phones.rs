//! A phone that powers on: a new TLS connection without session resumption, a request, and the response to the
//! challenge.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;
use md5::{Digest as _, Md5};
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Response timeout of a phone.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Number of attempts when a phone has to retry later or gets no response.
const TRIES: usize = 5;

pub struct Phone {
    pub target: String,
    pub agent: String,
    pub user: String,
    pub password: String,
}

/// The result of a start.
#[derive(Debug, Default)]
pub struct Boot {
    pub file: bool,
    pub later: usize,
    pub took: Duration,
}

struct Answer {
    status: u16,
    head: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split_once(':').is_some_and(|(have, _)| have.eq_ignore_ascii_case(name));
        self.head.lines().find(named).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }
}

impl Phone {
    pub async fn boot(&self, tls: &TlsConnector, address: SocketAddr) -> Boot {
        let begun = Instant::now();
        let mut boot = Boot::default();
        for _ in 0..TRIES {
            let answer = timeout(TIMEOUT, self.fetch(tls, address)).await.ok().flatten();
            let wait = match answer {
                Some(answer) if answer.status == 200 => {
                    boot.file = true;
                    break;
                }
                Some(answer) if answer.status == 503 || answer.status == 429 => {
                    let Some(seconds) = answer.header("retry-after").and_then(|text| text.parse().ok()) else { break };
                    boot.later += 1;
                    seconds
                }
                Some(_) => break,
                None => 1,
            };
            tokio::time::sleep(Duration::from_secs(wait)).await;
        }
        boot.took = begun.elapsed();
        boot
    }

    /// Returns `None` when there is no response.
    async fn fetch(&self, tls: &TlsConnector, address: SocketAddr) -> Option<Answer> {
        let stream = TcpStream::connect(address).await.ok()?;
        let name = ServerName::try_from("localhost").ok()?;
        let mut stream = tls.connect(name, stream).await.ok()?;
        let challenge = self.ask(&mut stream, "").await?;
        if challenge.status != 401 {
            return Some(challenge);
        }
        let authorization = self.authorization(challenge.header("www-authenticate")?)?;
        self.ask(&mut stream, &authorization).await
    }

    async fn ask(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), authorization: &str) -> Option<Answer> {
        let Self { target, agent, .. } = self;
        let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {agent}\r\n{authorization}\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        read(stream).await
    }

    fn authorization(&self, challenge: &str) -> Option<String> {
        let part = |name: &str| Some(challenge.split(&format!("{name}=\"")).nth(1)?.split('"').next()?.to_owned());
        let (realm, nonce) = (part("realm")?, part("nonce")?);
        let Self { target, user, password, .. } = self;
        let (secret, request_hash) = (md5(&format!("{user}:{realm}:{password}")), md5(&format!("GET:{target}")));
        // Different for each response, as with real phones. A repeated one would look like a replayed request.
        let cnonce = format!("{:016x}", rand::random::<u64>());
        let response = md5(&format!("{secret}:{nonce}:00000001:{cnonce}:auth:{request_hash}"));
        Some(format!(
            "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", \
             qop=auth, nc=00000001, cnonce=\"{cnonce}\", algorithm=MD5, response=\"{response}\"\r\n"
        ))
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Answer> {
    let mut bytes = Vec::with_capacity(16 * 1024);
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let answer = Answer { status: head.get(9..12)?.parse().ok()?, head };
        let length: usize = answer.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while bytes.len() < end + 4 + length {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        return Some(answer);
    }
}

/// Sends a request without TLS. Returns whether there was a response.
pub async fn plain(address: SocketAddr, path: &str) -> bool {
    let fetch = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.ok()?;
        read(&mut stream).await
    };
    fetch.await.is_some()
}

fn md5(text: &str) -> String {
    HEXLOWER.encode(&Md5::digest(text.as_bytes()))
}

pub type Phones = Vec<Rc<Phone>>;
