//! A data directory without its database.

use sqlx::Connection as _;

use super::*;

async fn first_open(dir: &Path) -> Result<Store, StoreError> {
    Store::open_with(dir, None, Arc::new(ManualClock::new(now())), &Tasks::new()).await
}

/// A directory in which a gateway has run and made a copy, with its database removed.
async fn without_database() -> (TempDir, std::path::PathBuf) {
    let fixture = Fixture::new().await;
    fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let copy = fixture.store.copy_of_the_day(7).await.unwrap().unwrap();
    let Fixture { dir, tasks, store, .. } = fixture;
    tasks.finish(Duration::from_secs(10)).await;
    drop(store);
    for name in files::OF_DATABASE {
        let _ = fs::remove_file(dir.path().join(name));
    }
    (dir, copy)
}

#[tokio::test]
async fn no_empty_database_begins_where_one_was() {
    let (dir, copy) = without_database().await;
    let entries = || {
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = entries();
    let refused = first_open(dir.path()).await.unwrap_err().to_string();
    for part in [
        copy.to_str().unwrap(),
        "2027-01-15T08:00:00Z",
        &format!("`gangway restore {}`", copy.display()),
        "`gangway restore FILE`",
        "`gangway serve --new-database`",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert_eq!(entries(), before, "nothing is made");
    // An emptied database counts as missing: SQLite would discard the log.
    fs::write(dir.path().join(DATABASE), "").unwrap();
    assert!(matches!(first_open(dir.path()).await, Err(StoreError::DatabaseMissing { .. })));
    // The key alone or the copies alone are enough evidence.
    fs::remove_file(dir.path().join(key_file::KEY)).unwrap();
    let refused = first_open(dir.path()).await.unwrap_err().to_string();
    assert!(refused.contains("holds copies of a database, but"), "{refused}");
    let other = tempfile::tempdir().unwrap();
    key_file::keyring(other.path(), None, false).unwrap();
    let refused = first_open(other.path()).await.unwrap_err().to_string();
    assert!(refused.contains("a sealing key, but no database") && refused.contains("no copy"), "{refused}");
}

#[tokio::test]
async fn a_key_of_systemd_tells_nothing_of_a_database() {
    let (dir, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(credentials.path().join(key_file::CREDENTIAL), format!("1 {}\n", "cd".repeat(32))).unwrap();
    let clock = Arc::new(ManualClock::new(now()));
    Store::open_with(dir.path(), Some(credentials.path()), clock, &Tasks::new()).await.unwrap();
}

#[tokio::test]
async fn an_administrator_begins_with_an_empty_database_and_only_where_there_is_none() {
    let (dir, copy) = without_database().await;
    fs::write(dir.path().join("gangway.db-wal"), "what is left").unwrap();
    let begin = async || Store::begin(dir.path(), Arc::new(ManualClock::new(now())), &Tasks::new()).await;
    begin().await.unwrap();
    assert!(copy.exists(), "the copies stay");
    assert_eq!(fs::read(dir.path().join("lost-2027-01-15T08-00-00Z/gangway.db-wal")).unwrap(), b"what is left");
    let store = first_open(dir.path()).await.unwrap();
    assert!(store.phones().is_empty());
    let refused = begin().await.unwrap_err();
    assert!(matches!(refused, StoreError::DatabaseExists { .. }), "{refused}");
    let _serving = store.claim().unwrap();
    assert!(matches!(begin().await, Err(StoreError::InUse { .. })));
}

/// The key is created after the database. A crash in between does not make the directory reject its next start.
#[tokio::test]
async fn a_first_start_that_died_at_any_moment_is_a_first_start_again() {
    let dir = tempfile::tempdir().unwrap();
    files::prepare_database(dir.path()).unwrap();
    first_open(dir.path()).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    files::prepare_database(dir.path()).unwrap();
    drop(connection::writer(&dir.path().join(DATABASE)).await.unwrap());
    assert!(fs::metadata(dir.path().join(DATABASE)).unwrap().len() > 0, "SQLite has made the file");
    first_open(dir.path()).await.unwrap();

    // With the schema, without and with the key.
    for has_key in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        files::prepare_database(dir.path()).unwrap();
        let mut writer = connection::writer(&dir.path().join(DATABASE)).await.unwrap();
        schema::bring_forward(&mut writer, dir.path(), now()).await.unwrap();
        if has_key {
            key_file::keyring(dir.path(), None, false).unwrap();
        }
        first_open(dir.path()).await.unwrap();
    }
}

/// A new database file has only a header; everything else is in the log. Without the log there is no database.
#[tokio::test]
async fn a_database_that_is_empty_without_its_lost_log_is_no_database() {
    let (dir, copy) = without_database().await;
    let path = dir.path().join(DATABASE);
    files::prepare_database(dir.path()).unwrap();
    connection::writer(&path).await.unwrap().close().await.unwrap();
    let before = fs::read(&path).unwrap();
    assert!(!before.is_empty());
    for _ in 0..2 {
        let refused = first_open(dir.path()).await.unwrap_err();
        assert!(matches!(refused, StoreError::DatabaseMissing { .. }), "{refused}");
        let refused = refused.to_string();
        assert!(refused.contains(copy.to_str().unwrap()) && refused.contains("lost its log"), "{refused}");
        assert!(fs::read(&path).unwrap() == before, "nothing is made");
    }
    Store::begin(dir.path(), Arc::new(ManualClock::new(now())), &Tasks::new()).await.unwrap();
    assert!(first_open(dir.path()).await.unwrap().phones().is_empty());
    assert!(fs::read(dir.path().join("lost-2027-01-15T08-00-00Z/gangway.db")).unwrap() == before, "put aside");
}

#[tokio::test]
async fn a_store_that_was_closed_is_whole_in_one_file() {
    let fixture = Fixture::new().await;
    fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    fixture.store.close().await;
    let (elsewhere, from) = (tempfile::tempdir().unwrap(), fixture.dir.path());
    for name in [DATABASE, key_file::KEY] {
        fs::copy(from.join(name), elsewhere.path().join(name)).unwrap();
    }
    assert_eq!(first_open(elsewhere.path()).await.unwrap().phones().len(), 1);
}
