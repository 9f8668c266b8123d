//! Measures the memory of a connected phone, and the time until thousands are connected again after Devices was
//! restarted. The simulated Devices runs in a child process, so that its memory does not count. Run with
//! `cargo bench --bench sysclients`; the environment variable GANGWAY_BENCH_PHONES sets the number of phones (5,000).
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark may fail loudly"
)]

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use gangway::{
    devices::sysclients::{
        Credential, PoolDependencies, Status, SysclientEventKind, SysclientIdentity, SysclientPool, SysclientSpec,
    },
    net::tls,
    phone::{instance::InstanceId, record::PhoneId},
};
use gangway_base::{clock::SystemClock, tasks::Tasks};
use gangway_sim::sysclient_server::{SysclientServer, SysclientServerState};
use tokio::sync::mpsc;

const RATE: u32 = 500;
const DEADLINE: Duration = Duration::from_secs(90);

fn main() {
    tls::install_provider();
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some("devices") => devices(arguments[2] == "tls"),
        Some("measure") => measure(arguments[2] == "tls"),
        _ => {
            println!(
                "{:<8}{:>9}{:>16}{:>14}{:>14}{:>20}",
                "", "phones", "KiB per phone", "first all up", "all back", "KiB after return"
            );
            for kind in ["plain", "tls"] {
                // Thousands of sockets need more descriptors than most shells allow.
                let status = Command::new("sh")
                    .args(["-c", "ulimit -n 20000 2>/dev/null || ulimit -n $(ulimit -Hn); exec \"$0\" measure \"$1\""])
                    .arg(std::env::current_exe().unwrap())
                    .arg(kind)
                    .status();
                assert!(status.unwrap().success(), "the measurement failed");
            }
        }
    }
}

/// The child process: a Devices that is restarted with every line on its standard input.
fn devices(with_tls: bool) {
    let (lines, mut restart) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            lines.blocking_send(line).unwrap();
        }
    });
    actix_rt::System::new().block_on(async move {
        let mut pin = "-".to_owned();
        let config = with_tls.then(|| {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            pin = tls::Pin::of(made.cert.der()).unwrap().to_string();
            let key = made.signing_key.serialize_der().try_into().unwrap();
            let config = rustls::ServerConfig::builder().with_no_client_auth();
            Arc::new(config.with_single_cert(vec![made.cert.der().clone()], key).unwrap())
        });
        let codes = (0..phones()).map(|id| format!("c{id}")).collect();
        let known = Arc::new(Mutex::new(SysclientServerState { codes, ..SysclientServerState::default() }));
        let mut double = SysclientServer::start("127.0.0.1:0".parse().unwrap(), known, config.clone()).await;
        println!("{} {pin}", double.address);
        while restart.recv().await.is_some() {
            double.kill();
            double = SysclientServer::start(double.address, Arc::clone(&double.known), config.clone()).await;
            println!("restarted");
        }
        double.kill();
    });
}

struct Devices {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Devices {
    fn start(kind: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.args(["devices", kind]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, output }
    }

    fn line(&mut self) -> String {
        self.output.next().expect("the double ended").unwrap()
    }

    fn restart(&mut self) {
        self.input.as_mut().unwrap().write_all(b"restart\n").unwrap();
        assert_eq!(self.line(), "restarted");
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn measure(with_tls: bool) {
    let kind = if with_tls { "tls" } else { "plain" };
    let mut devices = Devices::start(kind);
    let hello = devices.line();
    let (address, pin) = hello.split_once(' ').unwrap();
    let (scheme, pin) = if with_tls { ("wss", Some(pin)) } else { ("ws", None) };
    let url: url::Url = format!("{scheme}://{address}/example.com/devices/sysclients").parse().unwrap();
    let config = Arc::new(tls::client_config(None, pin).unwrap());
    actix_rt::System::new().block_on(async move {
        let (tasks, (sink, mut events)) = (Tasks::new(), mpsc::channel(256));
        let deps = PoolDependencies {
            clock: Arc::new(SystemClock),
            tasks: tasks.clone(),
            most: usize::MAX,
            connects_per_second: RATE,
            tls: Arc::new(move |_| Arc::clone(&config)),
        };
        let fleet = SysclientPool::start(deps, sink).unwrap();
        let before = resident();
        let started = Instant::now();
        for id in 0..phones() {
            fleet.hold(SysclientSpec {
                phone: PhoneId(id),
                instance: InstanceId(1),
                url: url.clone(),
                mac: format!("805ec0{id:06x}").parse().unwrap(),
                identity: SysclientIdentity {
                    product: "T46U".to_owned(),
                    version: "108.86.0.20".to_owned(),
                    name: None,
                },
                silence_limit: gangway_wire::sysclient::SILENCE,
                credential: Credential::Code(format!("c{id}").into()),
            });
        }
        all_up(&fleet, &mut events, started).await;
        let (up, held) = (started.elapsed(), resident() - before);
        devices.restart();
        let started = Instant::now();
        all_up(&fleet, &mut events, started).await;
        let (back, held_later) = (started.elapsed(), resident() - before);
        let each = |bytes: i64| bytes / 1024 / phones();
        println!(
            "{kind:<8}{:>9}{:>16}{:>12.1} s{:>12.1} s{:>20}",
            phones(),
            each(held),
            up.as_secs_f64(),
            back.as_secs_f64(),
            each(held_later)
        );
        assert_eq!(tasks.finish(Duration::from_secs(9)).await, 0);
    });
}

/// Reads events until every phone has received its configuration once.
async fn all_up(
    fleet: &SysclientPool,
    events: &mut mpsc::Receiver<gangway::devices::sysclients::SysclientEvent>,
    since: Instant,
) {
    let mut complete = 0;
    while complete < phones() {
        let rest = DEADLINE.saturating_sub(since.elapsed());
        let Ok(event) = tokio::time::timeout(rest, events.recv()).await else {
            panic!("not in time: {:?}", fleet.counts())
        };
        match event.expect("the fleet ended").kind {
            SysclientEventKind::Password { stored, .. } => stored.send(()).unwrap(),
            SysclientEventKind::Last { .. } => complete += 1,
            _ => {}
        }
    }
    assert_eq!(fleet.counts().get(&Status::Member).copied(), usize::try_from(phones()).ok());
}

fn phones() -> i64 {
    std::env::var("GANGWAY_BENCH_PHONES").ok().and_then(|count| count.parse().ok()).unwrap_or(5_000)
}

/// Resident memory of this process in bytes.
fn resident() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() * 4096
}
