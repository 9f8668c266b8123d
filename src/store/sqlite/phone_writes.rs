//! Creates and changes phones. All changes of a record use these functions.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::{Sqlite, account, activity, delivered, device_config, event, learned, loader, phone, setting};
use crate::{
    phone::record::{Phone, PhoneId},
    store::api::{
        error::StoreError,
        event::NewEvent,
        phone::{DeferredChange, PhoneRepository},
    },
};

impl PhoneRepository for Sqlite {
    async fn create_phone(&self, mut phone: Phone, events: Vec<NewEvent>) -> Result<Arc<Phone>, StoreError> {
        let inner = &self.inner;
        let mut transaction = inner.writer.begin("add the phone").await?;
        if phone::exists(&mut transaction, phone.instance, phone.mac).await? {
            return Err(StoreError::Exists(phone.mac));
        }
        phone.id = PhoneId(0);
        phone.revision = phone.revision.max(1);
        let change = phone::next_change(&mut transaction).await?;
        phone.id = phone::write(&mut transaction, &inner.keyring, inner.memory.phones.tokens(), &phone, change).await?;
        self.write_parts(&mut transaction, None, &phone, &events).await?;
        let _writing = transaction.commit().await?;
        Ok(self.inner.memory.publish(phone, change))
    }

    async fn change_phone<R>(
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
        phone.revision = before.revision + u64::from(inner.memory.files_differ(&before, &phone));
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
        phone::write(&mut transaction, &inner.keyring, inner.memory.phones.tokens(), &phone, counter).await?;
        self.write_parts(&mut transaction, Some(&before), &phone, &events).await?;
        // Keep the write lock until the record is published, because the next change starts from the record in memory.
        let _writing = transaction.commit().await?;
        Ok((self.inner.memory.publish(phone, counter), result))
    }

    async fn change_phone_later(&self, phone: PhoneId, change: DeferredChange) -> Result<Arc<Phone>, StoreError> {
        self.queue_change(phone, change).await
    }
}

impl Sqlite {
    /// The record as the open transaction sees it. Taken from memory unless another process has written it since.
    pub(in crate::store) async fn committed(
        &self,
        connection: &mut SqliteConnection,
        id: PhoneId,
    ) -> Result<Arc<Phone>, StoreError> {
        let counter = phone::change_of(connection, id).await?.ok_or(StoreError::NoPhone(id))?;
        if let Some((phone, known)) = self.inner.memory.phones.entry(id)
            && known == counter
        {
            return Ok(phone);
        }
        // Another process has written the phone. The change computed from it is published before the next check for
        // external changes. Receivers of a phone's change must see everything written before it, so load settings and
        // learned values now.
        let caught_up = async {
            setting::refresh(self, connection).await?;
            learned::refresh_by(self, connection).await
        };
        if let Err(error) = caught_up.await {
            // The check for external changes retries; the change itself does not depend on it.
            tracing::warn!(phone = id.0, %error, "settings and learned values of another process are not taken over yet");
        }
        let mut loaded = loader::phones(connection, &self.inner.keyring, &(id.0..=id.0)).await?;
        let (phone, _) = loaded.pop().ok_or(StoreError::NoPhone(id))??;
        Ok(Arc::new(phone))
    }

    /// Writes the phone's rows in other tables, as far as they differ.
    pub(in crate::store) async fn write_parts(
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
        if phone.removed_at.is_some() && before.is_some_and(|before| before.removed_at.is_none()) {
            delivered::forget(connection, phone.id).await?;
        }
        event::add(connection, phone.id, now, events).await
    }
}
