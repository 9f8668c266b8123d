//! Configuration of a gateway under test.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use gangway::{phone::instance::InstanceId, settings::Scope, store::Store};
use gangway_base::clock::ManualClock;
use gangway_sim::simulation::Simulation;

/// Log directives of every site.
pub const LOG: &str = "info,gangway=debug";
/// Domain, instance and shared password of every simulation and every gateway in these tests.
pub const DOMAIN: &str = "example.com";
pub const INSTANCE: &str = "gangway";
pub const PASSWORD: &str = "shared password";

/// Differences from the default configuration.
#[derive(Debug, Clone)]
pub struct Options {
    /// `[net] connects_per_second`.
    pub connects_per_second: u32,
    /// `[net] allow`; needed because the simulators listen on loopback.
    pub allow: Vec<String>,
    /// `[net] trusted_proxies`.
    pub trusted_proxies: String,
    /// Lines for `[[instances]]`.
    pub instance: String,
    /// `[vendors] dir`.
    pub vendors: Option<PathBuf>,
    /// Lines for `[pnp]`.
    pub pnp: String,
    /// Further sections.
    pub sections: String,
    /// Settings of the instance, written before the PBX connects.
    pub settings: Vec<(String, String)>,
    /// A manual clock in place of the system clock, for a gateway in this process.
    pub clock: Option<ManualClock>,
}

impl Default for Options {
    /// Phones use plain HTTP, because the simulators have no certificates.
    fn default() -> Self {
        Self {
            connects_per_second: 500,
            allow: vec!["127.0.0.0/8".into()],
            trusted_proxies: String::new(),
            instance: String::new(),
            vendors: None,
            pnp: String::new(),
            sections: String::new(),
            settings: vec![("provisioning_scheme".into(), "http".into())],
            clock: None,
        }
    }
}

impl Options {
    /// Adds accounts at the redirection services of `simulation`.
    pub fn redirecting(mut self, simulation: &Simulation) -> Self {
        for (name, value) in [
            ("protocol", "yealink-xmlrpc".to_owned()),
            ("url", simulation.rps.xmlrpc_url()),
            ("user", Simulation::RPS_USER.to_owned()),
            ("password", Simulation::RPS_PASSWORD.to_owned()),
        ] {
            self.settings.push((format!("redirect.yealink.{name}"), value));
        }
        for (name, value) in [
            ("protocol", "snom-sraps".to_owned()),
            ("url", simulation.sraps.api_url()),
            ("user", Simulation::SRAPS_ID.to_owned()),
            ("password", Simulation::SRAPS_SECRET.to_owned()),
        ] {
            self.settings.push((format!("redirect.snom.{name}"), value));
        }
        self
    }

    /// Writes `gangway.toml` for a gateway whose data is in the same directory.
    pub fn write(&self, dir: &Path, http: SocketAddr, ops: SocketAddr) {
        let vendors = self.vendors.as_ref().map(|dir| format!("[vendors]\ndir = \"{}\"\n", dir.display()));
        let vendors = vendors.unwrap_or_default();
        let text = format!(
            "{vendors}{}[http]\nlisten = \"{http}\"\n[ops]\nlisten = \"{ops}\"\n[data]\ndir = \"{}\"\n\
             [log]\nlevel = \"{LOG}\"\n[net]\nallow = {:?}\ntrusted_proxies = {:?}\nconnects_per_second = {}\n[pnp]\n{}\n\
             [[instances]]\ndomain = \"{DOMAIN}\"\nname = \"{INSTANCE}\"\npassword = \"{PASSWORD}\"\n{}\n",
            self.sections,
            dir.join("data").display(),
            self.allow,
            self.trusted_proxies,
            self.connects_per_second,
            self.pnp,
            self.instance,
        );
        fs::write(dir.join("gangway.toml"), text).unwrap();
    }

    /// Writes the settings into the store.
    pub async fn write_settings(&self, store: &Store, instance: InstanceId) {
        for (name, value) in &self.settings {
            store.settings().set_one(instance, &Scope::Instance, name, Some(&value.as_str().into())).await.unwrap();
        }
    }
}
