//! Generates the load: persistent connections, each with one request in flight, over all phones in turn.
//! Single-threaded.

use std::{
    cell::{Cell, RefCell},
    fmt::Write as _,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use md5::{Digest as _, Md5};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{sleep_until, timeout},
};

/// Response timeout. If it is exceeded, the measurement is invalid.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The request of one phone, prepared in advance so that the load generator is not what is measured.
pub struct Asker {
    pub target: String,
    pub digest: Option<Rc<Digest>>,
    ready: String,
}

/// The parts of a Digest response. `user:realm:password` is hashed in advance.
pub struct Digest {
    user: String,
    realm: String,
    nonce: String,
    ha1: String,
    ha2: String,
    count: Cell<u32>,
}

impl Digest {
    /// Parses the challenge of a 401.
    pub fn new(challenge: &str, user: &str, password: &str, target: &str) -> Rc<Self> {
        let field = |name: &str| {
            let rest = challenge.split(&format!("{name}=\"")).nth(1).expect("a Digest challenge");
            rest.split('"').next().unwrap_or_default().to_owned()
        };
        let (realm, nonce) = (field("realm"), field("nonce"));
        let ha1 = md5(&format!("{user}:{realm}:{password}"));
        let ha2 = md5(&format!("GET:{target}"));
        Rc::new(Self { user: user.to_owned(), realm, nonce, ha1, ha2, count: Cell::new(0) })
    }
}

impl Asker {
    pub fn new(target: String, agent: &str, digest: Option<Rc<Digest>>) -> Self {
        let ready = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: {agent}\r\n");
        Self { target, digest, ready }
    }

    fn write(&self, out: &mut String) {
        out.clear();
        out.push_str(&self.ready);
        if let Some(digest) = &self.digest {
            let Digest { user, realm, nonce, ha1, ha2, count } = &**digest;
            count.set(count.get() + 1);
            let nc = count.get();
            let response = md5(&format!("{ha1}:{nonce}:{nc:08x}:0a4f113b:auth:{ha2}"));
            let target = &self.target;
            let _ = write!(
                out,
                "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", \
                 response=\"{response}\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, nc={nc:08x}\r\n"
            );
        }
        out.push_str("\r\n");
    }
}

fn md5(text: &str) -> String {
    let mut hex = String::with_capacity(32);
    for byte in Md5::digest(text.as_bytes()) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
        hex.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    hex
}

/// A response.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// A persistent connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    request: String,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("connect");
        stream.set_nodelay(true).expect("nodelay");
        Self { stream, buffer: vec![0; 64 * 1024], request: String::with_capacity(1024) }
    }

    /// Returns the status, the length of the head and the total length. The bytes stay in the buffer.
    async fn exchange(&mut self, asker: &Asker) -> (u16, usize, usize) {
        asker.write(&mut self.request);
        self.stream.write_all(self.request.as_bytes()).await.expect("write");
        let (mut filled, mut head) = (0, None);
        loop {
            let read = self.stream.read(&mut self.buffer[filled..]).await.expect("read");
            assert!(read > 0, "the connection was closed");
            filled += read;
            if head.is_none() {
                head = read_head(&self.buffer[..filled]);
            }
            if let Some((status, head, total)) = head
                && filled >= total
            {
                return (status, head, total);
            }
        }
    }

    /// Returns the complete response.
    pub async fn get(&mut self, asker: &Asker) -> Answer {
        let (status, head, total) = timeout(TIMEOUT, self.exchange(asker)).await.expect("an answer in time");
        Answer {
            status,
            head: String::from_utf8_lossy(&self.buffer[..head]).into_owned(),
            body: self.buffer[head..total].to_vec(),
        }
    }
}

/// Returns the status, the length of the head and the length of the response; `None` while the head is incomplete.
fn read_head(bytes: &[u8]) -> Option<(u16, usize, usize)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head in ASCII");
    let status = head.get(9..12)?.parse().expect("a status");
    let length = head
        .lines()
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().expect("a length"))
        })
        .unwrap_or(0);
    Some((status, end, end + length))
}

/// How requests are sent.
#[derive(Clone, Copy)]
pub struct Plan {
    pub connections: usize,
    pub time: Duration,
    /// Requests per second over all connections; `None` means as fast as responses arrive.
    pub pace: Option<u32>,
    /// The expected status.
    pub status: u16,
}

/// The result.
pub struct Done {
    pub requests: u64,
    pub took: Duration,
    /// Per request, from its first byte sent to the last byte of its answer.
    pub latencies: Vec<Duration>,
}

impl Done {
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// The latency below which this share of the requests stays.
    pub fn quantile(&mut self, share: f64) -> Duration {
        self.latencies.sort_unstable();
        let place = (self.latencies.len() as f64 * share) as usize;
        self.latencies.get(place.min(self.latencies.len().saturating_sub(1))).copied().unwrap_or_default()
    }
}

/// Sends requests to `address` according to `plan`. Panics if a response has another status, because the measurement is
/// invalid then.
pub async fn run(address: SocketAddr, askers: &Rc<Vec<Asker>>, plan: Plan) -> Done {
    let next = Rc::new(Cell::new(0_usize));
    let latencies = Rc::new(RefCell::new(Vec::with_capacity(1 << 20)));
    let started = Instant::now();
    let set = tokio::task::LocalSet::new();
    for place in 0..plan.connections {
        let (askers, next, latencies) = (askers.clone(), next.clone(), latencies.clone());
        set.spawn_local(async move {
            let mut connection = Connection::open(address).await;
            let step = plan.pace.map(|pace| Duration::from_secs(plan.connections as u64) / pace);
            let mut at = started + step.unwrap_or_default() * place as u32 / plan.connections as u32;
            while started.elapsed() < plan.time {
                if let Some(step) = step {
                    sleep_until(at.into()).await;
                    at += step;
                }
                let number = next.get();
                next.set(number + 1);
                let asker = &askers[number % askers.len()];
                let sent = Instant::now();
                let (status, ..) = timeout(TIMEOUT, connection.exchange(asker)).await.expect("an answer in time");
                assert_eq!(status, plan.status, "{}", asker.target);
                latencies.borrow_mut().push(sent.elapsed());
            }
        });
    }
    if plan.pace.is_none() {
        // The load generator must not sleep: waking it costs a server a third of its time, but only the server that is
        // slower than the load generator.
        set.spawn_local(async move {
            while started.elapsed() < plan.time {
                tokio::task::yield_now().await;
            }
        });
    }
    set.await;
    let took = started.elapsed();
    let latencies = latencies.take();
    Done { requests: latencies.len() as u64, took, latencies }
}
