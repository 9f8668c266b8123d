//! A simulated Users service. Its login and timing are undocumented, so this follows the page "Provisioning API" and
//! what the Services API gives a service. It looks for published providers, opens a separate AppWebsocket with a login
//! made by the PBX, writes the device entry and sends `ProvisioningPhone`.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    board::{Board, NotInTime},
    crypt,
    devices::Devices,
    host::HostHandle,
    pbx::{AppObject, Pbx},
    session::{AppSession, OpenError, Sender},
};

/// Whether and how `src` is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Src {
    /// A fresh `src` per request.
    #[default]
    Fresh,
    /// No `src`; answers are matched by their order.
    None,
    /// The given `src`.
    Given(String),
}

/// User input for one provisioning request, and how the message differs from the usual one.
#[derive(Debug, Clone)]
pub struct ProvisionRequest {
    /// The MAC as typed by the user.
    pub mac: String,
    /// Name of the user object.
    pub user: String,
    /// Title of the provider ("manufacturer").
    pub title: String,
    /// Category in Devices.
    pub category: u64,
    /// Use a code that is valid for 7 days instead of 15 minutes.
    pub rollout: bool,
    /// Use this code instead of a fresh one.
    pub code: Option<String>,
    /// Hardware id; defaults to the MAC's 12 lower-case hex digits.
    pub hwid: Option<String>,
    /// Name of the device, which becomes the name of its app; defaults to the title.
    pub device_name: Option<String>,
    /// Whether to write the device entry on the user object first.
    pub write_device: bool,
    /// See [`Src`].
    pub src: Src,
    /// Members of the message to replace; `null` leaves a member out.
    pub patch: BTreeMap<String, Value>,
    /// How long to wait for the answer.
    pub patience: Duration,
}

impl ProvisionRequest {
    /// Creates the usual request.
    #[must_use]
    pub fn new(mac: &str, user: &str, title: &str) -> Self {
        Self {
            mac: mac.into(),
            user: user.into(),
            title: title.into(),
            category: 1,
            rollout: false,
            code: None,
            hwid: None,
            device_name: None,
            write_device: true,
            src: Src::Fresh,
            patch: BTreeMap::new(),
            patience: Duration::from_secs(45),
        }
    }

    /// Replaces one member of the message (`null` leaves it out).
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.patch.insert(member.into(), value);
        self
    }
}

/// The provider's answer.
#[derive(Debug, Clone)]
pub struct ProvisionAnswer {
    /// True if `result` is `ok`.
    pub ok: bool,
    /// The error message of a failure.
    pub error: Option<String>,
    /// Time from sending the request to receiving the answer.
    pub took: Duration,
    /// The whole message.
    pub raw: Value,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// No app publishes the title.
    #[error(transparent)]
    NoProvider(#[from] NotInTime),
    /// The provider is not ticked for Users.
    #[error("the app object '{0}' is not ticked in the Apps tab of the Users object")]
    NotTicked(String),
    /// The PBX has no such user.
    #[error("the PBX has no user '{0}'")]
    NoUser(String),
    /// No connection to the provider.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The connection ended before the answer.
    #[error("the connection to the provider ended before it answered")]
    ConnectionLost,
    /// The provider did not answer in time.
    #[error("the provider did not answer within {0:?}")]
    TimedOut(Duration),
}

/// The service. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct Users {
    host: HostHandle,
    pbx: Pbx,
    devices: Devices,
    board: Board<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: BTreeMap<String, Connection>,
    next: u64,
    received: Vec<Value>,
}

#[derive(Debug)]
struct Connection {
    id: u64,
    out: Sender,
    key: String,
    by_src: HashMap<String, oneshot::Sender<Value>>,
    in_order: VecDeque<oneshot::Sender<Value>>,
}

impl Users {
    /// Name of the app object Profile, over which the service logs in to providers.
    pub const APP_OBJECT: &str = "profile";
    /// Name of the app object UsersAdmin.
    pub const ADMIN_OBJECT: &str = "usersadmin";

    /// Starts the service at a PBX. Adds or replaces the app objects of Profile and UsersAdmin, with `providers` ticked.
    #[must_use]
    pub fn start(host: &HostHandle, pbx: &Pbx, devices: &Devices, providers: &[&str]) -> Self {
        for (name, title) in [(Self::APP_OBJECT, "Profile"), (Self::ADMIN_OBJECT, "UsersAdmin")] {
            let url = format!("https://ap.example.com/example.com/usersapp/innovaphone-{name}");
            let mut app = AppObject::new(name, &url, "users password");
            app.dn = title.into();
            app.grants = providers.iter().map(|name| (*name).to_owned()).collect();
            pbx.add_app(app);
        }
        Self { host: host.clone(), pbx: pbx.clone(), devices: devices.clone(), board: Board::default() }
    }

