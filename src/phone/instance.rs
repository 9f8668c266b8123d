//! One tenant: innovaphone domain, instance name and shared password. Tenants share no data.

use std::sync::Arc;

use gangway_base::secret::Secret;
use ipnet::IpNet;
use url::Url;

/// The row id of an instance, and the key of all its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub i64);

/// An instance as configured. Learned values (the public URL) are in the store.
#[derive(Debug)]
pub struct Instance {
    /// Its key in the store.
    pub id: InstanceId,
    /// The innovaphone domain (PBX system name), first path component.
    pub domain: String,
    /// The instance name, second path component.
    pub name: String,
    /// Shared secret of the app objects; never empty.
    pub password: Secret,
    /// Password of the app object `gangway-admin` and of logins to it; `None` means [`Self::password`].
    pub admin_password: Option<Secret>,
    /// Base URL of pages in the PBX; learned from the PBX if not set.
    pub public_url: Option<Url>,
    /// Base URL of phones; the public URL if not set.
    pub phone_url: Option<Url>,
    /// PEM file with an extra CA for Devices and PBX connections.
    pub devices_ca: Option<String>,
    /// Address of Devices that overrides the announced one.
    pub devices_url: Option<Url>,
    /// `sha256:...` of a certificate's public key that is trusted for Devices.
    pub devices_pin: Option<String>,
    /// Whether the providers are also published under `seviceInfo`.
    pub misspelt_service_info: bool,
    /// Whether logging in to `gangway-admin` by password, without a PBX, is allowed.
    pub admin_password_login: bool,
    /// Whether the admin page may start a set-up of the PBX's app objects.
    pub pbx_apply: bool,
    /// Networks from which administrators may log in by any method; empty means anywhere.
    pub admin_from: Vec<IpNet>,
    /// Origins that may frame the admin page besides those learned from the PBX.
    pub frame_ancestors: Vec<String>,
}

impl Instance {
    /// `/<domain>/<instance>`: the path prefix of the instance.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/{}/{}", self.domain, self.name)
    }

    /// `DOMAIN/NAME`, as used on the command line and in logs.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}/{}", self.domain, self.name)
    }
}

/// All instances of the process, found by id or by path.
#[derive(Debug, Clone, Default)]
pub struct Instances(Arc<[Arc<Instance>]>);

impl Instances {
    /// Creates the collection.
    #[must_use]
    pub fn new(instances: Vec<Instance>) -> Self {
        Self(instances.into_iter().map(Arc::new).collect())
    }

    /// The instance with this id.
    #[must_use]
    pub fn get(&self, id: InstanceId) -> Option<&Arc<Instance>> {
        self.0.iter().find(|instance| instance.id == id)
    }

    /// The instance with the domain and name of a URL. Not case-sensitive (DNS names).
    #[must_use]
    pub fn find(&self, domain: &str, name: &str) -> Option<&Arc<Instance>> {
        self.0
            .iter()
            .find(|instance| instance.domain.eq_ignore_ascii_case(domain) && instance.name.eq_ignore_ascii_case(name))
    }

    /// All instances.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Instance>> {
        self.0.iter()
    }
}
