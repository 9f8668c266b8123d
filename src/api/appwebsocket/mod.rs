//! The AppWebsocket APIs, one file each. The login determines which messages are allowed, never the message itself: the
//! session of a PBX's app object uses Services and PbxAdminApi, a service's login on a provider app may send
//! ProvisioningPhone, and users log in to `gangway-admin` only and send messages to the admin service.

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
    catalog::SharedRegistry,
    pbx::sessions::PbxSessions,
    provision::Provisioning,
    service::{AdminService, rejected_logins::RejectedLogins},
    store::Store,
};

/// Dependencies of the APIs. Cheap to clone.
#[derive(Clone)]
pub struct AppWebsocketContext {
    /// Active sessions of PBXs.
    pub sessions: PbxSessions,
    /// Accepts provisioning requests and learned values.
    pub provisioning: Provisioning,
    /// The providers.
    pub registry: SharedRegistry,
    /// Stores learned values permanently.
    pub store: Store,
    /// The clock.
    pub clock: SharedClock,
    /// Runs the tasks of the sockets.
    pub tasks: Tasks,
    /// Slots of sockets that have not logged in yet, by source.
    pub places: Arc<prelogin_limiter::PreLoginLimiter>,
    /// Wrong passwords, by source.
    pub wrong_passwords: Arc<LoginThrottle>,
    /// Rejected logins with a right password.
    pub rejected_logins: Arc<RejectedLogins>,
    /// Serves the admin page.
    pub service: AdminService,
}
