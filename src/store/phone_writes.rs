//! Making and changing phones: the one way in which a record comes to be another.

use std::sync::Arc;

use gangway_base::mac::Mac;
use sqlx::SqliteConnection;

use super::{
    Store, account, activity, delivered, device_config,
    error::StoreError,
    event::{self, NewEvent},
    kv, loader, phone, setting,
};
use crate::phone::{
    instance::InstanceId,
    record::{Phone, PhoneId},
};

/// A phone was made or changed, here or by another process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneChanged {
    /// Which one.
    pub id: PhoneId,
    /// Whose.
    pub instance: InstanceId,
    /// Its address.
    pub mac: Mac,
}

impl Store {
    /// Announcements of every change. A receiver that falls behind is told (`Lagged`) and looks at the whole roster.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::broadcast::Receiver<PhoneChanged> {
        self.inner.changes.subscribe()
    }

    /// The number of the last change of a phone that this process knows. Numbers grow with every change of any phone, here
    /// or by another process.
    #[must_use]
    pub fn change_number(&self, phone: PhoneId) -> Option<i64> {
        self.inner.roster.entry(phone).map(|(_, change)| change)
    }

    /// Enters a phone. Its `id` is given by the store.
    ///
    /// # Errors
    /// [`StoreError::Exists`] when the instance has this MAC; else what keeps the database from being written.
    pub async fn create_phone(&self, mut phone: Phone, events: Vec<NewEvent>) -> Result<Arc<Phone>, StoreError> {
        let inner = &self.inner;
        let mut transaction = inner.writer.begin("add the phone").await?;
        if phone::exists(&mut transaction, phone.instance, phone.mac).await? {
            return Err(StoreError::Exists(phone.mac));
        }
        phone.id = PhoneId(0);
        phone.revision = phone.revision.max(1);
        let change = phone::next_change(&mut transaction).await?;
        phone.id = phone::write(&mut transaction, &inner.keyring, inner.roster.tokens(), &phone, change).await?;
        self.write_parts(&mut transaction, None, &phone, &events).await?;
        let _writing = transaction.commit().await?;
        Ok(self.publish(phone, change))
    }

    /// Changes a phone: `change` works on a copy of the committed record and may add events to its time line. When
    /// this returns, everything is on disk and published. A change that changes nothing writes nothing. `id`,
    /// `instance` and `mac` stay what they are, `revision` is counted by the store.
    ///
    /// Dropping the future early is harmless: either nothing was written, or the record is committed and the watch
    /// publishes it within 300 ms.
    ///
    /// # Errors
    /// [`StoreError::NoPhone`], or what keeps the database from being written; then nothing is changed.
    pub async fn change_phone<R>(
        &self,
        id: PhoneId,
        change: impl FnOnce(&mut Phone, &mut Vec<NewEvent>) -> R,
    ) -> Result<(Arc<Phone>, R), StoreError> {
        let inner = &self.inner;
        let mut transaction = inner.writer.begin("change the phone").await?;
        let before = self.committed(&mut transaction, id).await?;
        let mut phone = Phone::clone(&before);
        let mut events = Vec::new();
        let result = change(&mut phone, &mut events);
        (phone.id, phone.instance, phone.mac) = (before.id, before.instance, before.mac);
        phone.revision = before.revision + u64::from(phone.render_inputs_differ(&before));
        if phone == *before {
            if events.is_empty() {
                transaction.rollback().await;
            } else {
                event::add(&mut transaction, id, inner.clock.now(), &events).await?;
                transaction.commit().await?;
            }
            return Ok((before, result));
        }
        let counter = phone::next_change(&mut transaction).await?;
        phone::write(&mut transaction, &inner.keyring, inner.roster.tokens(), &phone, counter).await?;
        self.write_parts(&mut transaction, Some(&before), &phone, &events).await?;
        // Kept until it is published: the next change starts from this record, not from what the disk has of it.
        let _writing = transaction.commit().await?;
        Ok((self.publish(phone, counter), result))
    }

    /// The record as the open transaction sees it: from memory when no other process has written it since.
    pub(super) async fn committed(
        &self,
        connection: &mut SqliteConnection,
        id: PhoneId,
    ) -> Result<Arc<Phone>, StoreError> {
        let counter = phone::change_of(connection, id).await?.ok_or(StoreError::NoPhone(id))?;
        if let Some((phone, known)) = self.inner.roster.entry(id)
            && known == counter
        {
            return Ok(phone);
        }
        // Another process has written it. The change computed from it is published before the watch looks, and receivers
        // of a phone's change find what was written before it.
        let caught_up = async {
            setting::refresh(self, connection).await?;
            kv::refresh_by(self, connection).await
        };
        if let Err(error) = caught_up.await {
            // The watch tries again; the change itself does not depend on it.
            tracing::warn!(phone = id.0, %error, "settings and facts of another process are not taken over yet");
        }
        let mut loaded =
            loader::phones(connection, &self.inner.keyring, &(id.0..=id.0), &mut loader::Interner::default()).await?;
        let (phone, _) = loaded.pop().ok_or(StoreError::NoPhone(id))??;
        Ok(Arc::new(phone))
    }

    /// Writes what belongs to the phone in other tables, as far as it differs.
    pub(super) async fn write_parts(
        &self,
        connection: &mut SqliteConnection,
        before: Option<&Phone>,
        phone: &Phone,
        events: &[NewEvent],
    ) -> Result<(), StoreError> {
        let keyring = &self.inner.keyring;
        let accounts = before.map(|before| before.accounts.as_slice()).unwrap_or_default();
        account::write(connection, keyring, phone.id, accounts, &phone.accounts).await?;
        let items = &phone.device_config.items;
        let same = before.map_or_else(|| items.is_empty(), |before| before.device_config.items == *items);
        if !same {
            device_config::write(connection, keyring, phone.id, items).await?;
        }
        let now = self.inner.clock.now();
        if before.is_none_or(|before| before.provisioning < phone.provisioning) {
            activity::provisioned(connection, phone.instance, now).await?;
        }
        if phone.buried.is_some() && before.is_some_and(|before| before.buried.is_none()) {
            delivered::forget(connection, phone.id).await?;
        }
        event::add(connection, phone.id, now, events).await
    }

    /// Shows a committed record to everybody.
    pub(super) fn publish(&self, phone: Phone, change: i64) -> Arc<Phone> {
        let phone = Arc::new(phone);
        if self.inner.roster.put(phone.clone(), change) {
            // Nobody listening is nobody to tell.
            let _ = self.inner.changes.send(PhoneChanged { id: phone.id, instance: phone.instance, mac: phone.mac });
        }
        phone
    }
}
