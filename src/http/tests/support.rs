//! A listener on a free port, with records and files in memory, and a client that checks every byte.

use std::{
    collections::HashMap,
    net::SocketAddr,
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{HttpRequest, HttpResponse, dev::ServerHandle, http::header::HeaderName, web::Payload};
use bytes::Bytes;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use gangway_base::{clock::ManualClock, mac::Mac, secret::Secret, tasks::Tasks};
use gangway_wire::http_auth::{Algorithm, Scheme};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
};

use super::super::{
    AppState, HttpDependencies,
    auth::scan_detector::ScanDetector,
    client_address::Proxies,
    interfaces::*,
    server::{
        certificates::Certificates,
        client_ca_store::ClientCaStore,
        connection_limiter::Bounds,
        connections::Timeouts,
        listeners::{ListenAddresses, TlsSettings, listen},
    },
};
use super::response::Response;
use crate::{
    catalog::{FileKind, Recognition},
    phone::{
        admission::{Policy, Reason, tests as sample},
        instance::{Instance, InstanceId, Instances},
        record::{Credentials, Phone, PhoneId},
    },
    render::Stage,
    store::{DeliveredFile, NewEvent},
};

pub const TOKEN: &str = "abcdefghijklmnopqrstuvwxyz";
pub const FILE: &str = "805ec0123456.cfg";
pub const UA: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:56";

#[derive(Default)]
pub struct Memory {
    pub phones: Mutex<HashMap<PhoneId, Arc<Phone>>>,
    pub happenings: Mutex<Vec<NewEvent>>,
    pub seen: Mutex<Vec<RequestRecord>>,
    pub uploads: Mutex<Vec<(String, Bytes)>>,
    pub kept: Mutex<Vec<DeliveredFile>>,
    pub policy: Mutex<Policy>,
    pub scheme: Mutex<Option<Scheme>>,
    pub shared: Mutex<Option<Arc<Credentials>>>,
    pub revision: AtomicU64,
    pub body: Mutex<Bytes>,
    pub rendered: Mutex<HashMap<(u64, Stage), Arc<File>>>,
}

impl Memory {
    pub fn phone(&self) -> Arc<Phone> {
        self.phones.lock().unwrap()[&PhoneId(7)].clone()
    }

    pub fn edit(&self, edit: impl FnOnce(&mut Phone)) {
        let mut phone = (*self.phone()).clone();
        edit(&mut phone);
        self.phones.lock().unwrap().insert(phone.id, Arc::new(phone));
    }
}

impl Records for Memory {
    fn by_token(&self, token: &str) -> Option<Arc<Phone>> {
        self.phones.lock().unwrap().values().find(|phone| phone.token.matches(token)).cloned()
    }

    fn by_mac(&self, instance: InstanceId, mac: Mac) -> Option<Arc<Phone>> {
        self.phones.lock().unwrap().values().find(|phone| phone.instance == instance && phone.mac == mac).cloned()
    }

    fn change(&self, phone: PhoneId, change: RecordChange) -> BoxFuture<'static, Result<Arc<Phone>, RecordError>> {
        let mut phones = self.phones.lock().unwrap();
        let mut record = (*phones[&phone]).clone();
        change(&mut record, &mut self.happenings.lock().unwrap());
        let record = Arc::new(record);
        phones.insert(phone, record.clone());
        Box::pin(async move {
            // Simulate the delay of a disk by yielding to other tasks.
            tokio::task::yield_now().await;
            Ok(record)
        })
    }

    fn change_later(
        &self,
        phone: PhoneId,
        change: RecordChange,
    ) -> BoxFuture<'static, Result<Arc<Phone>, RecordError>> {
        self.change(phone, change)
    }

    fn record_request(&self, note: RequestRecord) {
        self.seen.lock().unwrap().push(note);
    }

    fn store_delivered(&self, file: DeliveredFile) {
        self.kept.lock().unwrap().push(file);
    }

    fn save_upload(&self, _: PhoneId, name: String, bytes: Bytes) -> BoxFuture<'static, Result<(), RecordError>> {
        self.uploads.lock().unwrap().push((name, bytes));
        Box::pin(async { Ok(()) })
    }
}

