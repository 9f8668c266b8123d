//! A backup made while a gateway runs is restored completely elsewhere, and damaged files are rejected.

use std::{os::unix::fs::PermissionsExt, sync::Arc};

use gangway_base::{
    clock::{ManualClock, SharedClock, SystemClock},
    tasks::Tasks,
};
use jiff::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::{
    phone::{instance::InstanceId, record::Phone},
    settings::Scope,
    store::{DATABASE, NewToken, RestoreError, TokenScope, sealing::key_file::KEY},
};

struct Site {
    dir: TempDir,
    store: Store,
    instance: InstanceId,
    phone: Arc<Phone>,
}

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

fn passphrase() -> Secret {
    Secret::new("correct horse battery")
}

async fn open(dir: &Path) -> Store {
    Store::open(dir, clock(), &Tasks::new()).await.unwrap()
}

/// A data directory with a phone whose bootstrap window is open, and a row in every table.
async fn site() -> Site {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("data")).await;
    let instance = store.instance("example.com", "gangway").await.unwrap();
    let now = store.database.inner.clock.now();
    let mut phone = Phone::new(instance, "805ec0000001".parse().unwrap(), "yealink", "yealink", now);
    phone.accounts = Phone::sample().accounts;
    phone.accounts[0].password = Secret::new("the-password");
    phone.code = Some(Secret::new("the-code"));
    phone.window.open(now, 7);
    let phone = store.phones().create(phone, Vec::new()).await.unwrap();
    store
        .settings()
        .set_one(instance, &Scope::Instance, "ldap_password", Some(&Secret::new("the-setting")))
        .await
        .unwrap();
    store.learned().set_bootstrap_password(instance, Secret::new("the-bootstrap")).await.unwrap();
    store.uploaded_files().save(phone.id, "a.log", b"the-upload").await.unwrap();
    let token = NewToken { name: "a".into(), scope: TokenScope::Read, expires: None, created_by: "x".into() };
    store.api_tokens().create(instance, token).await.unwrap();
    Site { dir, store, instance, phone }
}

impl Site {
    fn backup(&self) -> PathBuf {
        self.dir.path().join("gangway.backup")
    }

    async fn back_up(&self) -> Contents {
        self.store.back_up(&self.backup(), &passphrase(), |_| ()).await.unwrap()
    }

    fn elsewhere(&self) -> PathBuf {
        self.dir.path().join("elsewhere")
    }
}

fn restore<'a>(file: &'a Path, dir: &'a Path) -> Restore<'a> {
    Restore { file, dir, credentials: None, replace: false, by: "root".into(), clock: clock() }
}

async fn carry_out(restore: Restore<'_>) -> Result<Restored, RestoreError> {
    restore.carry_out(|| Ok(passphrase()), |_| ()).await
}

