//! The measured servers, each alone on one core.

#[path = "../measured_program.rs"]
pub mod measured_program;

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The core of the servers; the load uses the other.
const CORE: &str = "0";
const LOAD_CORE: &str = "1";

/// Keeps this process and its children off the servers' core. Returns false on a machine with one core.
pub fn pin_load() -> bool {
    let pid = std::process::id().to_string();
    Command::new("taskset")
        .args(["-a", "-c", "-p", LOAD_CORE, &pid])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A running server. It is killed on drop.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(program: &str, args: &[&str], address: SocketAddr) -> Self {
        let child = Command::new("taskset")
            .args(["-c", CORE, program])
            .args(args)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("taskset");
        let mut server = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(server.child.try_wait().expect("its state").is_none(), "{program} ended");
            assert!(started.elapsed() < Duration::from_secs(30), "{program} does not answer");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        server
    }

    /// CPU time of all its threads, user and system, in nanoseconds. The ticks in `stat` are too coarse for short
    /// bursts.
    pub fn cpu(&self) -> Duration {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let each = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
        each.map(|spent| Duration::from_nanos(spent.split(' ').next().unwrap_or_default().parse().expect("a time")))
            .sum()
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port")
}

/// `gangway serve` with the data and vendor folders in `dir`; one core, so one worker.
pub fn gangway(dir: &Path) -> Server {
    let address = free_address();
    gangway_with(dir, address, &format!("[http]\nlisten = \"{address}\"\n"))
}

/// The same with https only, using the pair of chain and key. Limits per source are disabled, because all of the load
/// has one source.
pub fn gangway_over_tls(dir: &Path, (chain, key): &(PathBuf, PathBuf)) -> Server {
    let address = free_address();
    let listen = format!(
        "[http]\nlisten = []\n[https]\nlisten = \"{address}\"\ncertificate = \"{}\"\nkey = \"{}\"\n\
         connections_per_source = 0\nhandshakes_per_second = 0\n",
        chain.display(),
        key.display()
    );
    gangway_with(dir, address, &listen)
}

fn gangway_with(dir: &Path, address: SocketAddr, listen: &str) -> Server {
    let config = dir.join("gangway.toml");
    let root = dir.display();
    fs::create_dir_all(dir.join("overrides")).expect("the administrator's directory");
    fs::write(
        &config,
        format!(
            "{listen}[ops]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = \"{root}/data\"\n[vendors]\n\
             dir = \"{root}/overrides\"\n[log]\nlevel = \"info\"\n[cache]\nmib = 128\n[[instances]]\n\
             domain = \"example.com\"\nname = \"gangway\"\npassword = \"ip411\"\npublic_url = \"http://{address}\"\n"
        ),
    )
    .expect("the configuration");
    let config = config.display().to_string();
    Server::start(&measured_program::measured_program().display().to_string(), &["serve", "--config", &config], address)
}

/// nginx serving the files below `root`, configured to do nothing else: no log, open files cached.
pub fn nginx(dir: &Path, root: &Path) -> Server {
    let address = free_address();
    nginx_with(dir, root, address, &format!("listen {address};"))
}

/// The same with https, using the pair of chain and key, and session tickets.
pub fn nginx_over_tls(dir: &Path, root: &Path, (chain, key): &(PathBuf, PathBuf)) -> Server {
    let address = free_address();
    let listen = format!(
        "listen {address} ssl; ssl_certificate {}; ssl_certificate_key {}; ssl_protocols TLSv1.2 TLSv1.3; \
         ssl_session_tickets on;",
        chain.display(),
        key.display()
    );
    nginx_with(dir, root, address, &listen)
}

fn nginx_with(dir: &Path, root: &Path, address: SocketAddr, listen: &str) -> Server {
    let config = dir.join("nginx.conf");
    let (place, root) = (dir.display(), root.display());
    fs::write(
        &config,
        format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid {place}/nginx.pid;\n\
             error_log {place}/nginx.log;\nevents {{ worker_connections 256; }}\nhttp {{\n\
             access_log off;\nsendfile on;\ntcp_nopush on;\ntcp_nodelay on;\nkeepalive_requests 1000000000;\n\
             open_file_cache max=20000 inactive=600s;\nopen_file_cache_valid 600s;\ndefault_type text/plain;\n\
             client_body_temp_path {place}/t1;\nproxy_temp_path {place}/t2;\nfastcgi_temp_path {place}/t3;\n\
             uwsgi_temp_path {place}/t4;\nscgi_temp_path {place}/t5;\n\
             server {{ {listen} root {root}; }}\n}}\n"
        ),
    )
    .expect("the configuration");
    let config = config.display().to_string();
    let log = dir.join("nginx.log").display().to_string();
    Server::start("nginx", &["-e", &log, "-c", &config], address)
}
