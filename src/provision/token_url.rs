//! The URL of a phone's own: what its redirect service is told, and whoever tells it to the phone beside that service.

use std::sync::Arc;

use super::urls;
use crate::{
    phone::{
        instance::Instances,
        record::Phone,
        settings::{Defaults, Lookup},
        urls::{Scheme, UrlError, phone_base, token_url},
    },
    secret::Secret,
    store::Store,
};

/// The URL of a phone's own, with its token; `None` while no base is known.
pub type UrlOf = Arc<dyn Fn(&Phone) -> Option<Secret> + Send + Sync>;

/// The URL of a phone with its token, under the base its provider's app object or the configuration names.
pub(super) fn of(store: &Store, instances: &Instances, phone: &Phone, scheme: Scheme) -> Result<Secret, UrlError> {
    let configured = instances.get(phone.instance).ok_or(UrlError::Unknown)?;
    let learned = urls::learned(store, phone.instance, Some(&phone.provider));
    let base = phone_base(configured, learned.as_ref(), scheme)?;
    token_url(&base, phone.token.expose()).map(Secret::new)
}

/// Makes the URL of a phone with its token: the same one the redirect service gets. `None` while no base is known.
#[must_use]
pub fn token_urls(store: Store, instances: Instances) -> UrlOf {
    Arc::new(move |phone| {
        let lookup = Lookup::of(phone, Defaults::Table);
        let settings = store.layers(phone.instance).effective_of(&["provisioning_scheme"], &lookup, None);
        of(&store, &instances, phone, settings.scheme()).ok()
    })
}
