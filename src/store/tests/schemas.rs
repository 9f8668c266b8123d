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

/// Tables of earlier schemas that migration 0051 drops. Migration 0050 moves the rows of `fact`.
const DROPPED_TABLES: [&str; 2] = ["fact", "handover"];
/// Table and column that migration 0051 drops.
const DROPPED_COLUMN: (&str, &str) = ("sequence", "fact");

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
    let mut tables = tables(&mut old, "main").await;
    tables.retain(|table| !DROPPED_TABLES.contains(&table.as_str()));
    for table in &tables {
        let there: HashSet<String> = columns(&mut old, "full", table).await.into_iter().collect();
        let mut columns = columns(&mut old, "main", table).await;
        columns.retain(|column| (table.as_str(), column.as_str()) != DROPPED_COLUMN);
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

/// Writes what gateways up to schema 40 stored in the tables that are dropped: what they learned, one row of each kind,
/// a message to a command, and the file of an import.
async fn fill_dropped_tables(from: &Fixture, version: i64, dir: &Path) {
    let (mut old, instance) = (database(&dir.join(DATABASE)).await, from.instance.0);
    let seal = |place: String, value: &str| from.store.database.inner.keyring.seal(&place, value.as_bytes()).unwrap();
    for (key, value) in [
        ("learned_url.yealink", "https://gw.example.com/a/b"),
        ("learned_url_conflict.yealink", "https://one.example.com/ https://two.example.com/"),
        ("learned_url_conflict.snom", "https://three.example.com/ https://four.example.com/"),
        ("devices.sysclients", "wss://devices.example.com/sysclients"),
        ("grants.gangway-yealink", "PbxAdminApi Services"),
        ("frame.hosts", "pbx.example.com 10.0.0.1"),
        ("pbx.sources", "192.0.2.1 2001:db8::"),
        (
            "unlisted-proxy.192.0.2.9",
            r#"{"peer":"192.0.2.9","header":"x-forwarded-for","is_listed":true,"since":"2026-11-01T08:00:00Z","last":"2026-11-02T08:00:00.5Z"}"#,
        ),
        ("unlisted-proxy.192.0.2.10", "damaged"),
        ("bootstrap_of.805ec0000001", "bootstrap.00ff"),
        ("bootstrap.00ff", "805ec0000001 1800000000 used http://gw.example.com:8080/example.com/gw/phone/"),
        ("bootstrap_of.805ec0000002", "bootstrap.11ff"),
        ("bootstrap.11ff", "805ec0000002 1800000001 fresh http://gw.example.com/phone/"),
        ("bootstrap.22ff", "805ec0000002 1800000002 fresh http://old.example.com/phone/"),
        ("resync.805ec0000001", "wanted"),
    ] {
        let row = sqlx::query("INSERT INTO fact (instance_id, key, value) VALUES (?, ?, ?)").bind(instance);
        row.bind(key).bind(value).execute(&mut old).await.unwrap();
    }
    for (key, value) in [
        ("bootstrap_password", "the-bootstrap"),
        ("server_entry.yealink", "the-name\nhttps://gw.example.com/entry"),
        ("redirect_tried.snom", "the-fingerprint"),
    ] {
        let row = sqlx::query("INSERT INTO fact (instance_id, key, sealed) VALUES (?, ?, ?)").bind(instance);
        row.bind(key).bind(seal(format!("fact/{instance}/{key}"), value)).execute(&mut old).await.unwrap();
    }
    if version >= 27 {
        sqlx::query("INSERT INTO handover (key, instance_id, at, sealed) VALUES ('the-key', ?, 0, ?)")
            .bind(instance)
            .bind(seal("handover/the-key".to_owned(), "the-import"))
            .execute(&mut old)
            .await
            .unwrap();
    }
    old.close().await.unwrap();
}

/// Checks that what was learned of [`fill_dropped_tables`] is in its table.
fn assert_learned(store: &Store, instance: InstanceId) {
    let learned = store.learned();
    let urls = |url: Option<&str>, conflict: &str| NamedUrls {
        url: url.map(str::to_owned),
        conflict: Some(conflict.to_owned()),
    };
    assert_eq!(
        learned.urls(instance),
        [
            ("snom".to_owned(), urls(None, "https://three.example.com/ https://four.example.com/")),
            (
                "yealink".to_owned(),
                urls(Some("https://gw.example.com/a/b"), "https://one.example.com/ https://two.example.com/")
            ),
        ]
    );
    assert_eq!(learned.devices_addresses(instance), ["wss://devices.example.com/sysclients"]);
    assert_eq!(learned.grants(instance), [("gangway-yealink".to_owned(), "PbxAdminApi Services".to_owned())]);
    assert_eq!(learned.frame_hosts(instance), ["pbx.example.com", "10.0.0.1"]);
    let sources = ["192.0.2.1", "2001:db8::"].map(|source| source.parse::<std::net::IpAddr>().unwrap());
    assert_eq!(learned.pbx_sources(instance), sources);
    let proxies = learned.unlisted_proxies();
    assert_eq!(proxies.len(), 1, "{proxies:?}");
    let (of, proxy) = &proxies[0];
    assert_eq!((*of, proxy.peer.to_string().as_str(), proxy.is_listed), (instance, "192.0.2.9", true));
    assert_eq!((proxy.header.as_str(), proxy.since.to_string().as_str()), ("x-forwarded-for", "2026-11-01T08:00:00Z"));
    assert_eq!(proxy.last.as_millisecond() % 1000, 500);
    let used = learned.ticket(instance, "00ff").unwrap();
    assert_eq!(
        (used.mac.to_string().as_str(), used.until.as_second(), used.used),
        ("805ec0000001", 1_800_000_000, true)
    );
    assert_eq!(used.base, "http://gw.example.com:8080/example.com/gw/phone/");
    assert!(!learned.ticket(instance, "11ff").unwrap().used);
    assert_eq!(learned.ticket(instance, "22ff"), None, "the phone does not refer to it");
    assert_eq!(learned.bootstrap_password(instance).unwrap().expose(), "the-bootstrap");
    let (name, url) = learned.server_entry(instance, "yealink").unwrap();
    assert_eq!((name.as_str(), url.expose()), ("the-name", "https://gw.example.com/entry"));
    assert_eq!(learned.tried_account(instance, "snom").unwrap().expose(), "the-fingerprint");
}

/// Checks that the tables and the column of earlier schemas are gone.
async fn assert_dropped(connection: &mut SqliteConnection) {
    let tables = tables(connection, "main").await;
    assert!(DROPPED_TABLES.iter().all(|dropped| !tables.iter().any(|table| table == dropped)), "{tables:?}");
    let (table, column) = DROPPED_COLUMN;
    let columns = columns(connection, "main", table).await;
    assert!(!columns.is_empty() && !columns.iter().any(|one| one == column), "{columns:?}");
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
        fixture.store.phones().create(phone, vec![NewEvent::new("made", "Made.")]).await.unwrap();
    }
    let secret = Secret::new("the-setting");
    fixture.store.settings().set_one(fixture.instance, &Scope::Instance, "ldap_password", Some(&secret)).await.unwrap();
    fixture.store.uploaded_files().save(PhoneId(1), "a.log", b"the-upload").await.unwrap();
    learned::furnish(&fixture.store, fixture.instance).await;
    let known = learned::everything(&fixture.store, fixture.instance);
    for version in RELEASED {
        let dir = tempfile::tempdir().unwrap();
        let (tables, before) = downgraded(&fixture, version, dir.path()).await;
        let has_fact = version < 50;
        if has_fact {
            fill_dropped_tables(&fixture, version, dir.path()).await;
        }
        let clock = SystemClock;
        let start = clock.now();

        let store = open(dir.path()).await;

        println!("schema {version} -> {}: {phones} phones in {:#}", newest(), clock.now().duration_since(start));
        assert_eq!(counts(&mut *store.database.inner.writer.take().await, &tables).await, before, "schema {version}");
        assert_eq!(store.phones().len() as u64, phones, "schema {version}: every phone opens");
        for (id, phone) in [1, phones / 2, phones].map(|id| (id, PhoneId(id.cast_signed()))) {
            let found = store.phones().get(phone).unwrap();
            assert_eq!(found.accounts[0].password.expose(), format!("password-{id}"));
            assert_eq!(*found, *fixture.store.phones().get(phone).unwrap(), "schema {version}");
        }
        assert_eq!(store.settings().layers(fixture.instance).get("ldap_password").unwrap().expose(), "the-setting");
        if has_fact {
            assert_learned(&store, fixture.instance);
        } else {
            assert_eq!(learned::everything(&store, fixture.instance), known, "schema {version}");
        }
        assert_dropped(&mut *store.database.inner.writer.take().await).await;
        assert_eq!(
            store.uploaded_files().content(PhoneId(1), "a.log").await.unwrap().unwrap().as_slice(),
            b"the-upload"
        );
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
    fixture.store.phones().create(full(fixture.phone("805ec0000001")), Vec::new()).await.unwrap();
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
