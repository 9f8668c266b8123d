//! Runs redirect operations and records their history for inspection.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use actix_web::{App, HttpServer, dev::ServerHandle, web};
use gangway::{
    net::http::{HttpClient, Method, Options, Request},
    phone::{instance::InstanceId, record::PhoneId},
    redirect::{
        Done, EntryUsed, ExchangeRecord, HistorySink, Limits, Operation, RedirectAccount, RedirectResult, Redirects,
        ServerEntry,
    },
};
use gangway_base::{
    clock::{SharedClock, SystemClock},
    mac::Mac,
    secret::Secret,
    tasks::Tasks,
};
use serde_json::Value;
use url::Url;

pub const USER: &str = "reseller";
pub const PASSWORD: &str = "hunter2&<";
pub const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz";
pub const SHARED: &str = "https://boot:s3cret@gw.example.com/example.com/gangway/phone/";

#[derive(Default)]
pub struct History(Mutex<Vec<ExchangeRecord>>);

impl HistorySink for History {
    fn record(&self, entry: ExchangeRecord) {
        self.0.lock().unwrap().push(entry);
    }
}

impl History {
    pub fn take(&self) -> Vec<ExchangeRecord> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub fn commands(&self) -> Vec<&'static str> {
        self.take().iter().map(|entry| entry.command).collect()
    }
}

pub struct Bench {
    pub redirects: Redirects,
    pub history: Arc<History>,
    pub client: HttpClient,
    pub tasks: Tasks,
    pub account: RedirectAccount,
}

impl Bench {
    pub fn new(protocol: &str, url: &str) -> Self {
        Self::at(Arc::new(SystemClock), protocol, url)
    }

    pub fn at(clock: SharedClock, protocol: &str, url: &str) -> Self {
        Self::spaced(clock, Duration::ZERO, protocol, url)
    }

    /// Sets the interval between two calls of the account.
    pub fn spaced(clock: SharedClock, spacing: Duration, protocol: &str, url: &str) -> Self {
        let provider = gangway::net::tls::provider();
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        let client = HttpClient::new(&Options::new(tls));
        let history = Arc::new(History::default());
        let tasks = Tasks::new();
        let limits = Limits { spacing, timeout: Duration::from_secs(10), max_bytes: 64 * 1024 };
        let sink: Arc<dyn HistorySink> = Arc::<History>::clone(&history);
        let redirects = Redirects::start(client.clone(), sink, clock, &tasks, limits);
        Self { redirects, history, client, tasks, account: account(protocol, url) }
    }

    pub async fn run(&self, operation: Operation) -> RedirectResult {
        self.run_as(self.account.clone(), operation).await
    }

    pub async fn run_as(&self, account: RedirectAccount, operation: Operation) -> RedirectResult {
        let phone = operation.mac().map(|mac| (PhoneId(3), mac));
        self.redirects.run(account, operation, phone).await
    }
}

pub fn account(protocol: &str, url: &str) -> RedirectAccount {
    RedirectAccount {
        instance: InstanceId(7),
        vendor: protocol.split('-').next().unwrap().to_owned(),
        protocol: protocol.into(),
        url: url.into(),
        user: USER.into(),
        password: Secret::new(PASSWORD),
        server_name: None,
        mac_only: false,
    }
}

pub fn unique_url() -> String {
    format!("https://gw.example.com/example.com/gangway/phone/{TOKEN}/")
}

pub fn server() -> ServerEntry {
    ServerEntry { name: "example.com".into(), url: Secret::new(SHARED) }
}

pub fn register(mac: Mac) -> Operation {
    Operation::Register { mac, unique_url: Some(Secret::new(unique_url())), server: server(), serial: None }
}

pub fn entry(outcome: &RedirectResult) -> Option<EntryUsed> {
    match outcome {
        RedirectResult::Ok(Done { entry, .. }) => entry.clone(),
        other => panic!("{other:?}: {}", other.sentence()),
    }
}

/// A Python service. It is stopped when the test ends, even on failure.
pub struct Python {
    child: Child,
    port: String,
}

impl Python {
    pub fn start(script: &str, options: &[&str]) -> Self {
        let mut child = Command::new("python3")
            .arg(format!("fixtures/redirect/{script}"))
            .args(["--user", USER, "--password", PASSWORD])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed: it plays the redirect service");
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "the Python service did not start");
        Self { child, port: port.trim().to_owned() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub async fn state(&self, client: &HttpClient) -> Value {
        let url = Url::parse(&self.url("/state")).unwrap();
        let response = client.send(Request::new(Method::Get, url)).await.unwrap();
        serde_json::from_slice(&response.body).unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves what `configure` sets up on a free port, on this thread; returns the base URL and the handle to stop it.
pub fn serve(tasks: &Tasks, configure: fn(&mut web::ServiceConfig)) -> (String, ServerHandle) {
    let server = HttpServer::new(move || App::new().configure(configure))
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let base = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    tasks.spawn_local("server", async move {
        let _ = server.await;
    });
    (base, handle)
}
