//! Every released schema is migrated without losing data. `GANGWAY_TEST_PHONES=10000` runs this at full size and prints
//! the times.

use std::collections::HashSet;

use sqlx::{ConnectOptions, Connection, SqliteConnection, migrate::Migrator, sqlite::SqliteConnectOptions};

use super::*;
use crate::store::{
    sealing::key_file,
    snapshots,
    sqlite::schema::{MIGRATIONS, newest},
};

/// The newest migration of each released schema. A release adds the one it ships.
pub(super) const RELEASED: [i64; 3] = [1, 2, 30];

/// The row counts compared before and after.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts(Vec<(String, i64)>);

pub(super) async fn database(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(true).connect().await.unwrap()
}

async fn columns(connection: &mut SqliteConnection, of: &str, table: &str) -> Vec<String> {
    let query = format!("SELECT name FROM pragma_table_info('{table}', '{of}')");
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(connection).await.unwrap()
}

async fn tables(connection: &mut SqliteConnection, of: &str) -> Vec<String> {
    let query = format!(
        "SELECT name FROM {of}.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx%'"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_all(connection).await.unwrap()
}

async fn counts(connection: &mut SqliteConnection, tables: &[String]) -> Counts {
    let mut counts = Vec::new();
    for table in tables {
        let query = format!("SELECT count(*) FROM {table}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut *connection).await.unwrap();
        counts.push((table.clone(), count));
    }
    counts.sort();
    Counts(counts)
}

/// Creates a database of schema `version` in `dir`, with its key and all rows of `from` that this schema can store.
pub(super) async fn downgraded(from: &Fixture, version: i64, dir: &Path) -> (Vec<String>, Counts) {
    let known = MIGRATIONS.iter().filter(|migration| migration.version <= version).cloned().collect();
    let mut old = database(&dir.join(DATABASE)).await;
    Migrator::with_migrations(known).run(&mut old).await.unwrap();
    let full = from.dir.path().join(DATABASE);
    sqlx::query("ATTACH ? AS full").bind(full.to_string_lossy().into_owned()).execute(&mut old).await.unwrap();
    sqlx::query("PRAGMA foreign_keys = OFF").execute(&mut old).await.unwrap();
    let tables = tables(&mut old, "main").await;
    for table in &tables {
        let there: HashSet<String> = columns(&mut old, "full", table).await.into_iter().collect();
        let columns = columns(&mut old, "main", table).await;
        assert!(columns.iter().all(|column| there.contains(column)), "{table} lost a column: {columns:?}");
        let columns = columns.join(", ");
        for query in [
            format!("DELETE FROM main.{table}"),
            format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM full.{table}"),
        ] {
            sqlx::query(sqlx::AssertSqlSafe(query)).execute(&mut old).await.unwrap();
        }
    }
    let counts = counts(&mut old, &tables).await;
    old.close().await.unwrap();
    fs::copy(from.dir.path().join(key_file::KEY), dir.join(key_file::KEY)).unwrap();
    (tables, counts)
}

#[tokio::test]
async fn each_released_schema_comes_forward_with_every_phone() {
    let phones: u64 = std::env::var("GANGWAY_TEST_PHONES").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let fixture = Fixture::new().await;
    sqlx::query("PRAGMA synchronous = OFF")
        .execute(&mut *fixture.store.database.inner.writer.take().await)
        .await
        .unwrap();
    for count in 1..=phones {
        let mut phone = full(fixture.phone(&format!("805ec0{count:06x}")));
        phone.accounts[0].password = Secret::new(format!("password-{count}"));
        // The first schema could not store these.
        phone.accounts[0].orphaned = None;
        phone.accounts[0].withheld = None;
        phone.accounts[0].provisioning = phone.provisioning;
        fixture.store.create_phone(phone, vec![NewEvent::new("made", "Made.")]).await.unwrap();
    }
    let secret = Secret::new("the-setting");
    fixture.store.set_setting(fixture.instance, &Scope::Instance, "ldap_password", Some(&secret)).await.unwrap();
    fixture.store.set_secret_fact(fixture.instance, "shared", Some(&Secret::new("the-fact"))).await.unwrap();
    fixture.store.save_upload(PhoneId(1), "a.log", b"the-upload").await.unwrap();
    for version in RELEASED {
        let dir = tempfile::tempdir().unwrap();
        let (tables, before) = downgraded(&fixture, version, dir.path()).await;
        let clock = SystemClock;
        let start = clock.now();

        let store = open(dir.path()).await;

        println!("schema {version} -> {}: {phones} phones in {:#}", newest(), clock.now().duration_since(start));
        assert_eq!(counts(&mut *store.database.inner.writer.take().await, &tables).await, before, "schema {version}");
        assert_eq!(store.roster().len() as u64, phones, "schema {version}: every phone opens");
        for (id, phone) in [1, phones / 2, phones].map(|id| (id, PhoneId(id.cast_signed()))) {
            let found = store.roster().get(phone).unwrap();
            assert_eq!(found.accounts[0].password.expose(), format!("password-{id}"));
            assert_eq!(*found, *fixture.store.roster().get(phone).unwrap(), "schema {version}");
        }
        assert_eq!(store.layers(fixture.instance).get("ldap_password").unwrap().expose(), "the-setting");
        assert_eq!(store.secret_fact(fixture.instance, "shared").unwrap().expose(), "the-fact");
        assert_eq!(store.upload(PhoneId(1), "a.log").await.unwrap().unwrap().as_slice(), b"the-upload");
        // A copy of the original database is kept and can be restored.
        let kept = snapshots::list(dir.path());
        if version == newest() {
            assert_eq!(kept.len(), 0, "nothing is to be done");
            continue;
        }
        assert_eq!(kept.len(), 1);
        assert!(kept[0].to_string_lossy().ends_with(&format!("-schema-{version:04}.db")), "{kept:?}");
        let mut copy = database(&kept[0]).await;
        assert_eq!(counts(&mut copy, &tables).await, before);
        drop(store);
        open(dir.path()).await;
        assert_eq!(snapshots::list(dir.path()), kept, "nothing was left to be done");
    }
}

#[tokio::test]
async fn copies_before_a_change_are_bounded_and_without_one_nothing_is_changed() {
    let fixture = Fixture::new().await;
    fixture.store.create_phone(full(fixture.phone("805ec0000001")), Vec::new()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    downgraded(&fixture, 1, dir.path()).await;
    // The copy cannot be made: there is a file in place of its directory.
    fs::write(dir.path().join(snapshots::DIRECTORY), "in the way").unwrap();
    let refused = Store::open_with(dir.path(), None, Arc::new(SystemClock), &Tasks::new()).await;
    assert!(matches!(refused, Err(StoreError::File { .. })));
    let mut connection = database(&dir.path().join(DATABASE)).await;
    assert_eq!(schema::applied(&mut connection).await.unwrap(), [1], "still as it was");
    fs::remove_file(dir.path().join(snapshots::DIRECTORY)).unwrap();
    let clock = ManualClock::new(now());
    for _ in 0..5 {
        crate::store::sqlite::snapshots::before_migration(&mut connection, dir.path(), clock.now(), 1).await.unwrap();
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(snapshots::list(dir.path()).len(), 3);
}
