//! What is said over AppWebsockets, one file per api. Who may say what follows from the login, never from the message:
//! the session of a PBX's app object speaks Services and PbxAdminApi, a service's login on a provider app
//! may send ProvisioningPhone, people log in to `gangway-admin` only and talk to the desk behind it.

pub mod admin;
pub mod app;
pub mod devices;
mod doors;
mod incoming;
pub mod pbx_admin;
pub mod pbx_session;
pub mod places;
pub mod provisioning;
mod replies;
pub mod services;
pub mod socket;
pub mod turned_away;
mod wrong_passwords;

use std::sync::Arc;

use self::turned_away::TurnedAwayLogins;
pub use self::wrong_passwords::WrongPasswords;

use crate::{
    clock::SharedClock, links::pbx::PbxSessions, provision::Provisioning, store::Store, tasks::Tasks,
    vendor::SharedRegistry,
};

/// What the apis work with. Cheap to clone.
#[derive(Clone)]
pub struct Apis {
    /// Sessions of PBXs that are up.
    pub sessions: PbxSessions,
    /// Takes provisioning requests and learned facts.
    pub provisioning: Provisioning,
    /// Which providers there are.
    pub registry: SharedRegistry,
    /// Learned facts that outlive the process.
    pub store: Store,
    /// Time.
    pub clock: SharedClock,
    /// Whom sockets belong to.
    pub tasks: Tasks,
    /// Places of sockets that have not logged in yet, by source.
    pub places: Arc<places::Places>,
    /// Wrong passwords, by source.
    pub wrong_passwords: Arc<WrongPasswords>,
    /// Logins with a right password that did not get in.
    pub turned_away: Arc<TurnedAwayLogins>,
    /// Serves people.
    pub desk: Arc<dyn admin::Desk>,
}
