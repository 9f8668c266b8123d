//! The tables of learned values: `learned_url`, `devices_addresses`, `app_grant`, `frame_host`, `pbx_source`,
//! `unlisted_proxy`, `bootstrap_ticket`, `bootstrap_account`, `server_entry`, `tried_account`.

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Sqlite, error_context::ErrorContext, sealed_columns};
use crate::{
    net::unlisted_proxy::UnlistedProxy,
    phone::instance::InstanceId,
    store::{
        api::{
            error::StoreError,
            learned::{BootstrapTicket, LearnedRepository, LearnedValue, LearnedValues, NamedUrls},
        },
        memory::learned::LearnedCache,
        sealing::keyring::Keyring,
    },
};

const READ: &str = "read what was learned";
const WRITE: &str = "write what was learned";

/// All learned values.
pub(in crate::store) async fn load(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
) -> Result<LearnedCache, StoreError> {
    Ok(LearnedCache::new(read(connection, keyring).await?))
}

async fn read(connection: &mut SqliteConnection, keyring: &Keyring) -> Result<LearnedValues, StoreError> {
    let mut values = LearnedValues::default();
    let rows = sqlx::query!("SELECT instance_id, provider, url, conflict FROM learned_url");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        let urls = NamedUrls { url: row.url, conflict: row.conflict };
        values.urls.insert((InstanceId(row.instance_id), row.provider), urls);
    }
    let rows = sqlx::query!("SELECT instance_id, url FROM devices_addresses ORDER BY instance_id, position");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        values.devices_addresses.entry(InstanceId(row.instance_id)).or_default().push(row.url);
    }
    let rows = sqlx::query!("SELECT instance_id, app, apis FROM app_grant");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        values.grants.insert((InstanceId(row.instance_id), row.app), row.apis);
    }
    let rows = sqlx::query!("SELECT instance_id, host FROM frame_host ORDER BY instance_id, position");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        values.frame_hosts.entry(InstanceId(row.instance_id)).or_default().push(row.host);
    }
    let rows = sqlx::query!("SELECT instance_id, address FROM pbx_source ORDER BY instance_id, position");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        // The store never writes an invalid address.
        let Ok(address) = row.address.parse() else { continue };
        values.pbx_sources.entry(InstanceId(row.instance_id)).or_default().push(address);
    }
    read_proxies(connection, &mut values).await?;
    read_tickets(connection, &mut values).await?;
    read_sealed(connection, keyring, &mut values).await?;
    Ok(values)
}

async fn read_proxies(connection: &mut SqliteConnection, values: &mut LearnedValues) -> Result<(), StoreError> {
    let rows = sqlx::query!("SELECT instance_id, peer, header, is_listed, since, last FROM unlisted_proxy");
    for row in rows.fetch_all(connection).await.attempt(READ)? {
        let (Ok(peer), Ok(since), Ok(last)) = (row.peer.parse(), row.since.parse(), row.last.parse()) else {
            tracing::warn!(peer = row.peer, "a stored proxy cannot be read and is left out");
            continue;
        };
        let proxy = UnlistedProxy { peer, header: row.header, is_listed: row.is_listed != 0, since, last };
        values.proxies.insert((InstanceId(row.instance_id), peer), proxy);
    }
    Ok(())
}

async fn read_tickets(connection: &mut SqliteConnection, values: &mut LearnedValues) -> Result<(), StoreError> {
    let rows = sqlx::query!("SELECT instance_id, token, mac, until, used, base FROM bootstrap_ticket");
    for row in rows.fetch_all(connection).await.attempt(READ)? {
        let (Some(mac), Ok(until)) = (Mac::from_hex(&row.mac), Timestamp::from_second(row.until)) else {
            tracing::warn!(mac = row.mac, "a stored one-time URL cannot be read and is not valid");
            continue;
        };
        let ticket = BootstrapTicket { mac, until, used: row.used != 0, base: row.base };
        values.tickets.insert((InstanceId(row.instance_id), row.token), ticket);
    }
    Ok(())
}

async fn read_sealed(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    values: &mut LearnedValues,
) -> Result<(), StoreError> {
    let open = |place: String, sealed: &[u8]| {
        let bytes = keyring.unseal(&place, sealed)?;
        std::str::from_utf8(&bytes).map(Secret::new).map_err(|_error| StoreError::Unsealing { place })
    };
    let rows = sqlx::query!("SELECT instance_id, sealed FROM bootstrap_account");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        let instance = InstanceId(row.instance_id);
        values.bootstrap_passwords.insert(instance, open(account_place(instance), &row.sealed)?);
    }
    let rows = sqlx::query!("SELECT instance_id, vendor, sealed FROM server_entry");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        let instance = InstanceId(row.instance_id);
        let text = open(entry_place(instance, &row.vendor), &row.sealed)?;
        if let Some((name, url)) = text.expose().split_once('\n') {
            values.server_entries.insert((instance, row.vendor), (name.to_owned(), Secret::new(url)));
        }
    }
    let rows = sqlx::query!("SELECT instance_id, vendor, sealed FROM tried_account");
    for row in rows.fetch_all(&mut *connection).await.attempt(READ)? {
        let instance = InstanceId(row.instance_id);
        let fingerprint = open(tried_place(instance, &row.vendor), &row.sealed)?;
        values.tried_accounts.insert((instance, row.vendor), fingerprint);
    }
    Ok(())
}

