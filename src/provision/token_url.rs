//! The URL of a phone's own, for whoever tells it to the phone beside the redirect service.

use std::sync::Arc;

use super::urls;
use crate::{
    phone::{
        instance::Instances,
        record::Phone,
        settings::{Defaults, Lookup},
        urls::{Scheme, phone_base, token_url},
    },
    secret::Secret,
    store::Store,
};

/// The URL of a phone's own, with its token; `None` while no base is known.
pub type UrlOf = Arc<dyn Fn(&Phone) -> Option<Secret> + Send + Sync>;

/// Makes the URL of a phone with its token: the same one the redirect service gets. `None` while no base is known.
#[must_use]
pub fn token_urls(store: Store, instances: Instances) -> UrlOf {
    Arc::new(move |phone| {
        let lookup = Lookup::of(phone, Defaults::Table);
        let settings = store.layers(phone.instance).effective_of(&["provisioning_scheme"], &lookup, None);
        let scheme = if settings.text("provisioning_scheme") == "http" { Scheme::Http } else { Scheme::Https };
        let learned = urls::learned(&store, phone.instance, Some(&phone.provider));
        let base = phone_base(instances.get(phone.instance)?, learned.as_ref(), scheme).ok()?;
        token_url(&base, phone.token.expose()).ok().map(Secret::new)
    })
}
