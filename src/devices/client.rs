//! Keeps client links to the Devices app up, one per instance and announced Devices service. The login comes from the
//! PBX (GetServiceLogin), so a link waits while no PBX is connected. After a restart of either side the link recovers
//! automatically: it discovers the service, logs in, gets a new session key and loads the lists again.

mod codes;
mod lists;
mod membership;

use std::{
    collections::{BTreeMap, HashMap},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

pub use codes::{DevicesCategory, DevicesCode, DevicesError, DevicesStatus};
use gangway_base::{clock::SharedClock, tasks::Tasks};
use gangway_wire::appws::{
    Login,
    client::{Action, Session},
    devices::{Device, Domain},
    services::{DEVICES_API, GetServiceLoginResult, Service, get_service_login},
};
use jiff::Timestamp;
pub use membership::Membership;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    net::{
        NetError,
        appwebsocket::{Link, LinkDriver, LinkError, link},
        backoff::Backoff,
        websocket::{self, CloseCode, WsConn, WsFrame, WsLimits},
    },
    pbx::sessions::PbxSessions,
    phone::instance::InstanceId,
};

/// How long a link that is no longer needed may take to close.
const GOODBYE: Duration = Duration::from_secs(3);
/// How often the categories of devices are read again. Devices does not tell that a device got another one.
const REFRESH: Duration = Duration::from_secs(60 * 60);

/// An event from a Devices app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DevicesEvent {
    /// The device list was loaded.
    Listed(InstanceId),
    /// A device was removed from Devices.
    Removed {
        /// The tenant.
        instance: InstanceId,
        /// The device's hardware ID.
        hw_id: String,
    },
    /// Domain and category of devices were read, or may have changed.
    Memberships {
        /// The tenant.
        instance: InstanceId,
        /// Where the devices belong.
        memberships: Vec<Membership>,
    },
}

/// The state of one Devices app.
#[derive(Debug, Clone, Default)]
pub struct DevicesState {
    /// When the link came up; `None` while it is down.
    pub up: Option<Timestamp>,
    /// Why the link is down.
    pub error: Option<String>,
    /// The link for requests while it is up.
    pub link: Option<Link>,
    /// The sysclient URL of this Devices app.
    pub sysclients: Option<String>,
    /// Whether the login administers all domains.
    pub admin: bool,
    /// Domains by id.
    pub domains: BTreeMap<u64, Domain>,
    /// Devices by hardware ID in lower case.
    pub devices: HashMap<String, Device>,
    /// Names of the categories of devices by hardware ID in lower case, as far as they are known.
    pub categories: HashMap<String, String>,
    /// The lists of this connection have been loaded.
    pub is_listed: bool,
    /// When the categories are read again because a device appeared or moved.
    refresh_from: Option<Timestamp>,
    /// When the categories were read last.
    refreshed: Option<Timestamp>,
}

/// Limits of devices per service, and of the total text length of one device in bytes.
const MOST_DEVICES: usize = 100_000;
const DEVICE_BYTES: usize = 1024;

impl DevicesState {
    /// Stores a device, within the limits per service.
    fn keep(&mut self, device: Device) {
        let texts = [&device.id, &device.hw_id, &device.product, &device.version, &device.kind];
        let texts = texts.into_iter().chain(&device.name).chain(&device.categories);
        let hw_id = device.hw_id.to_ascii_lowercase();
        let is_room = self.devices.len() < MOST_DEVICES || self.devices.contains_key(&hw_id);
        if is_room && texts.map(|text| text.len() + size_of::<String>()).sum::<usize>() <= DEVICE_BYTES {
            self.devices.insert(hw_id, device);
        } else {
            tracing::debug!("a device is not kept: Devices tells of too many, or too much of it");
        }
    }
}

type States = Arc<RwLock<HashMap<(InstanceId, String), DevicesState>>>;

/// Returns the TLS configuration of an instance's outgoing links; made once per instance.
pub type InstanceTls = Arc<dyn Fn(InstanceId) -> Arc<rustls::ClientConfig> + Send + Sync>;

