//! A database that can be read but not written is served, and recovers automatically.

use std::fs;

use super::*;

/// Lets the tasks run until the condition is true.
pub(super) async fn until(what: &str, clock: &ManualClock, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "does not happen: {what}");
        clock.advance(Duration::from_secs(1));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

/// A closed data directory with two phones.
async fn left_behind() -> (TempDir, InstanceId) {
    let fixture = Fixture::new().await;
    for mac in ["805ec0000001", "805ec0000002"] {
        fixture.store.phones().create(full(fixture.phone(mac)), Vec::new()).await.unwrap();
    }
    let Fixture { dir, tasks, store, instance } = fixture;
    tasks.finish(Duration::from_secs(10)).await;
    drop(store);
    (dir, instance)
}

#[tokio::test]
async fn a_database_whose_log_cannot_be_made_is_served_and_heals() {
    let (dir, instance) = left_behind().await;
    // A directory in place of the log prevents all writes. The previous store may still be closing its log.
    let log = dir.path().join("gangway.db-wal");
    while log.exists() {
        tokio::task::yield_now().await;
    }
    fs::create_dir(&log).unwrap();
    let (clock, tasks) = (ManualClock::new(now()), Tasks::new());

    let store = Store::open_with(dir.path(), None, Arc::new(clock.clone()), &tasks).await.unwrap();

    assert!(matches!(store.condition(), Health::ReadingOnly(_)), "{:?}", store.condition());
    assert_eq!(store.instance("example.com", "gangway").await.unwrap(), instance);
    let phone = store.phones().all()[0].clone();
    assert_eq!((store.phones().len(), phone.accounts.is_empty()), (2, false));
    let refused = store.phones().change(phone.id, |phone, _| phone.provisioning = 7).await.unwrap_err().to_string();
    assert!(refused.contains("served as they were"), "{refused}");

    fs::remove_dir(&log).unwrap();
    until("it is written again", &clock, || store.condition() == Health::Healthy).await;
    store.phones().change(phone.id, |phone, _| phone.provisioning = 7).await.unwrap();
    assert_eq!(open(dir.path()).await.phones().get(phone.id).unwrap().provisioning, 7, "on disk");
    tasks.finish(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn what_a_damaged_database_still_holds_is_served_and_nothing_is_written_to_it() {
    let (dir, _) = left_behind().await;
    let path = dir.path().join(DATABASE);
    // Wait until all connections are closed; otherwise the log would repair the damage made here.
    while dir.path().join("gangway.db-wal").exists() {
        tokio::task::yield_now().await;
    }
    let root: i64 = {
        let mut connection = connection::writer(&path).await.unwrap();
        let root = sqlx::query_scalar("SELECT rootpage FROM sqlite_schema WHERE name = 'request_facts'")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        sqlx::Connection::close(connection).await.unwrap();
        root
    };
    let mut bytes = fs::read(&path).unwrap();
    let at = (usize::try_from(root).unwrap() - 1) * 4096;
    bytes[at..at + 64].fill(0xee);
    fs::write(&path, bytes).unwrap();
    let (clock, tasks) = (ManualClock::new(now()), Tasks::new());

    let store = Store::open_with(dir.path(), None, Arc::new(clock.clone()), &tasks).await.unwrap();

    assert!(matches!(store.condition(), Health::Damaged { .. }), "{:?}", store.condition());
    assert!(store.condition().message().unwrap().contains("restore the last backup"));
    let phones = store.phones().all();
    assert_eq!(phones.len(), 2, "both can be read");
    let before = fs::read(&path).unwrap();
    let refused = store.phones().change(phones[0].id, |phone, _| phone.provisioning = 7).await;
    assert!(matches!(refused, Err(StoreError::Ailing { .. })), "{refused:?}");
    tasks.finish(Duration::from_secs(10)).await;
    drop(store);
    assert!(fs::read(&path).unwrap() == before, "a damaged file is kept for inspection as it is");
}

/// The hourly check notices damage that occurs while the gateway runs.
#[tokio::test]
async fn damage_is_noticed_before_it_is_needed() {
    let clock = ManualClock::new(now());
    let fixture = Fixture::with_clock(Arc::new(clock.clone())).await;
    for number in 1..=40 {
        let phone = full(fixture.phone(&format!("805ec00000{number:02x}")));
        fixture.store.phones().create(phone, Vec::new()).await.unwrap();
    }
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut *fixture.store.database.inner.writer.take().await)
        .await
        .unwrap();
    assert_eq!(fixture.store.condition(), Health::Healthy);
    let path = fixture.dir.path().join(DATABASE);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0xee);
    fs::write(&path, bytes).unwrap();

    clock.advance(Duration::from_secs(3600));
    until("it is noticed", &clock, || matches!(fixture.store.condition(), Health::Damaged { .. })).await;
    assert_eq!(fixture.store.phones().len(), 40, "phones are served from memory");
}
