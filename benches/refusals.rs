//! Checks whether the time of a rejection reveals that a phone exists. Sends ten thousand requests each for known and
//! unknown phones, in random order over one connection, and compares the times with the Mann-Whitney test: it checks
//! whether a time of one kind is above a time of the other as often as below. Run by `make bench`; takes about half a
//! minute.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "benchmark program"
)]

#[path = "phone_files/fleet.rs"]
#[expect(dead_code, reason = "changes no setting")]
mod fleet;
#[path = "phone_files/servers.rs"]
#[expect(dead_code, reason = "does not use nginx or CPU times")]
mod servers;
#[path = "refusals/statistics.rs"]
mod statistics;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::ExitCode,
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;
use gangway_base::mac::Mac;
use md5::{Digest, Md5};
use rand::RngExt;

use self::{
    fleet::{Fleet, mac},
    statistics::{Comparison, compare},
};

/// Number of samples of each kind.
const SAMPLES: usize = 10_000;
/// Number of names of each kind. Each is requested several times, in random order.
const NAMES: u32 = 2_000;
const INSTANCE: &str = "/example.com/gangway/phone";
/// The same for all requests, because the User-Agent is not under test.
const AGENT: &str = "Yealink SIP-T46U 108.86.0.90";
/// Tolerance of the comparison: a known phone's rejection takes longer in 48 to 52 of 100 pairs.
const TOLERANCE: f64 = 0.02;

/// Spread far apart, like random guesses.
fn unknown(index: u32) -> Mac {
    let [_, b, c, d] = (index.wrapping_mul(40_503) | 0x80_0000).to_be_bytes();
    Mac::new([0x80, 0x5e, 0xc1, b, c, d]).unwrap()
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn ask(&mut self, target: &str, authorization: &str) -> (u16, Duration, String) {
        let request = format!("GET {target} HTTP/1.1\r\nHost: gw\r\nUser-Agent: {AGENT}\r\n{authorization}\r\n");
        let started = Instant::now();
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut filled = 0;
        // Rejections have no body.
        while !self.buffer[..filled].ends_with(b"\r\n\r\n") {
            let read = self.stream.read(&mut self.buffer[filled..]).unwrap();
            assert!(read > 0, "the gateway closed the connection");
            filled += read;
        }
        let took = started.elapsed();
        let head = String::from_utf8_lossy(&self.buffer[..filled]).into_owned();
        (head[9..12].parse().unwrap(), took, head)
    }
}

fn hex(text: &str) -> String {
    HEXLOWER.encode(&Md5::digest(text))
}

/// A correctly computed Digest response with a wrong password.
fn wrong(challenge: &str, user: &str, target: &str, count: usize) -> String {
    let part = |name: &str| challenge.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap();
    let (realm, nonce) = (part("realm"), part("nonce"));
    let (ha1, ha2) = (hex(&format!("{user}:{realm}:wrong")), hex(&format!("GET:{target}")));
    let response = hex(&format!("{ha1}:{nonce}:{count:08x}:c:auth:{ha2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{target}\", \
         response=\"{response}\", cnonce=\"c\", qop=auth, nc={count:08x}\r\n"
    )
}

/// Sends requests in random order. Returns the times of known and of unknown phones, in nanoseconds.
fn sample(connection: &mut Connection, status: u16, asks: impl Fn(bool, u32) -> (String, String)) -> [Vec<u64>; 2] {
    let mut dice = rand::rng();
    let mut times = [Vec::with_capacity(SAMPLES), Vec::with_capacity(SAMPLES)];
    while times.iter().any(|some| some.len() < SAMPLES) {
        let known = dice.random::<bool>();
        let kind = usize::from(known);
        if times[kind].len() == SAMPLES {
            continue;
        }
        let (target, authorization) = asks(known, dice.random_range(0..NAMES));
        let (got, took, _) = connection.ask(&target, &authorization);
        assert_eq!(got, status, "{target}");
        times[kind].push(u64::try_from(took.as_nanos()).unwrap());
    }
    times
}

fn main() -> ExitCode {
    // `cargo test --benches` only checks that the program starts.
    if std::env::args().any(|argument| argument == "--test") {
        return ExitCode::SUCCESS;
    }
    assert!(servers::pin_load(), "two cores and taskset are needed");
    let dir = tempfile::tempdir().unwrap();
    let phones = actix_rt::System::new().block_on(async {
        let fleet = Fleet::new(dir.path(), (0..NAMES).map(|index| (mac(1, index), ())), |_, ()| ()).await;
        fleet.close().await;
        fleet.phones
    });
    let server = servers::gangway(dir.path());
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut connection = Connection { stream, buffer: vec![0; 16 * 1024] };
    let by_name = |known: bool, index: u32| {
        let mac = if known { phones[index as usize].mac } else { unknown(index) };
        (format!("{INSTANCE}/{mac}.cfg"), mac.to_string())
    };
    let (_, _, challenge) = connection.ask(&by_name(true, 0).0, "");
    let tokens = |known: bool, index: u32| {
        let phone = &phones[index as usize];
        let token: String = match known {
            true => phone.token.expose().to_owned(),
            false => phone.token.expose().chars().rev().collect(),
        };
        (format!("{INSTANCE}/{token}/{}.cfg", unknown(index)), String::new())
    };
    println!(
        "| {SAMPLES} refusals of each, in random order | median known | median unknown | known is slower in | p |"
    );
    println!("|---|---|---|---|---|");
    let mut alike = true;
    for (what, status, asks) in [
        ("401, nothing shown", 401, &(|known, index| (by_name(known, index).0, String::new())) as &dyn Fn(_, _) -> _),
        ("401, wrong credentials", 401, &|known, index| {
            let (target, user) = by_name(known, index);
            let header = wrong(&challenge, &user, &target, 1);
            (target, header)
        }),
        ("404, known or unknown token, wrong MAC", 404, &tokens),
    ] {
        let [unknown, known] = sample(&mut connection, status, asks);
        let Comparison { medians: [one, other], share, p } = compare(&known, &unknown);
        println!("| {what} | {:.1} us | {:.1} us | {:.1} % | {p:.3} |", one / 1e3, other / 1e3, share * 100.0);
        alike &= (share - 0.5).abs() <= TOLERANCE;
    }
    if alike { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
