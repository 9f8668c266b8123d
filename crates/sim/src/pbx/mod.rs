//! A simulated PBX, written from the SDK pages "AppWebsocket", "Services" and "PbxAdminApi". It connects to the gateway
//! for every app object with the Websocket mark, serves Services and PbxAdminApi on that connection, and accepts
//! registrations of simulated phones.

mod admin_api;
mod app_object_api;
mod link;
mod objects;
mod registrar;
mod registration;
mod services;
mod state;

use std::{io, time::Duration};

use serde_json::Value;

pub(super) use objects::is_hw;
pub use objects::{AppObject, PbxUser};
pub use registrar::RegisterAnswer;
pub use registration::Registration;
pub use services::ServiceLogin;
pub use state::{Direction, PbxConfig, PbxState, PbxSwitches, Recorded};

use crate::{board::Board, gate::Gates, host::HostHandle, server::SimServer};

/// A running PBX. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct Pbx {
    host: HostHandle,
    board: Board<PbxState>,
    gates: Gates,
    server: SimServer,
}

impl Pbx {
    /// Starts a PBX without users and app objects.
    pub async fn start(host: &HostHandle, config: PbxConfig) -> io::Result<Self> {
        let board = Board::new(PbxState::new(config));
        let phones = board.clone();
        let server = SimServer::start(host, move |services| registrar::routes(services, phones.clone())).await?;
        Ok(Self { host: host.clone(), board, gates: Gates::default(), server })
    }

    /// State and records of the PBX. Tests can read it and wait for changes.
    #[must_use]
    pub fn board(&self) -> &Board<PbxState> {
        &self.board
    }

    /// The gates: `<mt>` holds a request before it is carried out, `<mt>Result` holds the answer afterwards.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// URL at which simulated phones register (`POST`, JSON). It represents the PBX's SIP port.
    #[must_use]
    pub fn register_url(&self) -> String {
        format!("{}/register", self.server.base())
    }

    /// Adds a user object and returns its guid.
    #[must_use]
    pub fn add_user(&self, user: PbxUser) -> String {
        let guid = user.guid.clone();
        self.board.change(|state| state.users.push(user));
        guid
    }

    /// Adds an app object, replacing one of the same name. Connects it if it has the Websocket mark.
    pub fn add_app(&self, app: AppObject) {
        let name = app.name.clone();
        let connects = app.websocket;
        let known = self.board.change(|state| {
            let known = state.apps.contains_key(&name);
            state.apps.insert(name.clone(), app);
            state.services_version += 1;
            known && state.links.contains_key(&name)
        });
        if known {
            self.drop_link(&name);
        } else if connects {
            let (board, gates) = (self.board.clone(), self.gates.clone());
            let born = self.board.change(|state| {
                let born = state.services_version;
                state.links.insert(name.clone(), state::Link { born, ..state::Link::default() });
                born
            });
            self.host.spawn("sim pbx link", move |tasks| link::stay_connected(tasks, board, gates, name, born));
        }
    }

    /// Removes an app object and ends its connection.
    pub fn remove_app(&self, name: &str) {
        self.board.change(|state| {
            state.apps.remove(name);
            state.links.remove(name);
            state.services_version += 1;
        });
    }

    /// Changes an app object in place and notifies subscribers of Services.
    pub fn edit_app(&self, name: &str, edit: impl FnOnce(&mut AppObject)) {
        self.board.change(|state| {
            if let Some(app) = state.apps.get_mut(name) {
                edit(app);
            }
            state.services_version += 1;
        });
    }

    /// Drops the connection of one app object; the PBX reconnects.
    pub fn drop_link(&self, name: &str) {
        self.board.change(|state| {
            if let Some(link) = state.links.get_mut(name) {
                link.epoch += 1;
            }
        });
    }

    /// Simulates a restart: drops every connection and every registration. The connections are opened again.
    pub fn restart(&self) {
        self.board.change(|state| {
            state.regs.clear();
            state.links.values_mut().for_each(|link| link.epoch += 1);
        });
    }

    /// Goes offline until [`Pbx::come_back`].
    pub fn go_away(&self) {
        self.board.change(|state| {
            state.switches.away = true;
            state.regs.clear();
            state.links.values_mut().for_each(|link| link.epoch += 1);
        });
    }

    /// Goes online again after [`Pbx::go_away`].
    pub fn come_back(&self) {
        self.board.change(|state| state.switches.away = false);
    }

    /// Changes the selected behaviours.
    pub fn switch(&self, set: impl FnOnce(&mut PbxSwitches)) {
        self.board.change(|state| set(&mut state.switches));
    }

    /// Changes a user's name and long name, as an administrator would.
    pub fn rename_user(&self, guid: &str, h323: &str, cn: &str) {
        self.edit_user(guid, |user| {
            user.h323 = h323.into();
            user.cn = cn.into();
        });
    }

    /// Deletes a device entry from the user that has it.
    pub fn delete_device(&self, hw: &str) {
        self.board.change(|state| {
            for user in &mut state.users {
                user.devices.retain(|device| !objects::is_hw(device, hw));
            }
            state.regs.retain(|reg| !reg.hw.eq_ignore_ascii_case(hw));
        });
    }

    /// Deletes a user object.
    pub fn delete_user(&self, guid: &str) {
        self.board.change(|state| {
            state.users.retain(|user| user.guid != guid);
            state.regs.retain(|reg| reg.guid != guid);
        });
    }

    /// Changes a user object in place.
    pub fn edit_user(&self, guid: &str, edit: impl FnOnce(&mut PbxUser)) {
        self.board.change(|state| state.users.iter_mut().find(|user| user.guid == guid).map(edit));
    }

    /// The current device entry with this hardware id.
    #[must_use]
    pub fn device(&self, hw: &str) -> Option<Value> {
        self.board.read(|state| state.device(hw).cloned())
    }

    /// The registration of a hardware id.
    #[must_use]
    pub fn registration(&self, hw: &str) -> Option<Registration> {
        self.board.read(|state| state.regs.iter().find(|reg| reg.hw.eq_ignore_ascii_case(hw)).cloned())
    }

    /// Forbidden writes by the gateway; should be empty.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        self.board.read(|state| state.violations.clone())
    }

    /// Waits until the app object's connection is logged in and has published its AppInfo.
    pub async fn wait_connected(&self, app: &str) -> Result<(), crate::board::NotInTime> {
        let what = format!("the connection of the app object '{app}'");
        self.board.wait(&what, |state| state.links.get(app).filter(|link| link.info_seen).map(|_| ())).await
    }

    /// Waits until a provider publishes this title and returns the name of its app object.
    pub async fn wait_provider(&self, title: &str) -> Result<String, crate::board::NotInTime> {
        self.board.wait(&format!("the provider '{title}'"), |state| state.provider(title)).await
    }

    /// The login of app object `from` at the service of app object `to`, as GetServiceLogin would return it.
    #[must_use]
    pub fn service_login(&self, from: &str, to: &str) -> Option<ServiceLogin> {
        self.board.read(|state| state.service_login(from, to))
    }

    /// Sets how long the PBX waits before it reconnects after a failure: `first`, then doubled up to `most`.
    pub fn set_reconnect(&self, first: Duration, most: Duration) {
        self.switch(|switches| switches.reconnect = (first, most));
    }
}
