//! The database files change while the gateway runs.

use std::path::PathBuf;

use super::{degraded::until, *};

const FIRST: &str = "805ec0000001";

/// A serving gateway with one phone.
struct Serving {
    fixture: Fixture,
    clock: ManualClock,
    phone: PhoneId,
    _claim: ServeLock,
}

impl Serving {
    async fn new() -> Self {
        let clock = ManualClock::new(now());
        let fixture = Fixture::with_clock(Arc::new(clock.clone())).await;
        let claim = fixture.store.claim().unwrap();
        let phone = fixture.store.phones().create(full(fixture.phone(FIRST)), Vec::new()).await.unwrap().id;
        Self { fixture, clock, phone, _claim: claim }
    }

    fn store(&self) -> &Store {
        &self.fixture.store
    }

    fn path(&self, name: &str) -> PathBuf {
        self.fixture.dir.path().join(name)
    }

    async fn count(&self) -> Result<u32, StoreError> {
        let changed = self.store().phones().change(self.phone, |phone, _| phone.provisioning += 1).await;
        changed.map(|(phone, ())| phone.provisioning)
    }

    /// Waits until the gateway has repaired a loss, and returns the result.
    async fn recovery(&self) -> RecoveryResult {
        until("the loss is recovery", &self.clock, || self.store().recovery().is_some()).await;
        assert_eq!(self.store().condition(), Health::Healthy);
        self.store().recovery().unwrap()
    }

    async fn lost(&self) -> (Loss, PathBuf) {
        let seen = || matches!(self.store().condition(), Health::Lost { copy: Some(_), .. });
        until("the loss is noticed", &self.clock, seen).await;
        match self.store().condition() {
            Health::Lost { loss, copy: Some(copy) } => (loss, copy),
            other => panic!("{other:?}"),
        }
    }

    /// The value another process finds on disk.
    async fn on_disk(&self) -> u32 {
        self.fixture.again().await.phones().get(self.phone).unwrap().provisioning
    }
}

/// Removes or damages files.
type Go<'a> = &'a dyn Fn(&Serving);