impl FileService for Memory {
    fn revision(&self, _: InstanceId) -> u64 {
        self.revision.load(Ordering::Relaxed)
    }

    fn recognise(&self, user_agent: Option<&str>, file: &str) -> Recognised {
        let (stem, extension) = file.split_once('.').unwrap_or((file, ""));
        let personal = Mac::from_hex(stem);
        let upload = stem.strip_suffix("-local").and_then(Mac::from_hex);
        let kind = match (personal, upload, extension) {
            (Some(_), _, "cfg") => FileKind::Personal,
            (_, Some(_), "cfg") => FileKind::Upload,
            (None, None, "cfg") if stem.starts_with('y') => FileKind::Common,
            _ => FileKind::Other,
        };
        let model = user_agent.and_then(|text| text.split_whitespace().nth(1));
        Recognised {
            vendor: Some("yealink".into()),
            model: model.map(Into::into),
            firmware: user_agent.and_then(|text| text.split_whitespace().nth(2)).map(Into::into),
            mac: personal.or(upload),
            kind,
            family: model.unwrap_or_default().into(),
            whole: Recognition {
                vendor: Some("yealink".into()),
                model: None,
                firmware: None,
                mac: None,
                agent_mac: None,
                kind: crate::catalog::FileKind::Other,
                name: None,
                file_vendor: None,
                basis: match user_agent {
                    Some(text) if text.contains("curl") => crate::catalog::Basis::Nothing,
                    _ => crate::catalog::Basis::Agent,
                },
            },
        }
    }

    fn scheme(&self, _: Option<&str>) -> Scheme {
        if let Some(scheme) = *self.scheme.lock().unwrap() {
            return scheme;
        }
        match self.policy.lock().unwrap().clear_passwords {
            true => Scheme::Basic,
            false => Scheme::Digest(Algorithm::Md5),
        }
    }

    fn policy(&self, _: InstanceId, _: Option<&Phone>, _: &Recognised) -> Policy {
        *self.policy.lock().unwrap()
    }

    fn shared_account(&self, _: InstanceId) -> Option<Arc<Credentials>> {
        self.shared.lock().unwrap().clone()
    }

    fn render(
        &self,
        _: &Instance,
        phone: Option<&Phone>,
        _: &Recognised,
        stage: Stage,
        _: Option<&str>,
    ) -> Result<Option<Arc<File>>, String> {
        let revision = phone.map_or(0, |phone| phone.revision);
        let mut rendered = self.rendered.lock().unwrap();
        let file = rendered.entry((revision, stage)).or_insert_with(|| {
            let body = match stage {
                Stage::Personal => self.body.lock().unwrap().clone(),
                Stage::Open => Bytes::from_static(b"open"),
            };
            let etag = format!("\"{revision}-{stage:?}\"");
            Arc::new(File {
                body,
                etag,
                content_type: "text/plain".to_owned(),
                format: crate::catalog::Format::YealinkCfg,
                notes: Vec::new(),
            })
        });
        Ok(Some(file.clone()))
    }
}

pub struct Told(pub mpsc::UnboundedSender<(PhoneId, Option<Reason>)>);

impl Deliveries for Told {
    fn delivered(&self, phone: PhoneId) {
        let _ = self.0.send((phone, None));
    }

    fn notify_request(&self, phone: PhoneId, reason: Reason) {
        let _ = self.0.send((phone, Some(reason)));
    }
}

pub struct Teapot;