#[tokio::test]
async fn a_backup_comes_back_on_another_host() {
    let site = site().await;
    let mut seen = Vec::new();
    let contents = site.store.back_up(&site.backup(), &passphrase(), |progress| seen.push(progress)).await.unwrap();
    assert_eq!((contents.phones, contents.instances.as_slice()), (1, &["example.com/gangway".to_owned()][..]));
    assert!(
        seen.contains(&Progress::Copying) && matches!(seen.last(), Some(Progress::Bytes(done, all)) if done == all)
    );
    assert_eq!(fs::metadata(site.backup()).unwrap().permissions().mode() & 0o777, 0o600);
    // The backup has neither the key nor secrets in plain text, and no temporary file is left.
    let bytes = fs::read(site.backup()).unwrap();
    let key = fs::read_to_string(site.dir.path().join("data").join(KEY)).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("example.com/gangway"), "the search finds what is there");
    for secret in ["the-password", "the-setting", "the-bootstrap", "the-upload", "the-code", key[2..].trim()] {
        assert!(!holds(secret), "{secret}");
    }
    assert_eq!(fs::read_dir(site.dir.path()).unwrap().count(), 2, "data and backup");

    let restored = carry_out(restore(&site.backup(), &site.elsewhere())).await.unwrap();

    assert_eq!((restored.phones, &restored.contents, &restored.aside), (1, &Some(contents), &None));
    assert_eq!(restored.tokens, 1, "a token that was revoked since lets nobody in");
    let store = open(&site.elsewhere()).await;
    let phone = store.phones().get(site.phone.id).unwrap();
    assert_eq!((&phone.token, &phone.own, &phone.accounts), (&site.phone.token, &site.phone.own, &site.phone.accounts));
    assert_eq!(store.settings().layers(site.instance).get("ldap_password").unwrap().expose(), "the-setting");
    assert_eq!(store.learned().bootstrap_password(site.instance).unwrap().expose(), "the-bootstrap");
    assert_eq!(store.uploaded_files().content(phone.id, "a.log").await.unwrap().unwrap().as_slice(), b"the-upload");
    // State that may be obsolete is not restored.
    assert!(site.phone.window.is_open(clock().now()) && !phone.window.is_open(clock().now()));
    assert!(store.api_tokens().of(site.instance).is_empty() && site.store.api_tokens().of(site.instance).len() == 1);
    assert!(phone.code.is_none() && phone.sysclient.spent.holds(&Secret::new("the-code")));
    assert_eq!(store.phones().events(phone.id, 1).await.unwrap()[0].kind, "restored");
    // It stays passive, even across restarts, until an administrator confirms.
    let sentence = open(&site.elsewhere()).await.restoration().unwrap().passive_sentence().unwrap();
    assert!(sentence.contains("--take-over"), "{sentence}");
    assert!(store.leave_passive().await.unwrap());
    assert!(!store.leave_passive().await.unwrap());
    let taken_over = open(&site.elsewhere()).await.restoration().unwrap();
    assert!(taken_over.passive_sentence().is_none());
    assert!(site.store.restoration().is_none());
}

#[tokio::test]
async fn what_is_damaged_or_not_ours_is_refused_and_changes_nothing() {
    let site = site().await;
    site.back_up().await;
    let good = fs::read(site.backup()).unwrap();
    let head = good.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(2).unwrap().0;
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let longer = [good.as_slice(), b"x"].concat();
    let newer = [b"gangway backup 2\n".as_slice(), &good[17..]].concat();
    let cases: [(&str, &[u8], &str); 7] = [
        ("an empty file", b"", "no backup of gangway"),
        ("another file", b"#!/bin/sh\n", "no backup of gangway"),
        ("cut", &good[..good.len() - 1], "not copied completely"),
        ("longer", &longer, "checksum"),
        ("a bit of the database", &changed(good.len() - 1000), "checksum"),
        ("a bit of the key", &changed(head - 10), "passphrase is wrong"),
        ("a later kind", &newer, "later version"),
    ];
    let file = site.dir.path().join("bad");
    for (name, bytes, said) in cases {
        fs::write(&file, bytes).unwrap();
        let error = carry_out(restore(&file, &site.elsewhere())).await.unwrap_err().to_string();
        assert!(error.contains(said), "{name}: {error}");
        assert!(!site.elsewhere().join(DATABASE).exists(), "{name}");
    }
    // A head with another number of phones is not the one the key was wrapped with.
    let text = String::from_utf8_lossy(&good[..head]).replace("\"phones\":1", "\"phones\":2");
    fs::write(&file, [text.as_bytes(), &good[head..]].concat()).unwrap();
    let error = carry_out(restore(&file, &site.elsewhere())).await.unwrap_err().to_string();
    assert!(error.contains("somebody changed the head"), "{error}");
    let (backup, elsewhere) = (site.backup(), site.elsewhere());
    let wrong = restore(&backup, &elsewhere);
    let error = wrong.carry_out(|| Ok(Secret::new("another passphrase")), |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("passphrase is wrong"), "{error}");
    assert_eq!(fs::read_dir(site.elsewhere()).unwrap().count(), 2, "only the locks");
}

