//! Loads records from rows.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    iter::Peekable,
    ops::RangeInclusive,
    sync::Arc,
};

use sqlx::{Connection, SqliteConnection};
use tokio::task::{JoinHandle, spawn_blocking};
use zeroize::Zeroizing;

use super::{
    account,
    account::AccountRow,
    device_config,
    device_config::{ConfigRow, Items},
    error_context::ErrorContext,
    learned, phone,
    phone::PhoneRow,
    request,
    sequence::Seen,
    setting, token,
};
use crate::{
    phone::record::{Interned, Phone},
    store::{
        api::error::StoreError,
        memory::{
            learned::LearnedCache, phone_cache::PhoneCache, requests::Requests, settings::SettingsCache,
            tokens::TokenCache,
        },
        sealing::keyring::Keyring,
    },
};

/// Number of rows held at the same time while loading. This limits the memory of the start, which the process would not
/// return to the system.
const CHUNK: i64 = 256;

/// What is loaded at startup besides the phones.
pub(in crate::store) struct LoadedStore {
    pub(in crate::store) settings: SettingsCache,
    pub(in crate::store) learned: LearnedCache,
    pub(in crate::store) tokens: TokenCache,
    pub(in crate::store) requests: Requests,
    pub(in crate::store) seen: Seen,
    /// Set if the database is damaged and phones are missing.
    pub(in crate::store) damage: Option<StoreError>,
}

/// Device configurations seen while loading, by their text. Equal ones are parsed and held once.
#[derive(Default)]
struct Interner {
    hasher: RandomState,
    /// By hash of the text. Of two texts with the same hash only the first is shared.
    met: HashMap<u64, (Zeroizing<Vec<u8>>, Interned<Items>)>,
}

impl Interner {
    fn items(&mut self, config: &ConfigRow, keyring: &Keyring) -> Result<Interned<Items>, StoreError> {
        let text = config.open(keyring)?;
        let hash = self.hasher.hash_one(text.as_slice());
        if let Some((known, items)) = self.met.get(&hash)
            && *known == text
        {
            return Ok(items.clone());
        }
        let items = Interned::from(config.parse(&text)?);
        self.met.entry(hash).or_insert_with(|| (text, items.clone()));
        Ok(items)
    }
}