impl Upgrade for Teapot {
    /// A websocket that is requested correctly stays open and answers pings.
    fn upgrade(
        &self,
        request: HttpRequest,
        payload: Payload,
        instance: Arc<Instance>,
    ) -> LocalBoxFuture<'static, HttpResponse> {
        Box::pin(async move {
            match actix_ws::handle(&request, payload) {
                Ok((answer, mut session, mut stream)) => {
                    tokio::task::spawn_local(async move {
                        while let Some(Ok(message)) = stream.recv().await {
                            if let actix_ws::Message::Ping(data) = message {
                                let _ = session.pong(&data).await;
                            }
                        }
                    });
                    answer
                }
                Err(_) => HttpResponse::ImATeapot().body(instance.label()),
            }
        })
    }
}

impl Scripts for Teapot {
    fn answer(
        self: Arc<Self>,
        _: HttpRequest,
        _: Payload,
        _: Arc<Instance>,
        path: String,
    ) -> LocalBoxFuture<'static, HttpResponse> {
        Box::pin(async move { HttpResponse::ImATeapot().body(path) })
    }
}

impl Pages for Teapot {
    fn page(
        &self,
        _: &HttpRequest,
        _: &mut Payload,
        _: &Arc<Instance>,
        path: &str,
    ) -> Option<LocalBoxFuture<'static, HttpResponse>> {
        (path == "gangway-admin.htm").then(|| Box::pin(async { HttpResponse::Ok().body("page") }) as _)
    }
}

/// A running listener.
pub struct TestServer {
    pub memory: Arc<Memory>,
    pub clock: ManualClock,
    pub http: SocketAddr,
    pub https: Option<SocketAddr>,
    pub told: mpsc::UnboundedReceiver<(PhoneId, Option<Reason>)>,
    handle: ServerHandle,
    tasks: Tasks,
}

/// TLS settings with these certificates, without client CAs and limits.
pub fn over_tls(certificates: Arc<Certificates>) -> TlsSettings {
    let registry = crate::catalog::Registry::load_shared(None).unwrap();
    TlsSettings {
        certificates,
        issuers: ClientCaStore::load(registry, std::path::Path::new("")).0,
        failures: Arc::default(),
        bounds: Bounds { connections: 0, handshakes_per_second: 0 },
    }
}

pub fn instance() -> Instance {
    Instance {
        id: InstanceId(1),
        domain: "example.com".to_owned(),
        name: "gw".to_owned(),
        password: Secret::new("secret"),
        public_url: None,
        phone_url: None,
        devices_ca: None,
        devices_url: None,
        devices_pin: None,
        misspelt_service_info: false,
        admin_password: None,
        admin_password_login: false,
        pbx_apply: false,
        admin_from: Vec::new(),
        frame_ancestors: Vec::new(),
    }
}

impl TestServer {
    pub async fn open() -> Self {
        Self::with(None).await
    }

    /// Starts as many workers as on a machine with this many cores.
    pub async fn with_workers(workers: usize) -> Self {
        Self::built(None, Timeouts::default(), (workers, 10_000), "127.0.0.1:0").await
    }

    /// Starts one worker that may have this many connections open.
    pub async fn with_room_for(connections: usize) -> Self {
        Self::built(None, Timeouts::default(), (1, connections), "127.0.0.1:0").await
    }

    /// Listens on an IPv6 address that also accepts IPv4, as `[::]:8080` does.
    pub async fn dual_stack() -> Self {
        let mut server = Self::built(None, Timeouts::default(), (1, 10_000), "[::]:0").await;
        server.http = SocketAddr::from(([127, 0, 0, 1], server.http.port()));
        server
    }

    pub async fn with(certificates: Option<Arc<Certificates>>) -> Self {
        Self::with_tls(certificates.map(over_tls), Timeouts::default()).await
    }

    pub async fn with_tls(tls: Option<TlsSettings>, timeouts: Timeouts) -> Self {
        Self::built(tls, timeouts, (1, 10_000), "127.0.0.1:0").await
    }

