//! The `[[instances]]` section of the configuration.

use std::path::PathBuf;

use gangway_base::secret::Secret;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// One tenant.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstanceConfig {
    /// The PBX's system name; first component of the instance's path.
    pub domain: String,
    /// The instance's name; second component of the path.
    pub name: String,
    /// Shared secret of the app objects. Set either this or `password_file`.
    #[serde(serialize_with = "gangway_base::secret::masked")]
    pub password: Secret,
    /// File whose first line is the secret.
    pub password_file: PathBuf,
    /// Password of the app object `gangway-admin`, and of administrators who log in there without a PBX; empty =
    /// `password`.
    #[serde(serialize_with = "gangway_base::secret::masked")]
    pub admin_password: Secret,
    /// File whose first line is that password.
    pub admin_password_file: PathBuf,
    /// Base for PBX pages (`https://host/domain/name`); empty = learned from the PBX.
    pub public_url: String,
    /// Base for phones; empty = `public_url`.
    pub phone_url: String,
    /// PEM file with an extra CA for Devices and PBX connections.
    pub devices_ca: String,
    /// Address of Devices that overrides the one the PBX announces (split DNS): `https://host[:port]`, or the whole
    /// address of the instance of Devices.
    pub devices_url: String,
    /// `sha256:...` of a certificate's public key: trusts a self-signed App Platform.
    pub devices_pin: String,
    /// Also publishes the providers under `seviceInfo`, a typo that old PBX firmware may expect.
    pub misspelt_service_info: bool,
    /// Whether administrators may log in to `gangway-admin` with the password, without a PBX.
    pub admin_password_login: bool,
    /// Whether administrators may set up the PBX's app objects from the page; the command `pbx apply` always may.
    pub pbx_apply: bool,
    /// Networks (CIDR) from which administrators, with any kind of login, and scripts have access; empty = any network.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub admin_from: Vec<IpNet>,
    /// Origins that may embed the admin page in a frame, in addition to those learned from the PBX.
    #[serde(deserialize_with = "super::list::one_or_many")]
    pub frame_ancestors: Vec<String>,
}

impl InstanceConfig {
    /// `DOMAIN/NAME`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.domain, self.name)
    }
}