/// For every way to lose the gateway's own files: committed changes are kept, and later changes reach the disk too.
#[tokio::test]
async fn files_that_go_are_replaced_by_what_the_gateway_still_sees() {
    let remove = |serving: &Serving, names: &[&str]| {
        for name in names {
            fs::remove_file(serving.path(name)).unwrap();
        }
    };
    let ways: [(&str, Loss, Go); 5] = [
        ("removed", Loss::Removed, &|serving| remove(serving, &["gangway.db"])),
        ("removed with its log", Loss::Removed, &|serving| remove(serving, &files::OF_DATABASE)),
        ("emptied", Loss::Truncated, &|serving| drop(fs::File::create(serving.path("gangway.db")).unwrap())),
        ("the log removed", Loss::Log, &|serving| remove(serving, &["gangway.db-wal"])),
        ("the index removed", Loss::Log, &|serving| remove(serving, &["gangway.db-shm"])),
    ];
    for (way, loss, go) in ways {
        let serving = Serving::new().await;
        let expected = serving.count().await.unwrap() + 3;
        go(&serving);
        // Until the loss is noticed, changes are written to files without a name.
        for _ in 0..2 {
            serving.count().await.unwrap();
        }
        let recovery = serving.recovery().await;
        assert_eq!(recovery.loss, loss, "{way}");
        assert_eq!(serving.count().await.unwrap(), expected, "{way}");
        assert_eq!(serving.on_disk().await, expected, "{way}");
        assert!(recovery.copy.ends_with("2027-01-15T08-00-02Z-rescue.db") || recovery.copy.exists(), "{recovery:?}");
        assert!(recovery.sentence().contains("Nothing was lost"), "{}", recovery.sentence());
        // Readers use the copy too, and it is a separate file.
        serving.store().phones().events(serving.phone, 10).await.unwrap();
        serving.store().look_for_damage(Duration::from_secs(60)).await.unwrap();
        let leftover = fs::read_dir(serving.fixture.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        assert!(leftover.into_iter().all(|name| !name.to_string_lossy().contains("partial")), "{way}");
        // Changes that another process makes now are seen here.
        let other = serving.fixture.again().await;
        other.phones().change(serving.phone, |phone, _| phone.provisioning = 77).await.unwrap();
        let seen = || serving.store().phones().get(serving.phone).unwrap().provisioning == 77;
        until("the other's change is seen", &serving.clock, seen).await;
    }
}

/// The log was checkpointed into the file before. The file cannot be read any more, so only memory is left.
#[tokio::test]
async fn a_file_that_cannot_be_read_any_more_is_written_from_memory() {
    for cut in [0, 8192] {
        let serving = Serving::new().await;
        let (store, instance) = (serving.store(), serving.fixture.instance);
        let text = |value: &str| Secret::new(value);
        store
            .settings()
            .set_one(instance, &Scope::Instance, "ntp_server_1", Some(&text("before.example")))
            .await
            .unwrap();
        store
            .settings()
            .set_one(instance, &Scope::Instance, "ntp_server_2", Some(&text("dropped.example")))
            .await
            .unwrap();
        let proxy = super::learned::proxy();
        store.learned().set_unlisted_proxy(instance, &proxy).await.unwrap();
        // The newest copy has less than memory.
        store.copy_of_the_day(7).await.unwrap();
        serving.count().await.unwrap();
        let late = store.instance("example.org", "later").await.unwrap();
        let mut other = full(serving.fixture.phone("805ec0000002"));
        other.instance = late;
        let second = store.phones().create(other, Vec::new()).await.unwrap();
        store
            .settings()
            .set_one(instance, &Scope::Instance, "ntp_server_1", Some(&text("after.example")))
            .await
            .unwrap();
        store.settings().set_one(instance, &Scope::Instance, "ntp_server_2", None).await.unwrap();
        store.settings().set_one(late, &Scope::Instance, "ntp_server_1", Some(&text("late.example"))).await.unwrap();
        // A password and the server it is bound to, which is written after the password.
        let own = Scope::Phone(FIRST.parse().unwrap());
        for (name, value) in [("ldap_server", "ldap.example.com"), ("ldap_password", "the-password")] {
            store.settings().set_one(instance, &Scope::Instance, name, Some(&text(value))).await.unwrap();
        }
        store.settings().set_one(instance, &own, "ldap_password", Some(&text("its-own"))).await.unwrap();
        store.learned().remove_unlisted_proxy(instance, proxy.peer).await.unwrap();
        store.learned().set_bootstrap_password(instance, text("the-bootstrap")).await.unwrap();
        let token = NewToken { name: "x".into(), scope: TokenScope::Read, expires: None, created_by: "root".into() };
        let (shown, _) = store.api_tokens().create(late, token).await.unwrap();
        // Clear SQLite's cache as well.
        for order in ["PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA shrink_memory"] {
            sqlx::query(order).execute(&mut *store.database.inner.writer.hold().await).await.unwrap();
        }
        fs::File::options().write(true).open(serving.path("gangway.db")).unwrap().set_len(cut).unwrap();

        let recovery = serving.recovery().await;
        assert_eq!((recovery.loss, recovery.is_from_memory), (Loss::Truncated, true), "{cut}");
        serving.count().await.unwrap();
        let again = serving.fixture.again().await;
        assert_eq!(again.phones().get(serving.phone).unwrap().provisioning, 5);
        let found = again.phones().get(second.id).unwrap();
        assert_eq!((found.mac, found.instance, &found.accounts), (second.mac, late, &second.accounts));
        assert_eq!(again.instance("example.org", "later").await.unwrap(), late);
        let setting =
            |instance, name: &str| again.settings().layers(instance).get(name).map(|value| value.expose().to_owned());
        assert_eq!(setting(instance, "ntp_server_1").as_deref(), Some("after.example"));
        assert_eq!(setting(late, "ntp_server_1").as_deref(), Some("late.example"));
        assert_eq!(setting(instance, "ntp_server_2").as_deref(), Some(""), "taken back");
        assert_eq!(setting(instance, "ldap_server").as_deref(), Some("ldap.example.com"));
        assert_eq!(setting(instance, "ldap_password").as_deref(), Some("the-password"));
        let layers = again.settings().layers(instance);
        assert_eq!(layers.row(&own, "ldap_password").unwrap().value.expose(), "its-own");
        assert_eq!(layers.binding(&own, "ldap_password").unwrap().text(), r#"{"ldap_server":"ldap.example.com"}"#);
        assert_eq!(again.learned().unlisted_proxies(), [], "removed after the copy");
        assert_eq!(again.learned().bootstrap_password(instance), Some(text("the-bootstrap")));
        assert!(matches!(again.api_tokens().check(late, shown.expose()), TokenCheck::Good(_)));
        // Later changes count as newer, in memory and on disk.
        store
            .settings()
            .set_one(instance, &Scope::Instance, "ntp_server_1", Some(&text("last.example")))
            .await
            .unwrap();
        assert_eq!(store.settings().layers(instance).get("ntp_server_1").unwrap().expose(), "last.example");
        assert!(!serving.path("rescuing").exists());
    }
}

#[tokio::test]
async fn another_file_in_its_place_is_left_alone_and_nothing_is_written_until_it_is_gone() {
    let serving = Serving::new().await;
    serving.count().await.unwrap();
    let path = serving.path("gangway.db");
    fs::rename(&path, serving.path("mine.db")).unwrap();
    let elsewhere = Fixture::new().await;
    let theirs = elsewhere.store.copy_of_the_day(1).await.unwrap().unwrap();
    fs::copy(&theirs, &path).unwrap();

    let (loss, copy) = serving.lost().await;

    assert_eq!(loss, Loss::Replaced);
    let sentence = serving.store().condition().message().unwrap();
    assert!(sentence.contains(copy.to_str().unwrap()) && sentence.contains("--replace"), "{sentence}");
    assert!(matches!(serving.count().await, Err(StoreError::Ailing { .. })));
    let token = NewToken { name: "x".into(), scope: TokenScope::Read, expires: None, created_by: "root".into() };
    assert!(serving.store().api_tokens().create(serving.fixture.instance, token).await.is_err(), "nor anything else");
    assert!(matches!(serving.store().phones().events(serving.phone, 10).await, Err(StoreError::Lost { .. })));
    assert!(matches!(serving.store().copy_of_the_day(7).await, Err(StoreError::Lost { .. })));
    assert_eq!(serving.store().phones().get(serving.phone).unwrap().provisioning, 4, "served from memory");
    assert_eq!(fs::read(&path).unwrap(), fs::read(&theirs).unwrap(), "untouched");
    let aside = || {
        fs::read_dir(serving.fixture.dir.path()).unwrap().flatten().find(|entry| {
            entry.file_name().to_string_lossy().starts_with("lost-") && entry.path().join("gangway.db-wal").exists()
        })
    };
    assert!(!serving.path("gangway.db-wal").exists() && aside().is_some(), "our log is not beside the other file");
    // A command would write to the wrong file, so it is rejected.
    let command = Store::open_with(serving.fixture.dir.path(), None, Arc::new(SystemClock), &Tasks::new()).await;
    assert!(matches!(command, Err(StoreError::Lost { loss: Loss::Replaced })), "{command:?}");
    assert_eq!(fs::read(&path).unwrap(), fs::read(&theirs).unwrap(), "untouched");

    // The other file is removed again: the copy is put in its place.
    fs::remove_file(&path).unwrap();
    serving.recovery().await;
    assert_eq!(serving.count().await.unwrap(), 5);
    assert_eq!(serving.on_disk().await, 5);
}

/// Like `cp` over the database: same inode, complete, but an older state.
#[tokio::test]
async fn an_earlier_database_written_over_the_file_in_place_is_noticed_and_what_memory_knows_comes_back() {
    let serving = Serving::new().await;
    let second =
        serving.store().phones().create(full(serving.fixture.phone("805ec0000002")), Vec::new()).await.unwrap();
    let earlier = serving.store().copy_of_the_day(7).await.unwrap().unwrap();
    let earlier = fs::read(earlier).unwrap();
    serving.count().await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut *serving.store().database.inner.writer.hold().await)
        .await
        .unwrap();
    // The file is not truncated first, as it would be if `cp` emptied it.
    let file = fs::File::options().write(true).open(serving.path("gangway.db")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &earlier, 0).unwrap();
    drop(file);

    let recovery = serving.recovery().await;
    assert_eq!((recovery.loss, recovery.is_from_memory), (Loss::Truncated, true));
    assert_eq!(serving.count().await.unwrap(), 5);
    assert_eq!(serving.on_disk().await, 5);
    let found = serving.fixture.again().await.phones().get(second.id).unwrap().provisioning;
    assert_eq!(found, second.provisioning);
    // The result is stable.
    for _ in 0..40 {
        serving.clock.advance(Duration::from_secs(1));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(serving.store().recovery(), Some(recovery));
    assert_eq!(serving.store().condition(), Health::Healthy);
}

/// There are foreign files and damaged copies among the copies.
#[tokio::test]
async fn odd_files_among_the_copies_do_not_keep_memory_from_being_written() {
    let serving = Serving::new().await;
    let copy = serving.store().copy_of_the_day(7).await.unwrap().unwrap();
    serving.count().await.unwrap();
    let backups = serving.path(snapshots::DIRECTORY);
    fs::write(backups.join("zzz.db"), "no database").unwrap();
    assert_eq!(snapshots::list(serving.fixture.dir.path()), std::slice::from_ref(&copy));
    let damaged = backups.join("2027-01-15T09-00-00Z-daily.db");
    fs::write(&damaged, "no database").unwrap();
    assert_eq!(snapshots::list(serving.fixture.dir.path()), [copy.clone(), damaged]);
    for order in ["PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA shrink_memory"] {
        sqlx::query(order).execute(&mut *serving.store().database.inner.writer.hold().await).await.unwrap();
    }
    // None of the copies is usable.
    fs::write(&copy, "no database").unwrap();
    fs::File::create(serving.path("gangway.db")).unwrap();
    let recovery = serving.recovery().await;
    assert!(recovery.is_from_memory);
    assert_eq!(serving.on_disk().await, 4);
}

/// Only a held lock shows that a gateway is running. The lock file of a killed gateway does not block commands.
#[tokio::test]
async fn what_a_killed_gateway_left_in_its_lock_file_refuses_no_command() {
    let serving = Serving::new().await;
    let told = fs::read_to_string(serving.path("gangway.lock")).unwrap();
    let Serving { fixture, _claim: claim, .. } = serving;
    fixture.tasks.finish(Duration::from_secs(10)).await;
    let dir = fixture.dir.path();
    assert!(told.split(' ').all(|part| part.trim().parse::<u64>().is_ok()), "{told}");
    fs::write(dir.join("gangway.lock"), "1 1\n").unwrap();
    let open = async || Store::open_with(dir, None, Arc::new(SystemClock), &Tasks::new()).await;
    assert!(matches!(open().await, Err(StoreError::Lost { .. })));
    drop(claim);
    open().await.unwrap();
}

#[tokio::test]
async fn the_very_files_put_back_are_gone_on_with() {
    let serving = Serving::new().await;
    let (dir, away) = (serving.fixture.dir.path().to_owned(), tempfile::tempdir().unwrap());
    // A volume that is missing for a while: nothing is created in its place.
    let there = away.path().join("data");
    fs::rename(&dir, &there).unwrap();
    until("it is noticed", &serving.clock, || matches!(serving.store().condition(), Health::Lost { .. })).await;
    assert!(serving.count().await.is_err());
    assert!(!dir.exists());
    fs::create_dir(&dir).unwrap();
    for _ in 0..10 {
        serving.clock.advance(Duration::from_secs(2));
        tokio::task::yield_now().await;
    }
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "another directory is left alone");
    fs::remove_dir(&dir).unwrap();
    fs::rename(&there, &dir).unwrap();
    until("it goes on", &serving.clock, || serving.store().condition() == Health::Healthy).await;
    assert_eq!(serving.count().await.unwrap(), 4);
    assert_eq!(serving.store().recovery(), None);
}

#[tokio::test]
async fn a_command_that_meets_a_loss_writes_nothing_and_mends_nothing() {
    let clock = ManualClock::new(now());
    let fixture = Fixture::with_clock(Arc::new(clock.clone())).await;
    let phone = fixture.store.phones().create(fixture.phone(FIRST), Vec::new()).await.unwrap();
    fs::remove_file(fixture.dir.path().join("gangway.db")).unwrap();
    until("it is noticed", &clock, || matches!(fixture.store.condition(), Health::Lost { .. })).await;
    assert!(fixture.store.phones().change(phone.id, |phone, _| phone.provisioning = 7).await.is_err());
    assert!(!fixture.dir.path().join("gangway.db").exists() && snapshots::list(fixture.dir.path()).is_empty());
}

/// Growing, shrinking and emptying the log is not reported as a loss.
#[tokio::test]
async fn what_sqlite_does_to_its_files_is_no_loss() {
    let serving = Serving::new().await;
    for round in 0..5_u8 {
        for number in 0..30_u8 {
            let mac = format!("805ec1{round:02x}{number:02x}00");
            serving.store().phones().create(full(serving.fixture.phone(&mac)), Vec::new()).await.unwrap();
            assert_eq!(serving.store().database.inner.identity.look(), Ok(()));
        }
        for statement in ["DELETE FROM account WHERE phone_id % 2 = 0", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"] {
            sqlx::query(statement).execute(&mut *serving.store().database.inner.writer.take().await).await.unwrap();
            serving.clock.advance(Duration::from_secs(3));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(serving.store().database.inner.identity.look(), Ok(()), "{statement}");
        }
    }
    assert_eq!((serving.store().condition(), serving.store().recovery()), (Health::Healthy, None));
}

/// A disk that rejects writes is reported as soon as a write is due, and only as long as the problem lasts.
#[tokio::test]
async fn a_disk_that_takes_nothing_is_told_while_the_gateway_runs() {
    let serving = Serving::new().await;
    let order = async |order: &'static str| {
        sqlx::query(order).execute(&mut *serving.store().database.inner.writer.hold().await).await.unwrap();
    };
    order("PRAGMA query_only = ON").await;
    assert!(serving.count().await.is_err());
    let told = || matches!(serving.store().condition(), Health::ReadingOnly(_));
    until("it is told", &serving.clock, told).await;
    let sentence = serving.store().condition().message().unwrap();
    assert!(sentence.contains("read-only") && sentence.contains("Phones are served"), "{sentence}");
    order("PRAGMA query_only = OFF").await;
    until("it is over", &serving.clock, || serving.store().condition() == Health::Healthy).await;

    // Also for statements that are their own transaction.
    order("PRAGMA query_only = ON").await;
    let token = NewToken { name: "x".into(), scope: TokenScope::Read, expires: None, created_by: "root".into() };
    assert!(serving.store().api_tokens().create(serving.fixture.instance, token).await.is_err());
    until("it is told", &serving.clock, told).await;
    order("PRAGMA query_only = OFF").await;
    // The first successful change ends the condition.
    serving.count().await.unwrap();
    until("it is over", &serving.clock, || serving.store().condition() == Health::Healthy).await;
}
