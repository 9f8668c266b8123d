//! Runs a gateway in this process, on a separate thread, with a temporary data directory and real sockets.

use std::{
    net::SocketAddr,
    path::PathBuf,
    process::Output,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use gangway::{app::Application, base::config::Config, store::Store};
use gangway_base::{
    clock::{SharedClock, SystemClock},
    tasks::Tasks,
};
use gangway_sim::simulation::Simulation;
use tempfile::TempDir;
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use super::{
    options::{DOMAIN, INSTANCE, Options},
    process,
    records::Records,
};

/// The gateway. Dropping it stops it.
pub struct Gateway {
    running: Option<Running>,
    options: Options,
    http: SocketAddr,
    ops: SocketAddr,
    dir: TempDir,
}

struct Running {
    records: Records,
    tasks: Tasks,
    pnp: Vec<SocketAddr>,
    thread: JoinHandle<Result<(), String>>,
}

impl Gateway {
    /// Starts a gateway configured with the redirection service of `simulation`. The PBX is not connected yet.
    pub async fn start(simulation: &Simulation, options: Options) -> Self {
        Self::start_with(options.redirecting(simulation)).await
    }

    /// Starts a gateway with exactly these options.
    pub async fn start_with(options: Options) -> Self {
        watch_the_log();
        let dir = TempDir::new().unwrap();
        let (http, ops) = (process::free_port(), process::free_port());
        let mut gateway = Self { running: None, options, http, ops, dir };
        gateway.launch().await;
        gateway
    }

    /// Serves from a directory that already contains data and `gangway.toml`.
    pub async fn serve_in(dir: TempDir, options: Options, http: SocketAddr, ops: SocketAddr) -> Self {
        watch_the_log();
        let mut gateway = Self { running: None, options, http, ops, dir };
        gateway.launch().await;
        gateway
    }

    /// The HTTP address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.http
    }

    /// Shuts the gateway down cleanly and starts it again on the same data and port.
    pub async fn restart(&mut self) {
        self.stop();
        self.launch().await;
    }

    /// Starts it after [`Gateway::stop`] with its previous configuration.
    pub async fn start_again(&mut self) {
        self.run(false).await;
    }

    /// Allows errors in the log for this test.
    pub fn expect_errors(&self) {
        EXPECTED.store(true, Ordering::Relaxed);
    }

    /// The errors logged so far by all gateways of this process.
    pub fn errors(&self) -> Vec<String> {
        ERRORS.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Shuts the gateway down cleanly and starts it with other options.
    pub async fn restart_with(&mut self, options: Options) {
        self.stop();
        self.options = options;
        self.launch().await;
    }

    /// Shuts the gateway down cleanly.
    pub fn stop(&mut self) {
        if let Some(Running { records, tasks, thread, .. }) = self.running.take() {
            tasks.ask_to_stop();
            drop(records);
            thread.join().unwrap().unwrap();
        }
    }

    pub fn records(&self) -> &Records {
        &self.running.as_ref().unwrap().records
    }

    /// `http://127.0.0.1:<port>`.
    pub fn base(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The URL of a page of the operator's listener.
    pub fn ops_url(&self, page: &str) -> String {
        format!("http://{}/{page}", self.ops)
    }

    /// The address that phones query by SIP PnP.
    pub fn pnp(&self) -> SocketAddr {
        self.running.as_ref().unwrap().pnp[0]
    }

    /// All addresses that phones can query by SIP PnP.
    pub fn pnps(&self) -> &[SocketAddr] {
        &self.running.as_ref().unwrap().pnp
    }

    pub fn port(&self) -> u16 {
        self.http.port()
    }

    /// Base URL of app objects and pages.
    pub fn instance_url(&self) -> String {
        format!("{}/{DOMAIN}/{INSTANCE}", self.base())
    }

    /// URL for AppWebsockets.
    pub fn socket_url(&self) -> String {
        self.instance_url().replacen("http", "ws", 1)
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn config(&self) -> PathBuf {
        self.dir.path().join("gangway.toml")
    }

    /// Runs a command of the real binary next to this gateway.
    pub fn command(&self, arguments: &[&str]) -> Output {
        process::run(&self.config(), arguments)
    }

    async fn launch(&mut self) {
        self.run(true).await;
    }

    async fn run(&mut self, configure: bool) {
        self.options.write(self.dir.path(), self.http, self.ops);
        let file = self.config();
        let clock = self.options.clock.clone();
        let clock = clock.map_or_else(|| Arc::new(SystemClock) as SharedClock, |clock| Arc::new(clock));
        let (started, waiting) = tokio::sync::oneshot::channel::<Result<(Store, Tasks, Vec<SocketAddr>), String>>();
        let thread = std::thread::Builder::new().name("gateway".into()).spawn(move || {
            actix_rt::System::new().block_on(async move {
                let config = Config::load(Some(&file)).unwrap();
                let application = match Application::build(config, clock).await {
                    Ok(application) => application,
                    Err(error) => {
                        let _ = started.send(Err(error.to_string()));
                        return Err(error.to_string());
                    }
                };
                let _ = started.send(Ok((application.store(), application.tasks(), application.addresses().pnp)));
                application.run().await.map_err(|error| error.to_string())
            })
        });
        let (store, tasks, pnp) =
            waiting.await.expect("the gateway's thread ended").expect("the gateway does not start");
        let instance = store.instance(DOMAIN, INSTANCE).await.unwrap();
        if configure {
            self.options.write_settings(&store, instance).await;
        }
        self.running = Some(Running { records: Records { store, instance }, tasks, pnp, thread: thread.unwrap() });
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(Running { tasks, thread, .. }) = self.running.take() {
            tasks.ask_to_stop();
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.unwrap().unwrap();
                let errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner).clone();
                assert!(
                    errors.is_empty() || EXPECTED.load(Ordering::Relaxed),
                    "the gateway logged errors: {errors:#?}"
                );
            }
        }
    }
}

/// Errors logged by gateways of this process. Unless a test expects errors, no behaviour of its peers may cause one.
static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());
static EXPECTED: AtomicBool = AtomicBool::new(false);

/// Collects errors. `RUST_LOG=gangway=debug` prints the gateway's log.
fn watch_the_log() {
    let log_guard = std::env::var_os("RUST_LOG").map(|_| {
        tracing_subscriber::fmt::layer()
            .with_test_writer()
            .with_filter(tracing_subscriber::EnvFilter::from_default_env())
    });
    let errors = Errors.with_filter(tracing_subscriber::filter::LevelFilter::ERROR);
    // Another test of this process may have installed its subscriber first; it collects for both.
    let _ = tracing_subscriber::registry().with(errors).with(log_guard).try_init();
}

struct Errors;

impl<S: tracing::Subscriber> Layer<S> for Errors {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target().starts_with("gangway::") && !event.metadata().target().starts_with("gangway::sim")
        {
            let mut text = format!("{}:", event.metadata().target());
            event.record(&mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                text += &format!(" {field}={value:?}");
            });
            ERRORS.lock().unwrap_or_else(PoisonError::into_inner).push(text);
        }
    }
}