    async fn built(
        tls: Option<TlsSettings>,
        timeouts: Timeouts,
        (workers, connections_per_worker): (usize, usize),
        http: &str,
    ) -> Self {
        let memory = Arc::new(Memory::default());
        *memory.body.lock().unwrap() = Bytes::from(vec![b'x'; 16 * 1024]);
        memory.phones.lock().unwrap().insert(PhoneId(7), Arc::new(sample::phone()));
        let clock = ManualClock::new(sample::at(10));
        let tasks = Tasks::new();
        let (sender, told) = mpsc::unbounded_channel();
        let deps = AppState::new(HttpDependencies {
            instances: Instances::new(vec![instance()]),
            records: memory.clone(),
            files: memory.clone(),
            deliveries: Arc::new(Told(sender)),
            upgrade: Arc::new(Teapot),
            pages: Arc::new(Teapot),
            scripts: Arc::new(Teapot),
            clock: Arc::new(clock.clone()),
            tasks: tasks.clone(),
            proxies: Proxies::new(vec!["127.0.0.9/32".parse().unwrap()]),
            subject_header: Some(HeaderName::from_static("x-subject")),
            bootstraps: None,
            nonce_key: [7; 32],
            passive: false,
            scanners: Arc::new(ScanDetector::new(&[7; 32])),
            unlisted_proxies: Arc::default(),
        })
        .unwrap();
        let addresses = ListenAddresses {
            http: vec![http.to_owned()],
            https: tls.iter().map(|_| "127.0.0.1:0".to_owned()).collect(),
            tls,
            timeouts,
            workers,
            connections_per_worker,
            shutdown: Duration::from_secs(1),
        };
        let listening = listen(&addresses, &deps).unwrap();
        let handle = listening.server.handle();
        tasks.spawn_local("server", async move {
            let _ = listening.server.await;
        });
        Self { memory, clock, http: listening.http[0], https: listening.https.first().copied(), told, handle, tasks }
    }

    pub async fn close(self) {
        self.handle.stop(false).await;
        assert_eq!(self.tasks.finish(Duration::from_secs(5)).await, 0);
    }

    /// Sends a request from `source`, byte for byte, and reads the complete response.
    pub async fn send(&self, source: &str, request: &str, body: &[u8]) -> Response {
        let mut stream = self.connect(source).await;
        stream.write_all(request.as_bytes()).await.unwrap();
        // A server that has rejected the request may close the connection during the write.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        let bodiless = request.starts_with("HEAD");
        // Stop when the response is complete: a connection whose request was not read completely stays open for a
        // while.
        while !Response::is_whole(&bytes, bodiless) {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
        Response::parse(&bytes)
    }

    pub async fn connect(&self, source: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(source.parse().unwrap(), 0)).unwrap();
        socket.connect(self.http).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.request("GET", path, "").await
    }

    pub async fn request(&self, method: &str, path: &str, headers: &str) -> Response {
        self.request_from("127.0.0.1", method, path, headers).await
    }

    pub async fn request_from(&self, source: &str, method: &str, path: &str, headers: &str) -> Response {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: gw\r\nUser-Agent: {UA}\r\nConnection: close\r\n{headers}\r\n");
        self.send(source, &request, b"").await
    }

    /// Runs curl, which shares no code with gangway.
    pub async fn curl(&self, arguments: &[&str]) -> (u16, Vec<u8>) {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--max-time", "10", "--user-agent", UA, "--write-out", "\n%{http_code}"])
            .args(arguments)
            .stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("curl is installed");
        let at = output.stdout.iter().rposition(|byte| *byte == b'\n').expect("curl wrote a status");
        let status = std::str::from_utf8(&output.stdout[at + 1..]).unwrap().parse().unwrap();
        (status, output.stdout[..at].to_vec())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}/example.com/gw/phone/{path}", self.http)
    }
}

pub fn path(file: &str) -> String {
    format!("/example.com/gw/phone/{file}")
}

pub fn with_token(file: &str) -> String {
    path(&format!("{TOKEN}/{file}"))
}
