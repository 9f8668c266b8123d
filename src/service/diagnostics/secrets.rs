//! Collects all secrets known to the gateway, so that none of them is in a bundle.

use gangway_base::secret::Secret;
use url::Url;

use crate::{
    base::config::Config, catalog::Registry, phone::instance::InstanceId, render::secrets_of, settings::setting,
    store::Store,
};

/// Returns the secrets in the configuration, and those of all instances in the store, including instances that are not
/// in the bundle.
pub(super) fn known(config: &Config, instances: &[InstanceId], store: &Store, registry: &Registry) -> Vec<Secret> {
    let passwords = config.instances.iter().flat_map(|instance| [&instance.password, &instance.admin_password]);
    let mut secrets: Vec<Secret> = passwords.filter(|password| !password.is_empty()).cloned().collect();
    secrets.push(config.net.proxy.clone());
    let proxy = Url::parse(config.net.proxy.expose()).ok();
    secrets.extend(proxy.as_ref().and_then(Url::password).map(Secret::new));
    for instance in instances {
        let layers = store.settings().layers(*instance);
        let hidden = layers.rows().iter().filter(|row| setting(&row.name).is_none_or(|setting| setting.secret));
        secrets.extend(hidden.map(|row| row.value.clone()));
        secrets.extend(store.learned().bootstrap_password(*instance));
    }
    for phone in store.phones().all() {
        secrets.extend(secrets_of(registry, &phone, &store.settings().layers(phone.instance)));
        secrets.extend(phone.code.clone());
        secrets.extend(phone.sysclient.password.clone());
    }
    secrets.sort_by(|a, b| a.expose().cmp(b.expose()));
    secrets.dedup();
    secrets
}