/// Loads the whole database as of one point in time.
pub(in crate::store) async fn everything(
    connection: &mut SqliteConnection,
    keyring: &Arc<Keyring>,
    roster: &PhoneCache,
) -> Result<LoadedStore, StoreError> {
    let mut transaction = connection.begin().await.attempt("read the database")?;
    let seen = Seen::read(&mut transaction).await?;
    let last = sqlx::query_scalar!(r#"SELECT coalesce(max(id), 0) AS "last!: i64" FROM phone"#)
        .fetch_one(&mut *transaction)
        .await
        .attempt("count the phones")?;
    let mut damage = load_phones(&mut transaction, keyring, roster, last).await?;
    let settings = setting::load(&mut transaction, keyring).await?;
    let learned = learned::load(&mut transaction, keyring).await?;
    let tokens = token::load(&mut transaction).await?;
    let requests = match request::load(&mut transaction).await {
        Err(error @ StoreError::Corrupt { .. }) => {
            tracing::error!(%error, "when phones asked last is not known");
            damage = Some(error);
            Requests::default()
        }
        loaded => loaded?,
    };
    transaction.rollback().await.attempt("read the database")?;
    Ok(LoadedStore { settings, learned, tokens, requests, seen, damage })
}

/// Puts all phones into the cache. Returns the error of the last row that is damaged; such phones are left out.
///
/// While one chunk is unsealed on another thread, the next one is read.
async fn load_phones(
    connection: &mut SqliteConnection,
    keyring: &Arc<Keyring>,
    roster: &PhoneCache,
    last: i64,
) -> Result<Option<StoreError>, StoreError> {
    let mut damage = None;
    // A stack with the last chunk at the bottom.
    let mut chunks: Vec<_> = (0..)
        .map(|number: i64| number.saturating_mul(CHUNK).saturating_add(1))
        .take_while(|first| *first <= last)
        .map(|first| first..=first.saturating_add(CHUNK - 1).min(last))
        .collect();
    chunks.reverse();
    let put = |records: Vec<LoadedPhone>| {
        for record in records {
            match record {
                Ok((phone, change)) => {
                    roster.put(Arc::new(phone), change);
                }
                Err(error) => tracing::error!(%error, "a phone is left out"),
            }
        }
    };
    let mut alike = Interner::default();
    let mut unsealing: Option<JoinHandle<(Vec<LoadedPhone>, Interner)>> = None;
    while let Some(chunk) = chunks.pop() {
        let rows = PhoneRows::read(connection, &chunk).await;
        if let Some(unsealing) = unsealing.take() {
            let (records, met) = unsealing.await.map_err(|_stopped| StoreError::Stopped)?;
            put(records);
            alike = met;
        }
        match rows {
            Ok(rows) => {
                let (keyring, mut met) = (Arc::clone(keyring), std::mem::take(&mut alike));
                unsealing = Some(spawn_blocking(move || (rows.into_records(&keyring, &mut met), met)));
            }
            // Halve the chunk until the damaged row is alone.
            Err(error @ StoreError::Corrupt { .. }) => {
                let (first, end) = chunk.into_inner();
                if first < end {
                    let middle = first + (end - first) / 2;
                    chunks.extend([middle + 1..=end, first..=middle]);
                } else {
                    tracing::error!(%error, phone = first, "a phone cannot be read and is left out");
                    damage = Some(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(unsealing) = unsealing {
        let (records, _met) = unsealing.await.map_err(|_stopped| StoreError::Stopped)?;
        put(records);
    }
    Ok(damage)
}

/// A phone with its change counter, or why this phone cannot be read.
type LoadedPhone = Result<(Phone, i64), StoreError>;

/// Loads the phones in this id range. A damaged phone yields an error for itself only.
pub(in crate::store) async fn phones(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    ids: &RangeInclusive<i64>,
) -> Result<Vec<LoadedPhone>, StoreError> {
    Ok(PhoneRows::read(connection, ids).await?.into_records(keyring, &mut Interner::default()))
}

/// The rows of some phones, still sealed, sorted by phone.
struct PhoneRows {
    phones: Vec<PhoneRow>,
    accounts: Vec<AccountRow>,
    configs: Vec<ConfigRow>,
}

impl PhoneRows {
    async fn read(connection: &mut SqliteConnection, ids: &RangeInclusive<i64>) -> Result<Self, StoreError> {
        Ok(Self {
            phones: phone::read(connection, ids).await?,
            accounts: account::read(connection, ids).await?,
            configs: device_config::read(connection, ids).await?,
        })
    }

    fn into_records(self, keyring: &Keyring, alike: &mut Interner) -> Vec<LoadedPhone> {
        let mut accounts = self.accounts.into_iter().peekable();
        let mut configs = self.configs.into_iter().peekable();
        self.phones
            .into_iter()
            .map(|row| {
                let (id, change) = (row.id, row.change);
                let accounts = take_while_of(&mut accounts, id, |account: &AccountRow| account.phone_id);
                let configs = take_while_of(&mut configs, id, |config: &ConfigRow| config.phone_id);
                let mut phone = row.into_phone(keyring)?;
                phone.accounts =
                    accounts.into_iter().map(|account| account.into_account(keyring)).collect::<Result<_, _>>()?;
                phone.accounts.shrink_to_fit();
                if let Some(config) = configs.first() {
                    phone.device_config.items = alike.items(config, keyring)?;
                }
                Ok((phone, change))
            })
            .collect()
    }
}

/// Takes the next rows that belong to phone `id`. Both sides are sorted by it.
fn take_while_of<T>(rows: &mut Peekable<impl Iterator<Item = T>>, id: i64, of: impl Fn(&T) -> i64) -> Vec<T> {
    let mut own = Vec::new();
    while let Some(row) = rows.next_if(|row| of(row) <= id) {
        if of(&row) == id {
            own.push(row);
        }
    }
    own
}
