//! A simulated Devices service, written from the SDK pages "Devices" (AppWebsocket) and "sysclient" (binary websocket,
//! one per device).

mod api;
mod api_socket;
mod frame;
mod state;
mod sysclient;
#[cfg(test)]
mod tests;
mod tunnel;

use std::{io, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use gangway_base::clock::SharedClock;
use serde_json::{Value, json};
pub use state::{
    AddressForm, Category, CategoryFilter, ConfigItem, Connection, Device, DevicesState, DevicesSwitches, Domain,
    Station, SysclientRecord,
};
pub use tunnel::TunnelError;

use crate::{
    board::{Board, NotInTime},
    crypt,
    gate::Gates,
    host::HostHandle,
    server::SimServer,
};

/// Validity of a provisioning code: 15 minutes, or 7 days with rollout.
const CODE: Duration = Duration::from_secs(15 * 60);
const ROLLOUT_CODE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A running Devices service. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct Devices {
    board: Board<DevicesState>,
    gates: Gates,
    server: SimServer,
    path: String,
    app: String,
}

/// State shared by the websocket handlers.
#[derive(Debug, Clone)]
pub(super) struct Inside {
    board: Board<DevicesState>,
    gates: Gates,
}

impl Devices {
    /// Starts a Devices service for `domain` (id 1, the instance domain) with the given instance password. The SIP name
    /// of its app object is `devices-api`.
    pub async fn start(host: &HostHandle, domain: &str, password: &str, clock: SharedClock) -> io::Result<Self> {
        Self::start_named(host, domain, password, clock, "devices-api").await
    }

    /// Starts a Devices service whose app object has another SIP name: a PBX may grant several.
    pub async fn start_named(
        host: &HostHandle,
        domain: &str,
        password: &str,
        clock: SharedClock,
        app: &str,
    ) -> io::Result<Self> {
        let board = Board::new(DevicesState::new(domain, password, clock));
        let gates = Gates::default();
        let inside = Inside { board: board.clone(), gates: gates.clone() };
        let server = SimServer::start(host, move |services| {
            let inside = inside.clone();
            let open = move |request: HttpRequest, body: web::Payload| {
                let inside = inside.clone();
                async move { accept(&inside, &request, body) }
            };
            services.default_service(web::to(open));
        })
        .await?;
        Ok(Self { board, gates, server, path: format!("{domain}/devices"), app: app.to_owned() })
    }

    /// The service's state and records. Tests can read it and wait for changes.
    #[must_use]
    pub fn board(&self) -> &Board<DevicesState> {
        &self.board
    }

    /// The gates: `password`, `config` and `last` hold a sysclient before that message is sent (each also as
    /// `<gate>:<hwid>`); `<mt>` holds an AppWebsocket request before its answer.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// The URL of its app object at the PBX: `http://127.0.0.1:<port>/<domain>/devices/innovaphone-devices-api`.
    #[must_use]
    pub fn app_url(&self) -> String {
        format!("{}/{}/innovaphone-devices-api", self.server.base(), self.path)
    }

    /// Changes the instance path (`<domain>/<instance>`); the old address is no longer served.
    pub fn move_path(&mut self, path: &str) {
        self.path = path.trim_matches('/').into();
        let path = format!("/{}", self.path);
        self.board.change(|state| state.only_path = Some(path));
    }

    /// Closes all sockets and rejects new ones.
    pub async fn stop(&self) {
        self.server.stop().await;
        // The thread of the sockets ends a moment later. Until then their devices would count as connected.
        let _ = self.board.wait("all sockets to close", |state| state.connections.is_empty().then_some(())).await;
    }

    /// Starts the service again on the same port.
    pub async fn start_again(&self) -> io::Result<()> {
        self.server.start_again().await
    }

    /// Moves to another port permanently. The PBX needs the new [`Devices::app_url`].
    pub async fn move_away(&self) -> io::Result<()> {
        self.stop().await;
        self.server.move_away().await
    }

    /// Changes the selected behaviours.
    pub fn switch(&self, set: impl FnOnce(&mut DevicesSwitches)) {
        self.board.change(|state| set(&mut state.switches));
    }

    /// Adds a domain.
    #[must_use]
    pub fn add_domain(&self, name: &str) -> u64 {
        self.board.change(|state| {
            let id = state.next_id();
            state.domains.push(Domain { id, name: name.into(), password: None });
            id
        })
    }

    /// Adds a category to a domain; `config` marks it as a category for provisioning.
    #[must_use]
    pub fn add_category(&self, domain: u64, name: &str, config: bool) -> u64 {
        self.board.change(|state| {
            let id = state.next_id();
            state.categories.push(Category { id, domain, name: name.into(), config });
            id
        })
    }

    /// Renames a domain.
    pub fn rename_domain(&self, id: u64, name: &str) {
        self.board.change(|state| state.rename_domain(id, name));
    }

    /// Moves a device to another category of its domain.
    pub fn move_to_category(&self, hw_id: &str, category: u64) {
        self.board.change(|state| state.move_to_category(hw_id, category));
    }

    /// Creates a provisioning code for a category (by id), valid 15 minutes or, with `rollout`, 7 days.
    #[must_use]
    pub fn make_code(&self, category: u64, rollout: bool) -> String {
        self.board.change(|state| state.make_code(category, rollout).0)
    }

    /// Makes a code expire now.
    pub fn expire_code(&self, code: &str) {
        self.board.change(|state| {
            let now = state.clock.0.now();
            if let Some(entry) = state.codes.get_mut(code) {
                entry.valid_until = now;
            }
        });
    }

    /// Adds a configuration item, or replaces one with the same type and categories, and sends it to all connected
    /// devices it applies to.
    pub fn push_item(&self, item: &ConfigItem) {
        self.board.change(|state| {
            state.items.retain(|old| old.content["type"] != item.content["type"] || old.categories != item.categories);
            state.items.push(item.clone());
            state.send_to_all(item);
        });
    }

    /// Removes all items of a type. Nothing is sent, because no such message is documented.
    pub fn remove_items(&self, kind: &str) {
        self.board.change(|state| state.items.retain(|item| item.content["type"] != kind));
    }

    /// Deletes the device as an administrator does: removes it and closes its connection.
    pub fn forget(&self, hw_id: &str) {
        self.board.change(|state| {
            if let Some(device) = state.devices.remove(hw_id) {
                state.indicate("DeviceRemoved", &json!({ "device": device.describe() }));
            }
            state.close_connections(Some(hw_id));
        });
    }

    /// Closes the connection of one device without deleting the device.
    pub fn disconnect(&self, hw_id: &str) {
        self.board.change(|state| state.close_connections(Some(hw_id)));
    }

    /// Closes all sysclient connections.
    pub fn disconnect_all(&self) {
        self.board.change(|state| state.close_connections(None));
    }

    /// Adds a connected, unknown device to a category as an administrator does. The device receives a password during
    /// its session, then its configuration.
    pub fn adopt(&self, hw_id: &str, category: u64) {
        self.board.change(|state| state.adopt(hw_id, category));
    }

    /// Changes the administrative password and distributes it.
    pub fn set_admin_password(&self, password: &str) {
        self.board.change(|state| state.change_admin_password(password));
    }

    /// Sends bytes to the device's web server through the tunnel and collects its answer.
    pub async fn tunnel_request(&self, hw_id: &str, request: &[u8]) -> Result<Vec<u8>, TunnelError> {
        tunnel::exchange(&self.board, hw_id, request).await
    }

    /// Sends any bytes as one binary message to a device; returns false if it is not connected.
    #[must_use]
    pub fn send_raw(&self, hw_id: &str, bytes: Vec<u8>) -> bool {
        self.board.change(|state| state.send_to(hw_id, bytes))
    }

    /// The events of a device, in order.
    #[must_use]
    pub fn seen(&self, hw_id: &str) -> Vec<SysclientRecord> {
        self.board.read(|state| state.seen.iter().filter(|seen| seen.hw_id == hw_id).cloned().collect())
    }

    /// How often a device reached a station.
    #[must_use]
    pub fn count(&self, hw_id: &str, station: Station) -> usize {
        self.board.read(|state| state.count(hw_id, station))
    }

    /// Waits until a device is connected and has received its whole configuration.
    pub async fn wait_configured(&self, hw_id: &str) -> Result<(), NotInTime> {
        let done = |state: &DevicesState| state.connection(hw_id).filter(|found| found.configured).map(|_| ());
        self.board.wait(&format!("the configuration of {hw_id} being sent"), done).await
    }

    /// The app object to add to a PBX for this service.
    #[must_use]
    pub fn app_object(&self) -> crate::pbx::AppObject {
        let password = self.board.read(|state| state.password.clone());
        let mut app = crate::pbx::AppObject::new(&self.app, &self.app_url(), &password);
        app.dn = "Devices API".into();
        app.service_info = Some(json!({ "apis": { "com.innovaphone.devices": {} } }));
        app
    }
}

/// Accepts both kinds of websocket on one listener, as an App Platform does.
fn accept(inside: &Inside, request: &HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let path = request.path().trim_end_matches('/');
    let elsewhere =
        inside.board.read(|state| state.only_path.as_ref().is_some_and(|only| !path.starts_with(only.as_str())));
    if elsewhere || path.matches('/').count() < 2 {
        return Ok(HttpResponse::NotFound().finish());
    }
    let form = inside.board.read(|state| state.switches.address);
    let is_served = match form {
        _ if path.ends_with("/sysclients") => true,
        AddressForm::Any => true,
        AddressForm::Bare => !request.path().ends_with('/') && path.matches('/').count() == 2,
        AddressForm::App => path.ends_with("/innovaphone-devices-api"),
    };
    if !is_served {
        return Ok(HttpResponse::NotFound().finish());
    }
    let (response, session, stream) = actix_ws::handle(request, body)?;
    let stream = stream.max_frame_size(2 << 20).aggregate_continuations().max_continuation_size(2 << 20);
    // The listener's threads end with the listener, and these tasks end with the threads.
    let tasks = gangway_base::tasks::Tasks::new();
    if path.ends_with("/sysclients") {
        tasks.spawn_local("sim sysclient", sysclient::converse(inside.clone(), session, stream));
    } else {
        tasks.spawn_local("sim devices api", api_socket::converse(inside.clone(), session, stream));
    }
    Ok(response)
}

/// Returns a random sysclient password of 32 characters.
fn sysclient_password() -> String {
    let mut text = crypt::guid();
    text.replace_range(0..4, "aZ!_");
    text
}

/// Removes the `null` members of a JSON object.
fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}
