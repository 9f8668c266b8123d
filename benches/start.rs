//! Measures how long the gateway takes from exec to serving with up to 100,000 phones in the database, how much memory
//! it uses then, and what a GET costs among so many phones. Run by `make bench`. An argument limits the number of
//! phones: `cargo bench --bench start -- 10000`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "benchmark program"
)]
#![expect(dead_code, reason = "parts of the benchmark phone_files, only partly used here")]

#[path = "phone_files/fleet.rs"]
mod fleet;
#[path = "phone_files/load.rs"]
mod load;
#[path = "phone_files/servers.rs"]
mod servers;

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    rc::Rc,
    time::{Duration, Instant},
};

use gangway::phone::record::{Phone, WindowBinding};
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
};

use self::{
    fleet::Fleet,
    load::{Asker, Connection, Plan},
    servers::{Server, measured_program::measured_program},
};

const SIZES: [u32; 4] = [0, 1_000, 10_000, 100_000];
/// Number of phones that request their files in turn. It is the same for every size of the database.
const IN_TURN: usize = 1_000;
const CONNECTIONS: usize = 32;
const ROUNDS: usize = 5;
const TIME: Duration = Duration::from_secs(2);

fn main() {
    // `cargo test --benches` only checks that the program starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    assert!(servers::pin_load(), "two cores and taskset are needed");
    let most = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(u32::MAX);
    println!(
        "| phones | serving after | resident memory idle | CPU time of a GET by token, {IN_TURN} phones in turn |"
    );
    println!("|---|---|---|---|");
    for phones in SIZES.into_iter().filter(|phones| *phones <= most) {
        let dir = tempfile::tempdir().unwrap();
        let system = actix_rt::System::new();
        let askers = system.block_on(fill(dir.path(), phones));
        // The first start warms the file cache. The second one is like a restart of the service.
        measure(dir.path());
        let (time, memory) = measure(dir.path());
        let get = match askers.len() {
            0 => String::new(),
            _ => format!("{:.1} us", system.block_on(get(&servers::gangway(dir.path()), &Rc::new(askers)))),
        };
        println!("| {phones} | {:.0} ms | {:.1} MiB | {get} |", time.as_secs_f64() * 1000.0, memory);
    }
}

/// Creates phones that are configured and have fetched their files, and returns the requests of [`IN_TURN`] of them,
/// spread over all.
async fn fill(dir: &Path, phones: u32) -> Vec<Asker> {
    let settled = |phone: &mut Phone, (): ()| {
        let now = SystemClock.now();
        phone.window.open(now, 7);
        phone.window.first_delivery = Some(now);
        let source = "127.0.0.1".parse().unwrap();
        phone.window.bound = Some(WindowBinding { source, family: "yealink T46U".to_owned() });
    };
    let fleet = Fleet::new(dir, (0..phones).map(|index| (fleet::mac((index >> 16) as u8, index), ())), settled).await;
    fleet.close().await;
    let step = (fleet.phones.len() / IN_TURN).max(1);
    let asked = fleet.phones.iter().step_by(step).take(IN_TURN);
    asked
        .map(|phone| {
            let target = format!("/example.com/gangway/phone/{}/{}.cfg", phone.token.expose(), phone.mac);
            Asker::new(target, &agent(phone.mac), None)
        })
        .collect()
}

fn agent(mac: Mac) -> String {
    let digits = mac.to_string();
    let pairs: Vec<&str> = (0..6).map(|pair| digits.get(2 * pair..2 * pair + 2).unwrap_or_default()).collect();
    format!("Yealink SIP-T46U 108.86.0.90 {}", pairs.join(":"))
}

/// Microseconds of CPU time for each GET: of several rounds the best, after every phone has fetched its file once.
async fn get(server: &Server, askers: &Rc<Vec<Asker>>) -> f64 {
    let mut connection = Connection::open(server.address).await;
    for asker in askers.iter() {
        assert_eq!(connection.get(asker).await.status, 200);
    }
    let plan = Plan { connections: CONNECTIONS, time: TIME, pace: None, status: 200 };
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let before = server.cpu();
        let done = load::run(server.address, askers, plan).await;
        best = best.min((server.cpu() - before).as_secs_f64() * 1e6 / done.requests as f64);
    }
    best
}

fn measure(dir: &Path) -> (Duration, f64) {
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = dir.join("gangway.toml");
    fs::write(
        &config,
        format!(
            "[http]\nlisten = \"{http}\"\n[ops]\nlisten = []\n[data]\ndir = \"{}\"\n[[instances]]\ndomain = \"example.com\"\nname = \"gangway\"\npassword = \"ip411\"\n",
            dir.join("data").display()
        ),
    )
    .unwrap();
    let started = Instant::now();
    // On all cores: this process is pinned to one of them.
    let child = Command::new("taskset")
        .args(["-c", "0,1"])
        .arg(measured_program())
        .args(["serve", "--config"])
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Ended(child);
    while !answers(http) {
        assert!(child.0.try_wait().unwrap().is_none(), "gangway ended");
        assert!(started.elapsed() < Duration::from_secs(60), "gangway does not answer");
        // Trying again without a pause would take a core away from the gateway.
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let time = started.elapsed();
    // "Idle" means after the startup work: two quiet seconds without requests.
    let until = Instant::now() + Duration::from_secs(2);
    while Instant::now() < until {
        std::thread::park_timeout(Duration::from_millis(200));
    }
    (time, resident(child.0.id()))
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut text = String::new();
    stream.read_to_string(&mut text).is_ok() && text.starts_with("HTTP/1.1 200")
}

/// Resident memory in MiB.
fn resident(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
