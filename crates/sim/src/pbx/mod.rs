//! A simulated PBX: our reading of the SDK pages "AppWebsocket", "Services" and "PbxAdminApi". It connects out to
//! the gateway for every app object with the Websocket mark, serves Services and PbxAdminApi there, and takes the
//! registrations of simulated phones.

mod admin_api;
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

/// A running PBX. Cheap to clone; all clones are one.
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

    /// Everything the PBX knows and has recorded; to look into and to wait on.
    #[must_use]
    pub fn board(&self) -> &Board<PbxState> {
        &self.board
    }

    /// The gates: `<mt>` holds a request before it is carried out, `<mt>Result` holds the answer afterwards.
    #[must_use]
    pub fn gates(&self) -> &Gates {
        &self.gates
    }

    /// Where simulated phones register (`POST`, JSON); stands for the PBX's SIP port.
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

    /// Adds an app object (one of the same name is replaced) and, with the Websocket mark, connects it.
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
            self.host.spawn("sim pbx link", move |tasks| link::keep_up(tasks, board, gates, name, born));
        }
    }

    /// Takes an app object away; its connection ends.
    pub fn remove_app(&self, name: &str) {
        self.board.change(|state| {
            state.apps.remove(name);
            state.links.remove(name);
            state.services_version += 1;
        });
    }

    /// Changes an app object in place; who subscribed to services hears of it.
    pub fn edit_app(&self, name: &str, edit: impl FnOnce(&mut AppObject)) {
        self.board.change(|state| {
            if let Some(app) = state.apps.get_mut(name) {
                edit(app);
            }
            state.services_version += 1;
        });
    }

    /// Drops the connection of one app object; it comes back by itself.
    pub fn drop_link(&self, name: &str) {
        self.board.change(|state| {
            if let Some(link) = state.links.get_mut(name) {
                link.epoch += 1;
            }
        });
    }

    /// Restarts: every connection and every registration is lost, the connections come back by themselves.
    pub fn restart(&self) {
        self.board.change(|state| {
            state.regs.clear();
            state.links.values_mut().for_each(|link| link.epoch += 1);
        });
    }

    /// Goes away until [`Pbx::come_back`].
    pub fn go_away(&self) {
        self.board.change(|state| {
            state.switches.away = true;
            state.regs.clear();
            state.links.values_mut().for_each(|link| link.epoch += 1);
        });
    }

    /// Comes back after [`Pbx::go_away`].
    pub fn come_back(&self) {
        self.board.change(|state| state.switches.away = false);
    }

    /// Changes a behaviour.
    pub fn switch(&self, set: impl FnOnce(&mut PbxSwitches)) {
        self.board.change(|state| set(&mut state.switches));
    }

    /// Gives a user another name and long name, as an administrator would.
    pub fn rename_user(&self, guid: &str, h323: &str, cn: &str) {
        self.edit_user(guid, |user| {
            user.h323 = h323.into();
            user.cn = cn.into();
        });
    }

    /// Deletes a device entry from whichever user has it.
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

    /// The device entry with this hardware id, as it stands now.
    #[must_use]
    pub fn device(&self, hw: &str) -> Option<Value> {
        self.board.read(|state| state.device(hw).cloned())
    }

    /// The registration of a hardware id.
    #[must_use]
    pub fn registration(&self, hw: &str) -> Option<Registration> {
        self.board.read(|state| state.regs.iter().find(|reg| reg.hw.eq_ignore_ascii_case(hw)).cloned())
    }

    /// What the gateway wrote that it must never write; empty is good.
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

    /// The login of app object `from` at the service of app object `to`, as GetServiceLogin would give it.
    #[must_use]
    pub fn service_login(&self, from: &str, to: &str) -> Option<ServiceLogin> {
        self.board.read(|state| state.service_login(from, to))
    }

    /// How long the PBX waits before it connects again after a failure: from `first`, doubling up to `most`.
    pub fn set_reconnect(&self, first: Duration, most: Duration) {
        self.switch(|switches| switches.reconnect = (first, most));
    }
}
