//! Writes a database from memory when the file itself can no longer be read. It starts from the newest copy in
//! `backups/` and updates it to the phones, settings, learned values and tokens in memory. Data that only the file had
//! (timelines, histories, the audit, uploads, delivered files) is that of the copy.

use std::{
    fs,
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gangway_base::tasks::Tasks;
use jiff::Timestamp;
use tokio::sync::oneshot;

use super::{Sqlite, codec::signed, error_context::ErrorContext, missing_database::FirstStart, snapshots};
use crate::{
    phone::{instance::InstanceId, record::Phone},
    store::{
        api::{error::StoreError, phone::PhoneRepository},
        files::{DATABASE, failed, prepare_directory},
        sealing::key_file,
        staging::Staging,
    },
};

/// The directory in which the database is written.
const STAGING: &str = "rescuing";

impl Sqlite {
    /// Writes the data in memory into a new copy. There must be no other writer meanwhile.
    pub(in crate::store) async fn copy_from_memory(&self, now: Timestamp) -> Result<PathBuf, StoreError> {
        let (told, written) = oneshot::channel();
        let store = self.clone();
        // Use a separate thread: sealing everything would block a thread that serves requests.
        let started = std::thread::Builder::new().name("store rescue".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let written = runtime
                .map_err(failed("write a copy into", &store.inner.dir))
                .and_then(|runtime| runtime.block_on(store.write_upon_newest(now)));
            // The receiver is dropped if the gateway has stopped.
            let _ = told.send(written);
        });
        started.map_err(failed("start a thread for", &self.inner.dir))?;
        written.await.unwrap_or(Err(StoreError::Stopped))
    }

    /// Starts from the newest usable copy, or from an empty database if there is none.
    async fn write_upon_newest(&self, now: Timestamp) -> Result<PathBuf, StoreError> {
        for copy in crate::store::snapshots::list(&self.inner.dir).into_iter().rev() {
            match self.write_upon(Some(&copy), now).await {
                Err(error) if !matches!(error, StoreError::DiskFull { .. }) => {
                    tracing::warn!(%error, copy = %copy.display(), "this copy cannot be brought to what the gateway knows");
                }
                written => return written,
            }
        }
        self.write_upon(None, now).await
    }

    async fn write_upon(&self, copy: Option<&Path>, now: Timestamp) -> Result<PathBuf, StoreError> {
        let staging = Staging::make(&self.inner.dir, STAGING)?;
        let tasks = Tasks::new();
        let written = self.write_into(staging.path(), copy, &tasks, now).await;
        tasks.finish(Duration::from_secs(10)).await;
        written
    }

    async fn write_into(
        &self,
        staging: &Path,
        copy: Option<&Path>,
        tasks: &Tasks,
        now: Timestamp,
    ) -> Result<PathBuf, StoreError> {
        let inner = &self.inner;
        prepare_directory(staging)?;
        key_file::replace(&staging.join(key_file::KEY), &inner.keyring.to_text())?;
        if let Some(copy) = copy {
            let to = staging.join(DATABASE);
            let copied = || -> io::Result<()> {
                let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
                io::copy(&mut fs::File::open(copy)?, &mut file).map(drop)
            };
            copied().map_err(failed("write", &to))?;
        }
        let store = Self::open(staging, None, Arc::clone(&inner.clock), tasks, FirstStart::Wanted).await?;
        self.write_counters(&store).await?;
        for phone in inner.memory.phones.all() {
            self.write_phone(&store, &phone).await?;
        }
        for instance in inner.memory.instances.all() {
            self.write_settings(&store, InstanceId(instance.id)).await?;
        }
        self.write_changes(&store).await?;
        store.take_learned_of(self).await?;
        store.take_tokens_of(self).await?;
        let mut writing = store.inner.writer.hold().await;
        snapshots::of_loss(&mut writing, &inner.dir, now).await
    }

    /// Writes the tenants with their numbers. Counters continue from their current values, so that later writes count
    /// as newer.
    async fn write_counters(&self, store: &Sqlite) -> Result<(), StoreError> {
        let action = "write what the gateway knows";
        let mut transaction = store.inner.writer.begin(action).await?;
        for instance in self.inner.memory.instances.all() {
            let revision = signed(self.inner.memory.settings.get(InstanceId(instance.id)).revision());
            sqlx::query(
                "INSERT INTO instance (id, domain, name, created, settings_revision) VALUES (?1, ?2, ?3, 0, ?4)
                ON CONFLICT DO UPDATE SET settings_revision = max(settings_revision, ?4)",
            )
            .bind(instance.id)
            .bind(instance.domain)
            .bind(instance.name)
            .bind(revision)
            .execute(&mut *transaction)
            .await
            .attempt(action)?;
        }
        sqlx::query("UPDATE sequence SET phone = max(phone, ?)")
            .bind(self.inner.memory.phones.newest_change())
            .execute(&mut *transaction)
            .await
            .attempt(action)?;
        transaction.commit().await.map(drop)
    }

    /// Makes sure that no phone has a lower change counter than in memory.
    async fn write_changes(&self, store: &Sqlite) -> Result<(), StoreError> {
        let action = "write what the gateway knows";
        let mut transaction = store.inner.writer.begin(action).await?;
        for phone in self.inner.memory.phones.all() {
            let Some((_, change)) = self.inner.memory.phones.entry(phone.id) else { continue };
            sqlx::query("UPDATE phone SET change = max(change, ?) WHERE id = ?")
                .bind(change)
                .bind(phone.id.0)
                .execute(&mut *transaction)
                .await
                .attempt(action)?;
        }
        transaction.commit().await.map(drop)
    }

    async fn write_phone(&self, store: &Sqlite, phone: &Arc<Phone>) -> Result<(), StoreError> {
        let mine = Phone::clone(phone);
        if store.inner.memory.phones.get(phone.id).is_some_and(|there| there.mac == phone.mac) {
            store.change_phone(phone.id, move |there, _| *there = mine).await?;
            return Ok(());
        }
        let action = "keep the number of the phone";
        {
            // The next row gets the number after this one.
            let mut writing = store.inner.writer.take().await;
            sqlx::query("DELETE FROM sqlite_sequence WHERE name = 'phone'")
                .execute(&mut *writing)
                .await
                .attempt(action)?;
            sqlx::query("INSERT INTO sqlite_sequence (name, seq) VALUES ('phone', ?)")
                .bind(phone.id.0 - 1)
                .execute(&mut *writing)
                .await
                .attempt(action)?;
        }
        let created = store.create_phone(mine, Vec::new()).await?;
        match created.id == phone.id {
            true => Ok(()),
            false => Err(StoreError::Exists(phone.mac)),
        }
    }

    async fn write_settings(&self, store: &Sqlite, instance: InstanceId) -> Result<(), StoreError> {
        // All at once: written one by one, changing the server would take back the password bound to it.
        store.put_settings(instance, &self.inner.memory.settings.get(instance)).await
    }
}
