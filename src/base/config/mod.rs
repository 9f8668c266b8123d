//! The process's own configuration: defaults < TOML < environment `GANGWAY__SECTION__KEY`. One file per section; unknown
//! keys are errors that name key and place. What concerns phones is a setting (`phone::settings`), not configuration.

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

/// Everything the process is configured with.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Plain HTTP listeners.
    pub http: HttpConfig,
    /// TLS listeners.
    pub https: HttpsConfig,
    /// The operator's listener.
    pub ops: OpsConfig,
    /// Where data is kept.
    pub data: DataConfig,
    /// The log.
    pub log: LogConfig,
    /// Proxies and pace of outgoing connections.
    pub net: NetConfig,
    /// Rendered files kept in memory.
    pub cache: CacheConfig,
    /// Arrival of phones by multicast.
    pub pnp: PnpConfig,
    /// Own vendor folders.
    pub vendors: VendorsConfig,
    /// The tenants.
    pub instances: Vec<InstanceConfig>,
}
