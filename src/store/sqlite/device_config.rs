//! Table `device_config`: the configuration that Devices deployed, sealed as one value per phone.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_json::Value;
use sqlx::SqliteConnection;
use zeroize::Zeroizing;

use super::error_context::ErrorContext;
use crate::{
    phone::record::PhoneId,
    store::{api::error::StoreError, sealing::keyring::Keyring},
};

/// A row as stored.
pub(in crate::store) struct ConfigRow {
    pub(in crate::store) phone_id: i64,
    sealed: Vec<u8>,
}

/// Configuration items by type.
pub(in crate::store) type Items = BTreeMap<String, Value>;

/// The configurations of the phones in this id range.
pub(in crate::store) async fn read(
    connection: &mut SqliteConnection,
    phones: &RangeInclusive<i64>,
) -> Result<Vec<ConfigRow>, StoreError> {
    let (first, last) = (phones.start(), phones.end());
    sqlx::query_as!(
        ConfigRow,
        r#"SELECT phone_id AS "phone_id!", sealed FROM device_config WHERE phone_id BETWEEN ? AND ? ORDER BY phone_id"#,
        first,
        last
    )
    .fetch_all(connection)
    .await
    .attempt("read the device configurations")
}

fn place(phone: i64) -> String {
    format!("device_config/{phone}")
}

impl ConfigRow {
    /// Unseals the items as text. Every phone is unsealed at startup; most texts are equal, so [`Self::parse`] runs
    /// once per distinct text.
    pub(in crate::store) fn open(&self, keyring: &Keyring) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        keyring.unseal(&place(self.phone_id), &self.sealed)
    }

    /// Parses the text that [`ConfigRow::open`] returned.
    pub(in crate::store) fn parse(&self, text: &[u8]) -> Result<Items, StoreError> {
        serde_json::from_slice(text).map_err(|_error| StoreError::Unsealing { place: place(self.phone_id) })
    }
}

/// Writes the items of a phone.
pub(in crate::store) async fn write(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    phone: PhoneId,
    items: &Items,
) -> Result<(), StoreError> {
    let place = place(phone.0);
    let text = serde_json::to_vec(items).map_err(|_error| StoreError::Unsealing { place: place.clone() })?;
    let sealed = keyring.seal(&place, &Zeroizing::new(text))?;
    sqlx::query!(
        "INSERT INTO device_config (phone_id, sealed) VALUES (?, ?)
        ON CONFLICT (phone_id) DO UPDATE SET sealed = excluded.sealed",
        phone.0,
        sealed
    )
    .execute(connection)
    .await
    .attempt("write the device configuration")?;
    Ok(())
}
