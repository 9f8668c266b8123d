//! Runs the real binary as a child process, to test crashes, signals and invalid files.

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
use gangway_sim::simulation::Simulation;
use tempfile::TempDir;

use super::{
    options::{DOMAIN, INSTANCE, LOG, Options},
    records::Records,
};

/// Timeout for local operations.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A data directory and a configuration file that outlive the processes that use them.
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

/// First of the ports for gateways. It is below the system's ephemeral ports, so no other process takes a port between
/// this choice and the gateway's start.
const PORTS: u32 = 20_000;
/// Number of ports per test process.
const OWN_PORTS: u32 = 8;

/// Returns a port that is free now and that no other test will choose.
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
    /// Creates a site with one instance, configured by `options`.
    pub fn new(options: &Options) -> Self {
        let dir = TempDir::new().unwrap();
        let (http, ops) = (free_port(), free_port());
        options.write(dir.path(), http, ops);
        Self { dir, http, ops }
    }

    /// Creates a site in `simulation` and starts its gateway, with the PBX connected.
    pub async fn serving(simulation: &Simulation, options: Options) -> (Self, Process) {
        let options = options.redirecting(simulation);
        let site = Self::new(&options);
        site.records(&options).await;
        let process = site.serve();
        simulation.connect_gateway(&site.url());
        simulation.wait_gateway().await.unwrap();
        (site, process)
    }

    /// Returns the records, read through a separate store next to the process. Also writes the settings of `options`.
    pub async fn records(&self, options: &Options) -> Records {
        let store = Store::open(&self.data(), Arc::new(SystemClock), &Tasks::new()).await.unwrap();
        let instance = store.instance(DOMAIN, INSTANCE).await.unwrap();
        options.write_settings(&store, instance).await;
        Records { store, instance }
    }

    /// Sets the most verbose log level.
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

    /// Starts `gangway serve` with further arguments.
    pub fn serve_as(&self, arguments: &[&str]) -> Process {
        let arguments = [&["serve"], arguments].concat();
        self.start(command(&self.config(), &arguments, &[]))
    }

    /// Starts `gangway serve` with these environment variables.
    pub fn serve_with(&self, variables: &[(&str, &str)]) -> Process {
        self.start(command(&self.config(), &["serve"], variables))
    }

    /// Starts `gangway serve` under limits set by a shell's `ulimit`.
    pub fn serve_under(&self, ulimit: &str) -> Process {
        self.start(shell(ulimit, &["serve"], &self.config()))
    }

    /// Runs another command of the binary under limits and waits for it.
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
            assert!(started.elapsed() < TIMEOUT, "gangway does not answer:\n{}", fs::read_to_string(&log).unwrap());
            std::thread::yield_now();
        }
        Process { child, log }
    }

    /// Runs another command of the binary and waits for it.
    pub fn run(&self, arguments: &[&str]) -> Output {
        run(&self.config(), arguments)
    }
}

/// The command that sets limits in a shell and then executes the binary.
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
    /// The process ID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL, which allows no shutdown.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process has terminated itself; returns the signal.
    pub fn died(mut self) -> Option<i32> {
        self.child.wait().unwrap().signal()
    }

    /// Sends SIGTERM; returns the time until the process ended and its exit code.
    pub fn terminate(mut self) -> (Duration, Option<i32>) {
        let started = Instant::now();
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        (started.elapsed(), status.code())
    }

    /// The process ID.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGHUP, which makes the gateway reload its files.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// Sends SIGSTOP, and waits until no thread of the gateway runs any more.
    pub fn freeze(&self) {
        self.signal("-STOP");
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        let stands = |task: &Path| {
            let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
        };
        while !fs::read_dir(&tasks).unwrap().all(|task| stands(&task.unwrap().path())) {
            std::thread::yield_now();
        }
    }

    /// Sends SIGCONT, after which a frozen gateway goes on.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// The log so far.
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

/// Sends a plain GET on loopback; returns status line and body, or `None` if no server listens.
pub fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// Returns the permission bits of a file.
pub fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}