    /// Provisions a phone as Profile and UsersAdmin do, and waits for the provider's answer.
    pub async fn provision(&self, request: ProvisionRequest) -> Result<ProvisionAnswer, UsersError> {
        let provider = self.pbx.wait_provider(&request.title).await?;
        let user = self.pbx.board().read(|state| state.user(&request.user).cloned());
        let user = user.ok_or_else(|| UsersError::NoUser(request.user.clone()))?;
        let hwid = request.hwid.clone().unwrap_or_else(|| {
            request.mac.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
        });
        if request.write_device {
            self.write_device(&user.guid, &hwid, request.device_name.as_ref().unwrap_or(&request.title));
        }
        let code = request.code.clone().unwrap_or_else(|| self.devices.make_code(request.category, request.rollout));
        let key = self.connect(&provider).await?;
        // A user without a password has nothing to encrypt.
        let seed = if user.password.is_empty() { String::new() } else { crypt::digits(23) };
        let hidden = if user.password.is_empty() { String::new() } else { crypt::encrypt(&seed, &key, &user.password) };
        let (domain, dns) = self.pbx.board().read(|state| (state.config.domain.clone(), state.config.dns.clone()));
        let mut message = json!({
            "mt": "ProvisioningPhone", "mac": request.mac, "code": code, "hwid": hwid, "usename": user.h323,
            "cn": user.cn, "seed1": seed, "password": hidden,
            "domain": domain, "dns": dns,
        });
        match &request.src {
            Src::Fresh => message["src"] = format!("users-{}", self.fresh()).into(),
            Src::Given(src) => message["src"] = src.clone().into(),
            Src::None => {}
        }
        for (member, value) in request.patch {
            match (value, message.as_object_mut()) {
                (Value::Null, Some(members)) => drop(members.shift_remove(&member)),
                (value, _) => message[member.as_str()] = value,
            }
        }
        self.exchange(&provider, message, request.patience).await
    }

    /// Sends any message to a provider's app object on the shared connection and waits for its answer.
    pub async fn exchange(
        &self,
        provider: &str,
        message: Value,
        patience: Duration,
    ) -> Result<ProvisionAnswer, UsersError> {
        self.connect(provider).await?;
        let (answer, waiting) = oneshot::channel();
        let out = self.board.change(|state| {
            let connection = state.connections.get_mut(provider)?;
            match message["src"].as_str() {
                Some(src) => drop(connection.by_src.insert(src.into(), answer)),
                None => connection.in_order.push_back(answer),
            }
            Some(connection.out.clone())
        });
        let since = Instant::now();
        let sent = match out {
            Some(out) => out.send(&message).await,
            None => false,
        };
        if !sent {
            return Err(UsersError::ConnectionLost);
        }
        let waited = tokio::time::timeout(patience, waiting).await.map_err(|_lost| UsersError::TimedOut(patience))?;
        let raw = waited.map_err(|_lost| UsersError::ConnectionLost)?;
        let error = raw["error"].as_str().map(str::to_owned);
        Ok(ProvisionAnswer { ok: raw["result"] == "ok", error, took: since.elapsed(), raw })
    }

    /// Returns the session key of the connection to a provider; opens the connection if necessary.
    pub async fn connect(&self, provider: &str) -> Result<String, UsersError> {
        let open = |state: &State| state.connections.get(provider).map(|connection| connection.key.clone());
        if let Some(key) = self.board.read(open) {
            return Ok(key);
        }
        let login = self.pbx.service_login(Self::APP_OBJECT, provider);
        let login = login.ok_or_else(|| UsersError::NotTicked(provider.into()))?;
        let mut session = AppSession::open(&self.host, &login.url, login.form).await?;
        let key = session.session_key().to_owned();
        let id = self.fresh();
        let connection = Connection {
            id,
            out: session.sender(),
            key: key.clone(),
            by_src: HashMap::new(),
            in_order: VecDeque::new(),
        };
        let taken = self.board.change(|state| {
            // Another task may have connected first. If so, all callers use its connection.
            if let Some(other) = state.connections.get(provider) {
                return Some(other.key.clone());
            }
            state.connections.insert(provider.into(), connection);
            None
        });
        if let Some(key) = taken {
            session.close().await;
            return Ok(key);
        }
        let (board, provider) = (self.board.clone(), provider.to_owned());
        self.host.spawn("sim users", move |_| async move {
            while let Some(message) = session.next().await {
                board.change(|state| state.take(&provider, message));
            }
            board.change(|state| {
                if state.connections.get(&provider).is_some_and(|connection| connection.id == id) {
                    state.connections.remove(&provider);
                }
            });
        });
        Ok(key)
    }

    /// All messages received from providers, in order.
    #[must_use]
    pub fn received(&self) -> Vec<Value> {
        self.board.read(|state| state.received.clone())
    }

    fn fresh(&self) -> u64 {
        self.board.change(|state| {
            state.next += 1;
            state.next
        })
    }

    /// Writes the entry as Users does: TLS only and Reverse Proxy set, nothing else.
    fn write_device(&self, guid: &str, hwid: &str, text: &str) {
        self.pbx.edit_user(guid, |user| {
            let own = user.devices.iter().position(|device| crate::pbx::is_hw(device, hwid));
            let entry = json!({ "hw": hwid, "text": text, "app": "phone", "tls": true, "trusted": true });
            match own.and_then(|index| user.devices.get_mut(index)) {
                Some(device) => {
                    device["tls"] = true.into();
                    device["trusted"] = true.into();
                }
                None => user.devices.push(entry),
            }
        });
    }
}

impl State {
    fn take(&mut self, provider: &str, message: Value) {
        if message["mt"] == "ProvisioningPhoneResult"
            && let Some(connection) = self.connections.get_mut(provider)
        {
            let waiting = match message["src"].as_str() {
                Some(src) => connection.by_src.remove(src),
                None => connection.in_order.pop_front(),
            };
            // The receiver is gone if the caller gave up on the request.
            waiting.map(|waiting| waiting.send(message.clone()));
        }
        self.received.push(message);
    }
}