fn account_place(instance: InstanceId) -> String {
    sealed_columns::place("bootstrap_account", &[&instance.0.to_string()])
}

fn entry_place(instance: InstanceId, vendor: &str) -> String {
    sealed_columns::place("server_entry", &[&instance.0.to_string(), vendor])
}

fn tried_place(instance: InstanceId, vendor: &str) -> String {
    sealed_columns::place("tried_account", &[&instance.0.to_string(), vendor])
}

/// Reloads all values. `writing` holds the write lock, so that an older state cannot overwrite a newer one.
pub(in crate::store) async fn refresh_by(database: &Sqlite, writing: &mut SqliteConnection) -> Result<(), StoreError> {
    let values = read(writing, &database.inner.keyring).await?;
    database.inner.memory.learned.replace(values);
    Ok(())
}

/// Same as [`refresh_by`] for a caller that does not hold the write lock.
pub(in crate::store) async fn refresh(database: &Sqlite) -> Result<(), StoreError> {
    let mut writing = database.inner.writer.take().await;
    refresh_by(database, &mut writing).await
}

impl LearnedRepository for Sqlite {
    async fn write_learned(&self, instance: InstanceId, value: LearnedValue) -> Result<(), StoreError> {
        let mut transaction = self.inner.writer.begin(WRITE).await?;
        write(&mut transaction, &self.inner.keyring, instance, &value).await?;
        count(&mut transaction).await?;
        let _writing = transaction.commit().await?;
        let mut values = self.inner.memory.learned.read().clone();
        values.put(instance, value);
        self.inner.memory.learned.replace(values);
        Ok(())
    }
}

impl Sqlite {
    /// Replaces all learned values with those that another database has in memory.
    pub(in crate::store) async fn take_learned_of(&self, other: &Self) -> Result<(), StoreError> {
        let values = other.inner.memory.learned.read().clone();
        let mut transaction = self.inner.writer.begin(WRITE).await?;
        for table in [
            "DELETE FROM learned_url",
            "DELETE FROM devices_addresses",
            "DELETE FROM app_grant",
            "DELETE FROM frame_host",
            "DELETE FROM pbx_source",
            "DELETE FROM unlisted_proxy",
            "DELETE FROM bootstrap_ticket",
            "DELETE FROM bootstrap_account",
            "DELETE FROM server_entry",
            "DELETE FROM tried_account",
        ] {
            sqlx::query(table).execute(&mut *transaction).await.attempt(WRITE)?;
        }
        for (instance, value) in values.clone().into_each() {
            write(&mut transaction, &self.inner.keyring, instance, &value).await?;
        }
        count(&mut transaction).await?;
        let _writing = transaction.commit().await?;
        self.inner.memory.learned.replace(values);
        Ok(())
    }
}

async fn count(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query!("UPDATE sequence SET learned = learned + 1 WHERE id = 1").execute(connection).await.attempt(WRITE)?;
    Ok(())
}

async fn write(
    connection: &mut SqliteConnection,
    keyring: &Keyring,
    instance: InstanceId,
    value: &LearnedValue,
) -> Result<(), StoreError> {
    let id = instance.0;
    match value {
        LearnedValue::Urls(provider, NamedUrls { url, conflict }) => {
            sqlx::query!(
                "INSERT INTO learned_url (instance_id, provider, url, conflict) VALUES (?, ?, ?, ?)
                ON CONFLICT (instance_id, provider) DO UPDATE SET url = excluded.url, conflict = excluded.conflict",
                id,
                provider,
                url,
                conflict
            )
            .execute(connection)
            .await
        }
        LearnedValue::DevicesAddresses(urls) => return write_devices(connection, id, urls).await,
        LearnedValue::Grants(app, apis) => {
            sqlx::query!(
                "INSERT INTO app_grant (instance_id, app, apis) VALUES (?, ?, ?)
                ON CONFLICT (instance_id, app) DO UPDATE SET apis = excluded.apis",
                id,
                app,
                apis
            )
            .execute(connection)
            .await
        }
        LearnedValue::FrameHosts(hosts) => return write_hosts(connection, id, hosts).await,
        LearnedValue::PbxSources(sources) => {
            let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
            return write_sources(connection, id, &sources).await;
        }
        LearnedValue::Proxy(peer, proxy) => {
            return write_proxy(connection, id, &peer.to_string(), proxy.as_ref()).await;
        }
        LearnedValue::Ticket(token, ticket) => return write_ticket(connection, id, token, ticket).await,
        LearnedValue::SpentTicket(token) => {
            sqlx::query!("UPDATE bootstrap_ticket SET used = 1 WHERE instance_id = ? AND token = ?", id, token)
                .execute(connection)
                .await
        }
        LearnedValue::BootstrapPassword(password) => {
            let sealed = keyring.seal(&account_place(instance), password.expose().as_bytes())?;
            sqlx::query!(
                "INSERT INTO bootstrap_account (instance_id, sealed) VALUES (?, ?)
                ON CONFLICT (instance_id) DO UPDATE SET sealed = excluded.sealed",
                id,
                sealed
            )
            .execute(connection)
            .await
        }
        LearnedValue::ServerEntry(vendor, name, url) => {
            let text = Secret::new(format!("{name}\n{}", url.expose()));
            let sealed = keyring.seal(&entry_place(instance, vendor), text.expose().as_bytes())?;
            sqlx::query!(
                "INSERT INTO server_entry (instance_id, vendor, sealed) VALUES (?, ?, ?)
                ON CONFLICT (instance_id, vendor) DO UPDATE SET sealed = excluded.sealed",
                id,
                vendor,
                sealed
            )
            .execute(connection)
            .await
        }
        LearnedValue::TriedAccount(vendor, fingerprint) => {
            let sealed = keyring.seal(&tried_place(instance, vendor), fingerprint.expose().as_bytes())?;
            sqlx::query!(
                "INSERT INTO tried_account (instance_id, vendor, sealed) VALUES (?, ?, ?)
                ON CONFLICT (instance_id, vendor) DO UPDATE SET sealed = excluded.sealed",
                id,
                vendor,
                sealed
            )
            .execute(connection)
            .await
        }
    }
    .attempt(WRITE)
    .map(drop)
}

