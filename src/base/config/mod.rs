//! The configuration of the process: defaults < TOML < environment `GANGWAY__SECTION__KEY`. Each section has a file.
//! Unknown keys are errors that name the key and its location. Options that concern phones are settings
//! ([`crate::settings`]), not configuration.

mod allowed;
mod cache;
mod data;
mod error;
mod http;
mod https;
mod instances;
mod list;
mod load;
mod log;
mod net;
mod ops;
mod pnp;
mod vendors;

use serde::{Deserialize, Serialize};

pub use allowed::{AllowedPeer, AllowedPeerError, host_name};
pub use cache::CacheConfig;
pub use data::DataConfig;
pub use error::{ConfigError, ConfigErrors};
pub use http::HttpConfig;
pub use https::HttpsConfig;
pub use instances::InstanceConfig;
pub use log::{LogConfig, LogFormat};
pub use net::{NetConfig, PeerTrust};
pub use ops::OpsConfig;
pub use pnp::PnpConfig;
pub use vendors::VendorsConfig;

/// The complete configuration of the process.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Plain HTTP listeners.
    pub http: HttpConfig,
    /// TLS listeners.
    pub https: HttpsConfig,
    /// The administrator's listener.
    pub ops: OpsConfig,
    /// Where data is stored.
    pub data: DataConfig,
    /// Logging.
    pub log: LogConfig,
    /// Proxies, and rate and trust of outgoing connections.
    pub net: NetConfig,
    /// The in-memory cache of rendered files.
    pub cache: CacheConfig,
    /// Discovery of phones by SIP multicast PnP.
    pub pnp: PnpConfig,
    /// Custom vendor folders.
    pub vendors: VendorsConfig,
    /// The tenants.
    pub instances: Vec<InstanceConfig>,
}