/// The links to Devices. Cheap to clone and usable from any thread.
#[derive(Clone, Default)]
pub struct DevicesLinks {
    states: States,
}

struct Shared {
    sessions: PbxSessions,
    states: States,
    events: mpsc::Sender<DevicesEvent>,
    tls: InstanceTls,
    clock: SharedClock,
    tasks: Tasks,
}

impl DevicesLinks {
    /// The states by instance and service URL, for status pages and `/readyz`.
    #[must_use]
    pub fn states(&self) -> HashMap<(InstanceId, String), DevicesState> {
        self.states.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Starts keeping the links up. Runs on the caller's arbiter (the sockets are not `Send`).
    pub fn start(
        &self,
        sessions: PbxSessions,
        events: mpsc::Sender<DevicesEvent>,
        tls: InstanceTls,
        clock: SharedClock,
        tasks: &Tasks,
    ) {
        let shared =
            Arc::new(Shared { sessions, states: Arc::clone(&self.states), events, tls, clock, tasks: tasks.clone() });
        tasks.spawn_local("devices-links", supervise(shared));
    }
}

/// Starts a link supervisor for every announced service. Stops the supervisors of services that the PBX no longer
/// announces.
async fn supervise(shared: Arc<Shared>) {
    let mut changes = shared.sessions.changes();
    let supervisors: Mutex<HashMap<(InstanceId, String), CancellationToken>> = Mutex::default();
    loop {
        let instance = tokio::select! {
            change = changes.recv() => match change {
                Ok(change) => change.0,
                // Missed notifications are caught up at the next change of the same instance.
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => continue,
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            },
            () = shared.tasks.stopping() => return,
        };
        let announced = shared.sessions.services(instance, DEVICES_API);
        let connected = !shared.sessions.of(instance).is_empty();
        let mut supervisors = supervisors.lock().unwrap_or_else(PoisonError::into_inner);
        for (service, _) in &announced {
            supervisors.entry((instance, service.url.clone())).or_insert_with(|| {
                let ended = CancellationToken::new();
                let service = service.clone();
                let supervisor =
                    LinkSupervisor { instance, service, shared: Arc::clone(&shared), ended: ended.clone() };
                shared.tasks.spawn_local("devices-link", supervisor.keep());
                ended
            });
        }
        // While no PBX is connected, links stay. A connected PBX that no longer announces the service ends the link.
        if connected && !announced.is_empty() {
            supervisors.retain(|(of, url), ended| {
                let stays = *of != instance || announced.iter().any(|(service, _)| service.url == *url);
                if !stays {
                    ended.cancel();
                }
                stays
            });
        }
    }
}

/// Loads the lists while messages continue to be read.
type Loader<'a> = Pin<Box<dyn Future<Output = Result<(), LinkError>> + 'a>>;

struct LinkSupervisor {
    instance: InstanceId,
    service: Service,
    shared: Arc<Shared>,
    ended: CancellationToken,
}

impl LinkSupervisor {
    async fn keep(self) {
        let addresses = self.service.addresses();
        if addresses.is_empty() {
            return;
        }
        let sysclients = self.service.sysclients().map(String::from);
        self.state(|state| state.sysclients = sysclients);
        let mut form = 0;
        let Ok(backoff) = Backoff::new(Duration::from_secs(1), Duration::from_secs(60)) else { return };
        let mut attempt = 0;
        loop {
            let Some(url) = addresses.get(form % addresses.len()) else { return };
            let end = {
                let mut connection = std::pin::pin!(self.connect(url));
                tokio::select! {
                    biased;
                    end = &mut connection => end,
                    _ = self.leaving() => {
                        // Wait for the link to close, but not if it is busy with something slower.
                        let _ = tokio::time::timeout(GOODBYE, connection).await;
                        break;
                    }
                }
            };
            // After a link has worked, retry with the shortest pause.
            let (was_up, has_worked) =
                self.state(|state| (state.up.take().is_some(), std::mem::take(&mut state.is_listed)));
            attempt = if has_worked { 0 } else { attempt + 1 };
            tracing::info!(service = %self.service.name, url = %url, reason = %end, "link to Devices down");
            self.state(|state| (state.error, state.link) = (Some(end.text), None));
            if end.is_refused_upgrade && !was_up {
                // Another form of the address may be the right one. Each is tried once before the pause.
                form += 1;
                if form % addresses.len() != 0 {
                    continue;
                }
            }
            let pause = backoff.pause(attempt, rand::random());
            let again = self.shared.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
            tokio::select! {
                () = self.shared.clock.sleep_until(again) => {}
                _ = self.leaving() => break,
            }
        }
        let key = self.key();
        self.shared.states.write().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    /// Completes when the link is no longer needed; returns the close code to send.
    async fn leaving(&self) -> CloseCode {
        tokio::select! {
            () = self.ended.cancelled() => CloseCode::Normal,
            () = self.shared.tasks.stopping() => CloseCode::Away,
        }
    }

    fn key(&self) -> (InstanceId, String) {
        (self.instance, self.service.url.clone())
    }

    fn state<T>(&self, change: impl FnOnce(&mut DevicesState) -> T) -> T {
        change(self.shared.states.write().unwrap_or_else(PoisonError::into_inner).entry(self.key()).or_default())
    }

    /// Runs one connection from opening to its end. Returns why it ended.
    async fn connect(&self, url: &Url) -> LinkEnd {
        match websocket::connect((self.shared.tls)(self.instance), url, WsLimits::default()).await {
            Ok(socket) => LinkEnd { text: self.talk(socket).await, is_refused_upgrade: false },
            Err(error) => {
                let is_refused_upgrade = matches!(error, NetError::Status { .. } | NetError::Redirected { .. });
                LinkEnd { text: error.to_string(), is_refused_upgrade }
            }
        }
    }

    async fn talk(&self, mut socket: WsConn) -> String {
        let (mut session, actions) = Session::open(self.shared.clock.now());
        let (handle, mut end) = link();
        let mut loader = None;
        let mut refresh = self.shared.clock.now().saturating_add(REFRESH).unwrap_or(Timestamp::MAX);
        if let Err(reason) = self.act(actions, &mut session, &mut socket, &mut end, &handle, &mut loader).await {
            return reason;
        }
        loop {
            let now = self.shared.clock.now();
            let timer = session.timer().unwrap_or(Timestamp::MAX);
            let actions = tokio::select! {
                frame = socket.next() => match frame {
                    Some(Ok(WsFrame::Text(text))) => session.on_text(&text, now),
                    // The connection itself answers pings; binary messages are not part of this protocol.
                    Some(Ok(WsFrame::Binary(_) | WsFrame::Ping(_))) => {
                        session.received();
                        Vec::new()
                    }
                    Some(Ok(WsFrame::Pong(_))) => {
                        session.on_pong();
                        Vec::new()
                    }
                    Some(Ok(WsFrame::Close(_))) => return "Devices closed the connection".to_owned(),
                    Some(Err(error)) => return error.to_string(),
                    None => return "Devices closed the connection".to_owned(),
                },
                Some(text) = end.next() => {
                    session.sent(now);
                    vec![Action::Send(text)]
                }
                code = self.leaving() => {
                    socket.close(code, "").await;
                    return "it is not wanted any more".to_owned();
                }
                () = self.shared.clock.sleep_until(timer) => session.on_timer(self.shared.clock.now()),
                () = self.shared.clock.sleep_until(self.refresh_at(refresh)), if loader.is_none() => {
                    refresh = self.shared.clock.now().saturating_add(REFRESH).unwrap_or(Timestamp::MAX);
                    self.state(|state| state.refresh_from = None);
                    let refreshing = handle.clone();
                    loader = Some(Box::pin(async move { self.load_categories(&refreshing).await }) as Loader<'_>);
                    Vec::new()
                }
                loaded = async { match &mut loader { Some(loader) => loader.await, None => std::future::pending().await } } => {
                    loader = None;
                    match loaded {
                        Ok(()) => Vec::new(),
                        Err(error) => return format!("Devices did not deliver its list: {error}"),
                    }
                }
            };
            if let Err(reason) = self.act(actions, &mut session, &mut socket, &mut end, &handle, &mut loader).await {
                return reason;
            }
        }
    }

    async fn act<'a>(
        &'a self,
        actions: Vec<Action>,
        session: &mut Session,
        socket: &mut WsConn,
        end: &mut LinkDriver,
        handle: &Link,
        loader: &mut Option<Loader<'a>>,
    ) -> Result<(), String> {
        let mut todo: std::collections::VecDeque<Action> = actions.into();
        while let Some(action) = todo.pop_front() {
            match action {
                Action::Send(text) => {
                    socket.send(WsFrame::Text(text.into())).await.map_err(|error| error.to_string())?;
                }
                Action::Ping => socket.ping().await.map_err(|error| error.to_string())?,
                Action::NeedLogin { challenge } => {
                    let login = self.login(&challenge).await?;
                    todo.extend(session.login(&login));
                }
                Action::Ready { .. } => {
                    tracing::info!(service = %self.service.name, "link to Devices up");
                    self.state(|state| {
                        state.up = Some(self.shared.clock.now());
                        state.error = None;
                        state.link = Some(handle.clone());
                    });
                    *loader = Some(Box::pin(self.load(handle.clone())));
                }
                Action::Deliver(message) => {
                    if let Some(message) = end.answer(*message) {
                        self.indication(&message).await;
                    }
                }
                Action::Ignored => {}
                Action::Close(reason) => return Err(reason.to_string()),
            }
        }
        Ok(())
    }

    /// Requests a login from the PBX that announced the service.
    async fn login(&self, challenge: &str) -> Result<Login, String> {
        let services = self.shared.sessions.services(self.instance, DEVICES_API);
        let session = services.into_iter().find(|(service, _)| service.url == self.service.url).map(|(_, pbx)| pbx);
        let Some(session) = session else {
            return Err("no PBX is connected that could log us in to Devices".to_owned());
        };
        let answer = session
            .link
            .request("GetServiceLogin", |src| get_service_login(src, &self.service.name, challenge))
            .await
            .map_err(|error| format!("the PBX gave no login for Devices: {error}"))?;
        match GetServiceLoginResult::parse(&answer) {
            Some(Ok(login)) => Ok(Login::forward(&login)),
            Some(Err(error)) => Err(format!("the PBX gave no login for Devices: {error}")),
            None => Err("the PBX answered GetServiceLogin with something else".to_owned()),
        }
    }
}

/// Why a connection ended.
struct LinkEnd {
    text: String,
    /// The peer answered the upgrade with another HTTP status.
    is_refused_upgrade: bool,
}

impl std::fmt::Display for LinkEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(hw_id: &str, name: &str) -> Device {
        let (id, product, version, kind) = ("1".to_owned(), "T46U".to_owned(), "108.86".to_owned(), "PHONE".to_owned());
        let (hw_id, name) = (hw_id.to_owned(), Some(name.to_owned()));
        let (domain_id, categories) = (None, vec!["Desk".to_owned()]);
        Device { id, hw_id, name, domain_id, product, version, kind, online: true, other: true, categories }
    }

    #[test]
    fn devices_without_end_are_not_kept() {
        let mut state = DevicesState::default();
        for number in 0..MOST_DEVICES + 10 {
            state.keep(device(&number.to_string(), "phone"));
        }
        assert_eq!(state.devices.len(), MOST_DEVICES);
        state.keep(device("7", "renamed"));
        assert_eq!(state.devices["7"].name.as_deref(), Some("renamed"), "those that are known change");
        state.keep(device("7", &"x".repeat(2_000)));
        assert_eq!(state.devices["7"].name.as_deref(), Some("renamed"));
    }
}