async fn write_devices(connection: &mut SqliteConnection, instance: i64, urls: &[String]) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM devices_addresses WHERE instance_id = ?", instance)
        .execute(&mut *connection)
        .await
        .attempt(WRITE)?;
    for (position, url) in (0_i64..).zip(urls) {
        sqlx::query!(
            "INSERT INTO devices_addresses (instance_id, position, url) VALUES (?, ?, ?)",
            instance,
            position,
            url
        )
        .execute(&mut *connection)
        .await
        .attempt(WRITE)?;
    }
    Ok(())
}

async fn write_hosts(connection: &mut SqliteConnection, id: i64, hosts: &[String]) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM frame_host WHERE instance_id = ?", id).execute(&mut *connection).await.attempt(WRITE)?;
    for (position, host) in (0_i64..).zip(hosts) {
        sqlx::query!("INSERT INTO frame_host (instance_id, position, host) VALUES (?, ?, ?)", id, position, host)
            .execute(&mut *connection)
            .await
            .attempt(WRITE)?;
    }
    Ok(())
}

async fn write_sources(connection: &mut SqliteConnection, id: i64, sources: &[String]) -> Result<(), StoreError> {
    sqlx::query!("DELETE FROM pbx_source WHERE instance_id = ?", id).execute(&mut *connection).await.attempt(WRITE)?;
    for (position, address) in (0_i64..).zip(sources) {
        sqlx::query!("INSERT INTO pbx_source (instance_id, position, address) VALUES (?, ?, ?)", id, position, address)
            .execute(&mut *connection)
            .await
            .attempt(WRITE)?;
    }
    Ok(())
}

async fn write_proxy(
    connection: &mut SqliteConnection,
    id: i64,
    peer: &str,
    proxy: Option<&UnlistedProxy>,
) -> Result<(), StoreError> {
    let Some(proxy) = proxy else {
        sqlx::query!("DELETE FROM unlisted_proxy WHERE instance_id = ? AND peer = ?", id, peer)
            .execute(connection)
            .await
            .attempt(WRITE)?;
        return Ok(());
    };
    let (since, last) = (proxy.since.to_string(), proxy.last.to_string());
    sqlx::query!(
        "INSERT INTO unlisted_proxy (instance_id, peer, header, is_listed, since, last) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (instance_id, peer) DO UPDATE SET header = excluded.header, is_listed = excluded.is_listed,
            since = excluded.since, last = excluded.last",
        id,
        peer,
        proxy.header,
        proxy.is_listed,
        since,
        last
    )
    .execute(connection)
    .await
    .attempt(WRITE)?;
    Ok(())
}

async fn write_ticket(
    connection: &mut SqliteConnection,
    id: i64,
    token: &str,
    ticket: &BootstrapTicket,
) -> Result<(), StoreError> {
    let (mac, until) = (ticket.mac.to_string(), ticket.until.as_second());
    sqlx::query!("DELETE FROM bootstrap_ticket WHERE instance_id = ? AND mac = ?", id, mac)
        .execute(&mut *connection)
        .await
        .attempt(WRITE)?;
    sqlx::query!(
        "INSERT INTO bootstrap_ticket (instance_id, token, mac, until, used, base) VALUES (?, ?, ?, ?, ?, ?)",
        id,
        token,
        mac,
        until,
        ticket.used,
        ticket.base
    )
    .execute(connection)
    .await
    .attempt(WRITE)?;
    Ok(())
}
