//! Failures below the store: a disk, a lock, a file, a dropped future.

use std::fs;

use super::*;

#[tokio::test]
async fn a_transaction_left_behind_is_undone() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let mut transaction = fixture.store.database.inner.writer.begin("test").await.unwrap();
    sqlx::query("UPDATE phone SET provisioning = 9, change = 99").execute(&mut *transaction).await.unwrap();
    drop(transaction);
    let (after, ()) = fixture.store.phones().change(phone.id, |phone, _| phone.provisioning += 1).await.unwrap();
    assert_eq!(after.provisioning, 1);
    assert_eq!(fixture.again().await.phones().get(phone.id).unwrap().provisioning, 1);
}

#[tokio::test]
async fn a_change_dropped_on_the_way_happens_as_a_whole_or_not_at_all() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    for polls in 0..30 {
        let before = fixture.again().await.phones().get(phone.id).unwrap();
        let mut changing = Box::pin(fixture.store.phones().change(phone.id, |phone, _| {
            phone.provisioning += 100;
            phone.accounts[0].flags_provisioning += 100;
        }));
        // Drop the future after any number of polls, as when the client disconnects.
        for _ in 0..polls {
            if futures_util::poll!(&mut changing).is_ready() {
                break;
            }
        }
        drop(changing);
        let (after, ()) = fixture.store.phones().change(phone.id, |phone, _| phone.provisioning += 1).await.unwrap();
        let happened = after.accounts[0].flags_provisioning - before.accounts[0].flags_provisioning;
        assert!(matches!(happened, 0 | 100));
        assert_eq!(after.provisioning - before.provisioning, happened + 1, "both tables or none");
        assert_eq!(*fixture.again().await.phones().get(phone.id).unwrap(), *after, "memory and disk agree");
    }
}

#[tokio::test]
async fn a_truncated_log_opens_with_what_was_committed_before() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    for _ in 0..5 {
        fixture.store.phones().change(phone.id, |phone, _| phone.provisioning += 1).await.unwrap();
    }
    let wal = fs::read(fixture.dir.path().join("gangway.db-wal")).unwrap();
    // The first copy has the whole log. Nothing was closed, as after a power loss.
    let mut last = u32::MAX;
    for cut in [0, 1, 4096, 9000, 17_000, 30_001, wal.len() / 2] {
        let dir = tempfile::tempdir().unwrap();
        for file in ["gangway.db", "seal.key"] {
            fs::copy(fixture.dir.path().join(file), dir.path().join(file)).unwrap();
        }
        fs::write(dir.path().join("gangway.db-wal"), &wal[..wal.len().saturating_sub(cut)]).unwrap();
        let store = open(dir.path()).await;
        let found = store.phones().get(phone.id).map_or(0, |phone| phone.provisioning);
        assert!(found <= last, "a shorter log cannot know more");
        assert!(cut != 0 || found == 5, "everything answered is there");
        last = found;
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_said() {
    let fixture = Fixture::new().await;
    let key = fixture.dir.path().join("seal.key");
    let tasks = Tasks::new();
    let open = || Store::open_with(fixture.dir.path(), None, Arc::new(SystemClock), &tasks);
    let good = fs::read(&key).unwrap();
    fs::write(&key, format!("1 {}\n", "ab".repeat(32))).unwrap();
    assert!(matches!(open().await, Err(StoreError::WrongKey)));
    fs::write(&key, good).unwrap();

    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES (9999, 'later', TRUE, x'00', 0)";
    sqlx::query(newer).execute(&mut *fixture.store.database.inner.writer.take().await).await.unwrap();
    assert!(matches!(open().await, Err(StoreError::NewerSchema { found: 9999, .. })));

    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(DATABASE), vec![b'x'; 8192]).unwrap();
    fs::copy(&key, dir.path().join("seal.key")).unwrap();
    let error = Store::open_with(dir.path(), None, Arc::new(SystemClock), &tasks).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_a_lock_and_a_read_only_file_are_told_apart() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let run = async |sql: &'static str| {
        sqlx::query(sql).execute(&mut *fixture.store.database.inner.writer.take().await).await.unwrap();
    };
    let grow = || fixture.store.uploaded_files().save(phone.id, "x", &[7; UPLOAD_LIMIT]);
    run("PRAGMA max_page_count = 1").await;
    let error = grow().await.unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error:?}");
    run("PRAGMA max_page_count = 1000000").await;
    run("PRAGMA query_only = ON").await;
    let error = grow().await.unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    run("PRAGMA query_only = OFF").await;
    run("PRAGMA busy_timeout = 1").await;
    let other = fixture.again().await;
    let mut blocking = other.database.inner.writer.take().await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *blocking).await.unwrap();
    assert!(matches!(grow().await, Err(StoreError::Locked { .. })));
    let refused = fixture.store.phones().change(phone.id, |phone, _| phone.provisioning = 7).await;
    assert!(matches!(refused, Err(StoreError::Locked { .. })));
    assert_eq!(fixture.store.phones().get(phone.id).unwrap().provisioning, 0, "what is not written is not shown");
    sqlx::query("ROLLBACK").execute(&mut *blocking).await.unwrap();
    grow().await.unwrap();
}

#[tokio::test]
async fn a_damaged_row_takes_no_other_phone_with_it() {
    let fixture = Fixture::new().await;
    let first = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let second = fixture.store.phones().create(fixture.phone("805ec0000002"), Vec::new()).await.unwrap();
    let swap = "UPDATE phone SET secrets = (SELECT secrets FROM phone WHERE id = 2) WHERE id = 1";
    sqlx::query(swap).execute(&mut *fixture.store.database.inner.writer.take().await).await.unwrap();
    let again = fixture.again().await;
    assert!(again.phones().get(first.id).is_none(), "secrets of another row do not open here");
    assert!(again.phones().get(second.id).is_some());
}
