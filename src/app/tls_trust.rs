//! The trust roots of an instance's outgoing AppWebsockets and sysclients: the system's roots, and those the instance
//! adds.

use std::{collections::HashMap, path::Path, sync::Arc};

use rustls::ClientConfig;

use crate::{
    net::tls::{TlsError, client_config},
    phone::instance::{InstanceId, Instances},
};

/// TLS configuration of outgoing connections, per instance.
#[derive(Clone)]
pub struct TrustSources {
    instances: Arc<HashMap<InstanceId, Arc<ClientConfig>>>,
    usual: Arc<ClientConfig>,
}

impl TrustSources {
    /// Reads the CA files and pins of all instances.
    pub fn new(instances: &Instances) -> Result<Self, TlsError> {
        let usual = Arc::new(client_config(None, None)?);
        let mut own = HashMap::new();
        for instance in instances.iter() {
            let config = match (&instance.devices_ca, &instance.devices_pin) {
                (None, None) => Arc::clone(&usual),
                (ca, pin) => Arc::new(client_config(ca.as_deref().map(Path::new), pin.as_deref())?),
            };
            own.insert(instance.id, config);
        }
        Ok(Self { instances: Arc::new(own), usual })
    }

    /// Returns a function from the instance to its configuration.
    #[must_use]
    pub fn of_instances(&self) -> Arc<dyn Fn(InstanceId) -> Arc<ClientConfig> + Send + Sync> {
        let trust = self.clone();
        Arc::new(move |instance| Arc::clone(trust.instances.get(&instance).unwrap_or(&trust.usual)))
    }
}
