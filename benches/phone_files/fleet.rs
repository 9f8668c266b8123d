//! A data directory with configured phones.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use gangway::{
    phone::record::Phone,
    phone_config::{sample_layers, sample_phone},
    settings::Scope,
    store::Store,
};
use gangway_base::{
    clock::{SharedClock, SystemClock},
    mac::Mac,
    secret::Secret,
    tasks::Tasks,
};

/// Number of phones that are created at the same time.
const TOGETHER: usize = 256;

/// The phones, and the store they were written with.
pub struct Fleet {
    pub store: Store,
    tasks: Tasks,
    pub phones: Vec<Arc<Phone>>,
}

impl Fleet {
    /// Creates T46U phones at `example.com/gangway` that may use plain HTTP. `prepare` sets the state of each.
    pub async fn new<W>(dir: &Path, phones: impl Iterator<Item = (Mac, W)>, prepare: impl Fn(&mut Phone, W)) -> Self {
        let clock: SharedClock = Arc::new(SystemClock);
        let tasks = Tasks::new();
        let store = Store::open(&dir.join("data"), clock.clone(), &tasks).await.unwrap();
        let instance = store.instance("example.com", "gangway").await.unwrap();
        for row in sample_layers().rows() {
            store.settings().set_one(instance, &Scope::Instance, &row.name, Some(&row.value)).await.unwrap();
        }
        store
            .settings()
            .set_one(instance, &Scope::Instance, "provisioning_scheme", Some(&Secret::new("http")))
            .await
            .unwrap();
        let created = futures_util::stream::iter(phones).map(|(mac, way)| {
            let fresh = Phone::new(instance, mac, "yealink", "yealink", clock.now());
            let mut phone = sample_phone("yealink", "yealink", Some("T46U"), None, mac);
            (phone.instance, phone.token, phone.own, phone.created) = (instance, fresh.token, fresh.own, fresh.created);
            prepare(&mut phone, way);
            let store = store.clone();
            async move { store.phones().create(phone, Vec::new()).await.unwrap() }
        });
        // The store writes what arrives together in one transaction.
        let filled = created.buffered(TOGETHER).collect().await;
        Self { store, tasks, phones: filled }
    }

    /// Ends the store's background tasks.
    pub async fn close(&self) {
        self.tasks.finish(Duration::from_secs(5)).await;
    }
}

/// The MAC with number `index` in a block of addresses.
pub fn mac(block: u8, index: u32) -> Mac {
    let [_, _, c, d] = index.to_be_bytes();
    Mac::new([0x80, 0x5e, 0xc0, block, c, d]).unwrap()
}
