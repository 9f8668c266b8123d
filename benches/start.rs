//! Measures how long the gateway takes from exec to serving, with an empty database and with 10,000 phones, and how
//! much memory it uses then. Run by `make bench`.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "benchmark program")]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gangway::{
    phone::record::{Account, AccountUser, Phone},
    store::Store,
};
use gangway_base::{
    clock::{SharedClock, SystemClock},
    mac::Mac,
    tasks::Tasks,
};

const PHONES: u32 = 10_000;

fn main() {
    println!("| phones | serving after | resident memory idle |");
    println!("|---|---|---|");
    for phones in [0, PHONES] {
        let dir = tempfile::tempdir().unwrap();
        actix_rt::System::new().block_on(fill(dir.path(), phones));
        // The first start warms the file cache. The second one is like a restart of the service.
        measure(dir.path());
        let (time, memory) = measure(dir.path());
        println!("| {phones} | {:.0} ms | {:.1} MiB |", time.as_secs_f64() * 1000.0, memory);
    }
}

async fn fill(dir: &Path, phones: u32) {
    let clock: SharedClock = Arc::new(SystemClock);
    let tasks = Tasks::new();
    let store = Store::open(&dir.join("data"), clock.clone(), &tasks).await.unwrap();
    let instance = store.instance("example.com", "gangway").await.unwrap();
    for index in 0..phones {
        let [_, b, c, d] = index.to_be_bytes();
        let mut phone =
            Phone::new(instance, Mac::new([0x80, 0x5e, 0xc0, b, c, d]).unwrap(), "yealink", "yealink", clock.now());
        let user = AccountUser {
            hwid: phone.mac.to_string(),
            username: format!("user{index}"),
            cn: format!("User {index}"),
            password: "correct horse battery".into(),
            domain: "example.com".to_owned(),
            dns: "pbx.example.com".to_owned(),
        };
        phone.accounts.push(Account::new(1, user, clock.now()));
        store.phones().create(phone, Vec::new()).await.unwrap();
    }
    tasks.finish(Duration::from_secs(5)).await;
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
    let child = Command::new(env!("CARGO_BIN_EXE_gangway"))
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
