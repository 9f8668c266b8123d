//! Creates the tenants from the configuration.

use super::StartError;
use crate::{
    base::config::{Config, InstanceConfig},
    phone::instance::{Instance, InstanceId, Instances},
    store::Store,
};

/// Creates all tenants. A new one gets its key in the store.
pub(super) async fn open(config: &Config, store: &Store) -> Result<Instances, StartError> {
    let mut instances = Vec::new();
    for configured in &config.instances {
        let id = store.instance(&configured.domain, &configured.name).await?;
        instances.push(instance(id, configured));
    }
    Ok(Instances::new(instances))
}

/// A configured tenant with its key in the store.
#[must_use]
pub fn instance(id: InstanceId, configured: &InstanceConfig) -> Instance {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Instance {
        id,
        domain: configured.domain.clone(),
        name: configured.name.clone(),
        password: configured.password.clone(),
        admin_password: (!configured.admin_password.is_empty()).then(|| configured.admin_password.clone()),
        public_url: configured.public_url.parse().ok(),
        phone_url: configured.phone_url.parse().ok(),
        devices_ca: text(&configured.devices_ca),
        devices_url: configured.devices_url.parse().ok(),
        devices_pin: text(&configured.devices_pin),
        misspelt_service_info: configured.misspelt_service_info,
        admin_password_login: configured.admin_password_login,
        pbx_apply: configured.pbx_apply,
        admin_from: configured.admin_from.clone(),
        frame_ancestors: configured.frame_ancestors.clone(),
    }
}
