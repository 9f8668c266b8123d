//! What is said over AppWebsockets, one file per api. Who may say what follows from the login, never from the message:
//! the session of a PBX's app object speaks Services and PbxAdminApi, a service's login on a provider app
//! may send ProvisioningPhone, people log in to `gangway-admin` only and talk to the desk behind it.

pub mod devices;
mod frame_reader;
mod login_rules;
mod login_throttle;
pub mod pbx_session;
mod pending_replies;
pub mod prelogin_limiter;
pub mod provisioning;
pub mod server;
pub mod services;

use std::sync::Arc;

use gangway_base::{clock::SharedClock, tasks::Tasks};

pub use self::login_throttle::LoginThrottle;
use crate::{
    catalog::SharedRegistry, pbx::sessions::PbxSessions, provision::Provisioning,
    service::rejected_logins::RejectedLogins, store::Store,
};

/// What the apis work with. Cheap to clone.
#[derive(Clone)]
pub struct AppWebsocketContext {
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
    pub places: Arc<prelogin_limiter::PreLoginLimiter>,
    /// Wrong passwords, by source.
    pub wrong_passwords: Arc<LoginThrottle>,
    /// Logins with a right password that did not get in.
    pub turned_away: Arc<RejectedLogins>,
    /// Serves people.
    pub desk: Arc<dyn crate::service::caller::AdminSessions>,
}
