//! Where phones reach an instance, kept ready: it is asked for with every request and changes once a year.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use crate::{
    config::InstanceConfig,
    http::rendered::{Bases, BasesOf},
    phone::{
        instance::{Instance, InstanceId, Instances},
        urls::{Scheme, phone_base},
    },
    provision::urls,
    store::Store,
};

/// The revision of the facts the bases were made from, and the bases.
type Kept = HashMap<InstanceId, (u64, Arc<Bases>)>;

/// The bases of every instance: configured, else learned from the PBX.
#[must_use]
pub fn of(store: Store, instances: Instances) -> BasesOf {
    let kept: RwLock<Kept> = RwLock::default();
    Arc::new(move |id| {
        let revision = store.facts_revision();
        if let Some((from, bases)) = kept.read().unwrap_or_else(PoisonError::into_inner).get(&id)
            && *from == revision
        {
            return Arc::clone(bases);
        }
        let learned = store.fact(id, urls::LEARNED);
        let bases = Arc::new(instances.get(id).map(|instance| made(instance, learned.as_deref())).unwrap_or_default());
        kept.write().unwrap_or_else(PoisonError::into_inner).insert(id, (revision, Arc::clone(&bases)));
        bases
    })
}

/// The bases of one instance, for commands that run beside the serving process.
#[must_use]
pub fn bases_of(configured: &InstanceConfig, store: &Store, id: InstanceId) -> Bases {
    made(&super::instance(id, configured), store.fact(id, urls::LEARNED).as_deref())
}

/// Where phones reach an instance as far as its configuration alone says so.
#[must_use]
pub fn configured_base(configured: &InstanceConfig) -> Option<String> {
    let bases = made(&super::instance(InstanceId(0), configured), None);
    Some(bases.https).filter(|base| !base.is_empty())
}

fn made(instance: &Instance, learned: Option<&str>) -> Bases {
    let learned = learned.and_then(|url| url.parse().ok());
    let base = |scheme| phone_base(instance, learned.as_ref(), scheme).ok();
    let https = base(Scheme::Https);
    let plain = base(Scheme::Http).or_else(|| https.clone()).unwrap_or_default();
    Bases { https: https.unwrap_or_else(|| plain.clone()), plain }
}
