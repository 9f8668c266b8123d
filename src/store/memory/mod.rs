//! What the store keeps in memory. Readers see only committed data and never wait for the database.

pub(in crate::store) mod activity;
pub(in crate::store) mod delivered;
pub(in crate::store) mod health;
pub(in crate::store) mod instances;
pub(in crate::store) mod learned;
pub(in crate::store) mod phone_cache;
pub(in crate::store) mod requests;
pub(in crate::store) mod settings;
pub(in crate::store) mod tokens;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::broadcast;

use self::{
    delivered::Waiting, health::PublishedHealth, instances::InstanceTable, learned::LearnedCache,
    phone_cache::PhoneCache, requests::Requests, settings::SettingsCache, tokens::TokenCache,
};
use super::api::{phone::PhoneChanged, recovery::RecoveryResult, restoration::Restoration};
use crate::{
    phone::{
        instance::InstanceId,
        record::{Phone, PhoneId},
    },
    settings::Layers,
};

/// Number of notifications a slow receiver may lag behind before it gets an error that it missed some.
const ANNOUNCEMENTS: usize = 4096;

/// The memory of one store. The engine fills it with what is committed.
pub(in crate::store) struct Memory {
    /// All phones.
    pub(in crate::store) phones: PhoneCache,
    /// All tenants.
    pub(in crate::store) instances: InstanceTable,
    /// The settings of all instances.
    pub(in crate::store) settings: SettingsCache,
    /// What the gateway learned or generated once.
    pub(in crate::store) learned: LearnedCache,
    /// The API tokens.
    pub(in crate::store) tokens: TokenCache,
    /// The last requests; the engine writes them a moment later.
    pub(in crate::store) requests: Requests,
    /// Delivered files that wait to be written.
    pub(in crate::store) delivered: Waiting,
    /// The origin of a restored database.
    pub(in crate::store) restoration: ArcSwapOption<Restoration>,
    /// Whether the database can be read and written.
    pub(in crate::store) health: PublishedHealth,
    /// The last loss that was repaired.
    pub(in crate::store) recovery: ArcSwapOption<RecoveryResult>,
    phone_changes: broadcast::Sender<PhoneChanged>,
    settings_changes: broadcast::Sender<InstanceId>,
    request_changes: broadcast::Sender<Arc<[PhoneId]>>,
}

/// What an engine loads when it opens a database.
pub(in crate::store) struct LoadedMemory {
    pub(in crate::store) phones: PhoneCache,
    pub(in crate::store) instances: InstanceTable,
    pub(in crate::store) settings: SettingsCache,
    pub(in crate::store) learned: LearnedCache,
    pub(in crate::store) tokens: TokenCache,
    pub(in crate::store) requests: Requests,
    pub(in crate::store) restoration: Option<Restoration>,
}

impl Memory {
    /// Memory with what was loaded.
    pub(in crate::store) fn new(loaded: LoadedMemory) -> Self {
        let LoadedMemory { phones, instances, settings, learned, tokens, requests, restoration } = loaded;
        Self {
            phones,
            instances,
            settings,
            learned,
            tokens,
            requests,
            delivered: Waiting::default(),
            restoration: ArcSwapOption::new(restoration.map(Arc::new)),
            health: PublishedHealth::default(),
            recovery: ArcSwapOption::empty(),
            phone_changes: broadcast::Sender::new(ANNOUNCEMENTS),
            settings_changes: broadcast::Sender::new(ANNOUNCEMENTS),
            request_changes: broadcast::Sender::new(16),
        }
    }

    /// Puts a committed record into the cache and announces it, unless a newer one is there.
    pub(in crate::store) fn publish(&self, phone: Phone, change: i64) -> Arc<Phone> {
        let phone = Arc::new(phone);
        if self.phones.put(phone.clone(), change) {
            // Ignore the error: there are no subscribers.
            let _ = self.phone_changes.send(PhoneChanged { id: phone.id, instance: phone.instance, mac: phone.mac });
        }
        phone
    }

    /// Whether the phone's files may differ after a change of its record.
    pub(in crate::store) fn files_differ(&self, before: &Phone, after: &Phone) -> bool {
        after.render_inputs_differ(before) || self.settings.get(after.instance).category_differs(before, after)
    }

    /// Puts committed settings into the cache and announces them, unless newer ones are there.
    pub(in crate::store) fn publish_settings(&self, instance: InstanceId, layers: Layers) {
        if self.settings.put(instance, layers) {
            let _ = self.settings_changes.send(instance);
        }
    }

    /// Announces phones whose requests were written.
    pub(in crate::store) fn announce_requests(&self, phones: Arc<[PhoneId]>) {
        let _ = self.request_changes.send(phones);
    }

    /// Announcements of [`Self::publish`].
    pub(in crate::store) fn phone_changes(&self) -> broadcast::Receiver<PhoneChanged> {
        self.phone_changes.subscribe()
    }

    /// Announcements of [`Self::publish_settings`].
    pub(in crate::store) fn settings_changes(&self) -> broadcast::Receiver<InstanceId> {
        self.settings_changes.subscribe()
    }

    /// Announcements of [`Self::announce_requests`].
    pub(in crate::store) fn request_changes(&self) -> broadcast::Receiver<Arc<[PhoneId]>> {
        self.request_changes.subscribe()
    }
}