#[tokio::test]
async fn a_database_that_is_there_is_replaced_only_when_told_and_kept_beside() {
    let site = site().await;
    site.back_up().await;
    let occupied = site.elsewhere();
    let other = open(&occupied).await;
    other.instance("example.com", "other").await.unwrap();
    drop(other);
    let before = fs::read(occupied.join(KEY)).unwrap();
    let error = carry_out(restore(&site.backup(), &occupied)).await.unwrap_err();
    assert!(matches!(error, RestoreError::Occupied { .. }));
    assert_eq!(fs::read(occupied.join(KEY)).unwrap(), before);
    {
        let store = open(&occupied).await;
        let _serving = store.claim().unwrap();
        let error = carry_out(Restore { replace: true, ..restore(&site.backup(), &occupied) }).await.unwrap_err();
        assert!(matches!(error, RestoreError::Store(StoreError::InUse { .. })), "{error}");
    }
    let restored = carry_out(Restore { replace: true, ..restore(&site.backup(), &occupied) }).await.unwrap();
    let aside = restored.aside.unwrap();
    assert_eq!(fs::read(aside.join(KEY)).unwrap(), before);
    assert_eq!(open(&occupied).await.phones().len(), 1);
    assert_eq!(open(&aside).await.phones().len(), 0, "what was there can still be used");
}

#[tokio::test]
async fn a_copy_gangway_made_by_itself_comes_back_with_the_key_that_is_there() {
    let site = site().await;
    let data = site.dir.path().join("data");
    let copy = site.store.copy_of_the_day(7).await.unwrap().unwrap();
    assert_eq!(site.store.copy_of_the_day(7).await.unwrap(), None, "one a day");
    site.store.phones().change(site.phone.id, |phone, _| phone.category = Some("later".into())).await.unwrap();
    drop(site.store);
    let again = Restore { replace: true, ..restore(&copy, &data) };
    let restored = again.carry_out(|| panic!("no passphrase is needed"), |_| ()).await.unwrap();
    assert_eq!((restored.phones, restored.contents), (1, None));
    let store = open(&data).await;
    assert_eq!(store.phones().get(site.phone.id).unwrap().category, None);
    assert!(store.restoration().unwrap().passive_sentence().is_some());
    assert!(copy.exists());
}

#[tokio::test]
async fn copies_are_bounded_and_renewed_with_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let clock = ManualClock::new(Timestamp::from_second(1_800_000_000).unwrap());
    let store = Store::open(dir.path(), Arc::new(clock.clone()), &Tasks::new()).await.unwrap();
    for _ in 0..10 {
        store.copy_of_the_day(3).await.unwrap().unwrap();
        clock.advance(std::time::Duration::from_secs(86_400));
    }
    let copies = crate::store::snapshots::list(dir.path());
    assert_eq!(copies.len(), 3);
    assert_eq!(fs::metadata(&copies[0]).unwrap().permissions().mode() & 0o777, 0o600);
    store.rotate_keys(|_| ()).await.unwrap();
    let renewed = crate::store::snapshots::list(dir.path());
    assert_eq!(renewed.len(), 1, "what the old key sealed is gone: {renewed:?}");
    assert!(!copies.contains(&renewed[0]));
    assert_eq!(store.copy_of_the_day(0).await.unwrap(), None, "none are wanted");
}

#[tokio::test]
async fn damage_is_found_and_the_newest_copy_named() {
    let site = site().await;
    let data = site.dir.path().join("data");
    site.store.look_for_damage(std::time::Duration::from_secs(10)).await.unwrap();
    let copy = site.store.copy_of_the_day(7).await.unwrap().unwrap();
    // Checkpoint everything into the file, then overwrite a page of a table.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut *site.store.database.inner.writer.take().await)
        .await
        .unwrap();
    let mut bytes = fs::read(data.join(DATABASE)).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        if page[0] == 13 {
            page[3..7].fill(0xff);
        }
    }
    fs::write(data.join(DATABASE), bytes).unwrap();
    let error = site.store.look_for_damage(std::time::Duration::from_secs(10)).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains(&format!("gangway restore {}", copy.display())), "{error}");
}
