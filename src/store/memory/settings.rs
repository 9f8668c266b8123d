//! The settings of every instance, one snapshot each.

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;

use crate::{phone::instance::InstanceId, settings::Layers};

/// The settings by instance.
pub(in crate::store) type Snapshots = HashMap<InstanceId, Arc<Layers>>;

/// The snapshots of all instances. Instances are few and changes rare, so the whole map is swapped.
pub(in crate::store) struct SettingsCache {
    snapshots: ArcSwap<Snapshots>,
}

impl SettingsCache {
    /// A cache of these snapshots.
    pub(in crate::store) fn new(snapshots: Snapshots) -> Self {
        Self { snapshots: ArcSwap::from_pointee(snapshots) }
    }

    /// The settings of an instance.
    pub(in crate::store) fn get(&self, instance: InstanceId) -> Arc<Layers> {
        self.snapshots.load().get(&instance).cloned().unwrap_or_default()
    }

    /// Inserts a snapshot unless a newer one is present. Returns whether it was inserted.
    pub(in crate::store) fn put(&self, instance: InstanceId, layers: Layers) -> bool {
        let layers = Arc::new(layers);
        let mut newer = false;
        self.snapshots.rcu(|snapshots| {
            newer = snapshots.get(&instance).is_none_or(|known| known.revision() < layers.revision());
            let mut next = Snapshots::clone(snapshots);
            if newer {
                next.insert(instance, layers.clone());
            }
            next
        });
        newer
    }
}
