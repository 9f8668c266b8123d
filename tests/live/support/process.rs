//! The real binary as a child process: what a crash, a signal or a wrong file does shows only there.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use gangway::store::Store;
use gangway_base::{clock::SystemClock, tasks::Tasks};
use gangway_sim::world::World;
use tempfile::TempDir;

use super::{
    options::{DOMAIN, INSTANCE, LOG, Options},
    records::Records,
};

/// Longest wait for anything local.
const PATIENCE: Duration = Duration::from_secs(120);

/// A data directory and a configuration file that outlive the processes using them.
pub struct Site {
    dir: TempDir,
    pub http: SocketAddr,
    pub ops: SocketAddr,
}

/// A running `gangway serve`.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// First of the ports for gateways: below those the system gives to whoever connects, so that nobody takes one
/// between this choice and the gateway's start.
const PORTS: u32 = 20_000;
/// Ports of one process before it comes into those of the next.
const OWN_PORTS: u32 = 8;

/// A port that is free now and that no other test will choose.
pub fn free_port() -> SocketAddr {
    static CHOSEN: AtomicU32 = AtomicU32::new(0);
    let own = std::process::id() % 1500 * OWN_PORTS;
    for _ in 0..1000 {
        let port = PORTS + (own + CHOSEN.fetch_add(1, Ordering::Relaxed)) % (1500 * OWN_PORTS);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", u16::try_from(port).unwrap())) {
            return listener.local_addr().unwrap();
        }
    }
    panic!("no free port");
}

impl Site {
    /// A site with one instance, configured by `options`.
    pub fn new(options: &Options) -> Self {
        let dir = TempDir::new().unwrap();
        let (http, ops) = (free_port(), free_port());
        options.write(dir.path(), http, ops);
        Self { dir, http, ops }
    }

    /// A site in `world` whose gateway serves, with the PBX connected.
    pub async fn serving(world: &World, options: Options) -> (Self, Process) {
        let options = options.redirecting(world);
        let site = Self::new(&options);
        site.records(&options).await;
        let process = site.serve();
        world.connect_gateway(&site.url());
        world.wait_gateway().await.unwrap();
        (site, process)
    }

    /// The records, read through a store of our own beside the process; the settings of `options` are written.
    pub async fn records(&self, options: &Options) -> Records {
        let store = Store::open(&self.data(), Arc::new(SystemClock), &Tasks::new()).await.unwrap();
        let instance = store.instance(DOMAIN, INSTANCE).await.unwrap();
        options.write_settings(&store, instance).await;
        Records { store, instance }
    }

    /// The most talkative log there is.
    pub fn log_everything(&self) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(LOG), "the configuration has another log level by now");
        fs::write(self.config(), text.replace(LOG, "trace")).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("gangway.toml")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Base URL of the HTTP listener.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Starts `gangway serve` and waits until it answers.
    pub fn serve(&self) -> Process {
        self.serve_with(&[])
    }

    /// The same with further arguments.
    pub fn serve_as(&self, arguments: &[&str]) -> Process {
        let arguments = [&["serve"], arguments].concat();
        self.start(command(&self.config(), &arguments, &[]))
    }

    /// The same with variables in its environment.
    pub fn serve_with(&self, variables: &[(&str, &str)]) -> Process {
        self.start(command(&self.config(), &["serve"], variables))
    }

    /// The same under limits, as `ulimit` of a shell sets them.
    pub fn serve_under(&self, ulimit: &str) -> Process {
        self.start(shell(ulimit, &["serve"], &self.config()))
    }

    /// Runs another command of the binary to its end, under limits.
    pub fn run_under(&self, ulimit: &str, arguments: &[&str]) -> Output {
        shell(ulimit, arguments, &self.config()).output().unwrap()
    }

    fn start(&self, mut command: Command) -> Process {
        let log = self.dir.path().join("log.txt");
        let file = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        let started = Instant::now();
        while get(self.http, "/healthz").is_none() {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("gangway ended with {status}:\n{}", fs::read_to_string(&log).unwrap());
            }
            assert!(started.elapsed() < PATIENCE, "gangway does not answer:\n{}", fs::read_to_string(&log).unwrap());
            std::thread::yield_now();
        }
        Process { child, log }
    }

    /// Runs another command of the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(&self.config(), arguments)
    }
}

/// The binary in place of a shell that has set limits.
fn shell(ulimit: &str, arguments: &[&str], config: &Path) -> Command {
    let mut command = Command::new("sh");
    let script = format!("{ulimit} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_gangway")]).args(arguments).arg("--config").arg(config);
    command
}

fn command(config: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gangway"));
    command.args(arguments).arg("--config").arg(config).envs(variables.iter().copied());
    command
}

/// Runs a command of the binary with a configuration file.
pub fn run(config: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gangway")).args(arguments).arg("--config").arg(config).output().unwrap()
}

impl Process {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no goodbye of any kind.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has died by itself; the signal.
    pub fn died(mut self) -> Option<i32> {
        self.child.wait().unwrap().signal()
    }

    /// SIGTERM; the time it took to end and its exit code.
    pub fn terminate(mut self) -> (Duration, Option<i32>) {
        let started = Instant::now();
        let done = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
        let status = self.child.wait().unwrap();
        (started.elapsed(), status.code())
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGHUP: reads its files again.
    pub fn hang_up(&self) {
        let done = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of gangway\n{}", self.log());
        }
    }
}

/// A plain GET on loopback; status line and body, `None` when nobody listens.
pub fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
