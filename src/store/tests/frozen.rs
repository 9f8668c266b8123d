//! Databases of released versions, stored as SQL text in `fixtures/schemas`. They never change, and every later version
//! must open them. Each release adds its own once: `GANGWAY_UPDATE_FIXTURES=1 cargo nextest run frozen` writes missing
//! files and never overwrites existing ones.

use std::path::PathBuf;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

use super::{
    schemas::{RELEASED, database, downgraded},
    *,
};
use crate::store::{sealing::key_file, snapshots, sqlite::schema::newest};

const PHONES: u8 = 3;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schemas")
}

fn file(version: i64) -> PathBuf {
    folder().join(format!("{version:04}.sql"))
}

/// Writes the content of every frozen database.
async fn furnished(fixture: &Fixture) {
    for number in 1..=PHONES {
        let mut phone = fixture.phone(&format!("805ec00000{number:02x}"));
        if number > 1 {
            phone = full(phone);
            phone.removed_at = None;
            // A gateway started with this database must not call another host.
            phone.sysclient.url = Some("wss://127.0.0.1:9/sysclients".into());
        }
        phone.model = Some("T46U".into());
        phone.token = Secret::new(format!("frozentokenfrozentoken{number:04}"));
        phone.own.password = Secret::new(format!("OwnPassword{number:09}"));
        let account = &mut phone.accounts[0];
        account.username = format!("user{number}");
        account.cn = format!("User {number}");
        account.password = Secret::new(format!("password-{number}"));
        // The first schema could not store these.
        (account.orphaned, account.withheld) = (None, None);
        fixture.store.phones().create(phone, vec![NewEvent::new("made", "Made.")]).await.unwrap();
    }
    let set = async |name: &str, value: &str| {
        fixture
            .store
            .settings()
            .set_one(fixture.instance, &Scope::Instance, name, Some(&Secret::new(value)))
            .await
            .unwrap();
    };
    set("ldap_password", "the-setting").await;
    set("provisioning_scheme", "http").await;
    let password = Secret::new("the-bootstrap");
    fixture.store.learned().set_bootstrap_password(fixture.instance, password).await.unwrap();
    fixture.store.uploaded_files().save(PhoneId(1), "a.log", b"the-upload").await.unwrap();
}

/// The whole database as SQL.
async fn text(connection: &mut SqliteConnection, version: i64) -> String {
    let mut text = format!(
        "-- A database of schema {version:04} with {PHONES} phones, as it was released; sealed with the key beside. Frozen: never edit it.\n"
    );
    let objects: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = 'index', rowid",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for (_, _, sql) in &objects {
        text += &format!("{sql};\n");
    }
    for (_, name, _) in objects.iter().filter(|(kind, ..)| kind == "table") {
        let columns: Vec<String> = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)")
            .bind(name)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let values = columns.iter().map(|column| format!("quote({column})")).collect::<Vec<_>>().join(" || ', ' || ");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT {values} FROM {name} ORDER BY 1")))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        for row in rows {
            text += &format!("INSERT INTO {name} ({}) VALUES ({row});\n", columns.join(", "));
        }
    }
    text
}

async fn freeze(version: i64) {
    let (dir, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    fs::create_dir_all(folder()).unwrap();
    let key = folder().join(key_file::KEY);
    if key.exists() {
        fs::copy(&key, dir.path().join(key_file::KEY)).unwrap();
    }
    let clock = Arc::new(ManualClock::new(now()));
    let store = Store::open_with(dir.path(), None, clock, &tasks).await.unwrap();
    let instance = store.instance("example.com", "gangway").await.unwrap();
    let fixture = Fixture { dir, tasks, store, instance };
    furnished(&fixture).await;
    let old = tempfile::tempdir().unwrap();
    downgraded(&fixture, version, old.path()).await;
    let mut connection = database(&old.path().join(DATABASE)).await;
    fs::write(file(version), text(&mut connection, version).await).unwrap();
    fs::copy(old.path().join(key_file::KEY), key).unwrap();
}

/// Restores the frozen database of a version into `dir`.
async fn thaw(version: i64, dir: &Path) {
    let text = fs::read_to_string(file(version)).unwrap();
    let mut connection = database(&dir.join(DATABASE)).await;
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    fs::copy(folder().join(key_file::KEY), dir.join(key_file::KEY)).unwrap();
    fs::set_permissions(dir.join(key_file::KEY), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

#[tokio::test]
async fn every_released_database_opens_with_everything_in_it() {
    for version in RELEASED {
        if !file(version).exists() {
            assert!(
                std::env::var_os("GANGWAY_UPDATE_FIXTURES").is_some(),
                "schema {version} is released and has no frozen database: write it with GANGWAY_UPDATE_FIXTURES=1"
            );
            freeze(version).await;
        }
        let dir = tempfile::tempdir().unwrap();
        thaw(version, dir.path()).await;

        let store = open(dir.path()).await;

        let instance = store.instance("example.com", "gangway").await.unwrap();
        assert_eq!(store.phones().in_instance(instance).len(), usize::from(PHONES), "schema {version}");
        for number in 1..=PHONES {
            let phone = store.phones().get(PhoneId(number.into())).unwrap();
            assert_eq!(phone.mac.to_string(), format!("805ec00000{number:02x}"));
            assert_eq!(phone.token.expose(), format!("frozentokenfrozentoken{number:04}"));
            assert_eq!(phone.own.password.expose(), format!("OwnPassword{number:09}"));
            let account = &phone.accounts[0];
            assert_eq!(account.password.expose(), format!("password-{number}"));
            assert_eq!(
                (account.username.clone(), account.cn.clone()),
                (format!("user{number}"), format!("User {number}"))
            );
            assert_eq!(store.phones().events(phone.id, 10).await.unwrap().len(), 1, "schema {version}");
            if number > 1 {
                assert_eq!(phone.device_config.items["NTP"]["server"], "ntp.example.com");
                assert_eq!(phone.sysclient.password.as_ref().unwrap().expose(), "the-sysclient");
                assert!(phone.sysclient.spent.holds(&Secret::new("the-spent-code")), "schema {version}");
                assert_eq!(phone.redirect_entry.as_ref().unwrap().url.expose(), "https://the-url/");
            }
        }
        assert_eq!(store.settings().layers(instance).get("ldap_password").unwrap().expose(), "the-setting");
        // Schemas before 0050 have no table for it, and were frozen without it.
        let password = store.learned().bootstrap_password(instance);
        let frozen = (version >= 50).then_some("the-bootstrap");
        assert_eq!(password.as_ref().map(Secret::expose), frozen, "schema {version}");
        assert_eq!(
            store.uploaded_files().content(PhoneId(1), "a.log").await.unwrap().unwrap().as_slice(),
            b"the-upload"
        );
        // The original file is kept as a copy if anything was migrated.
        assert_eq!(snapshots::list(dir.path()).len(), usize::from(version < newest()), "schema {version}");
        // It can be written like any other database.
        store.phones().change(PhoneId(1), |phone, _| phone.firmware = Some("108.87.0.1".into())).await.unwrap();
        assert_eq!(open(dir.path()).await.phones().get(PhoneId(1)).unwrap().firmware.as_deref(), Some("108.87.0.1"));
    }
}

/// Number of phones of a large site.
const MANY: i64 = 10_000;

/// Fills a frozen database up to [`MANY`] phones, limited to what its schema can store. Each phone has separate sealed
/// values.
async fn multiply(dir: &Path) {
    let keyring = key_file::keyring(dir, None, true).unwrap();
    let mut connection = database(&dir.join(DATABASE)).await;
    let mut all = connection.begin().await.unwrap();
    let sealed = async |table: &str, column: &str, key: &str, all: &mut SqliteConnection| -> Vec<u8> {
        let query = format!("SELECT {column} FROM {table} WHERE {key} = 2");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(all).await.unwrap()
    };
    let secrets = keyring.unseal("phone/1/805ec0000002", &sealed("phone", "secrets", "id", &mut all).await).unwrap();
    let config =
        keyring.unseal("device_config/2", &sealed("device_config", "sealed", "phone_id", &mut all).await).unwrap();
    let mut inserts = Vec::new();
    for (table, key, own) in [
        ("phone", "id", &["id", "mac", "secrets", "token_index"][..]),
        ("account", "phone_id", &["phone_id", "hwid", "secrets"]),
        ("device_config", "phone_id", &["phone_id", "sealed"]),
    ] {
        let columns: Vec<String> =
            sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(table).fetch_all(&mut *all).await.unwrap();
        let value = |name: &String| match own.iter().position(|one| one == name) {
            Some(place) => format!("?{}", place + 1),
            None => name.clone(),
        };
        let values: Vec<String> = columns.iter().map(value).collect();
        let (columns, values) = (columns.join(", "), values.join(", "));
        inserts.push(format!("INSERT INTO {table} ({columns}) SELECT {values} FROM {table} WHERE {key} = 2"));
    }
    let account = keyring.unseal("account/2/1", &sealed("account", "secrets", "phone_id", &mut all).await).unwrap();
    for id in i64::from(PHONES) + 1..=MANY {
        let mac = format!("805ec0{id:06x}");
        let seal = |place: String, bytes: &[u8]| keyring.seal(&place, bytes).unwrap();
        let phone = sqlx::query(AssertSqlSafe(inserts[0].clone()))
            .bind(id)
            .bind(&mac)
            .bind(seal(format!("phone/1/{mac}"), &secrets))
            .bind(id.to_be_bytes().repeat(4));
        phone.execute(&mut *all).await.unwrap();
        let of_it = sqlx::query(AssertSqlSafe(inserts[1].clone())).bind(id).bind(&mac);
        of_it.bind(seal(format!("account/{id}/1"), &account)).execute(&mut *all).await.unwrap();
        let of_it = sqlx::query(AssertSqlSafe(inserts[2].clone())).bind(id);
        of_it.bind(seal(format!("device_config/{id}"), &config)).execute(&mut *all).await.unwrap();
    }
    all.commit().await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn ten_thousand_phones_of_the_first_release_come_forward() {
    let dir = tempfile::tempdir().unwrap();
    thaw(RELEASED[0], dir.path()).await;
    multiply(dir.path()).await;

    let store = open(dir.path()).await;

    assert_eq!(store.phones().len() as i64, MANY, "every phone opens");
    for id in [i64::from(PHONES) + 1, MANY / 2, MANY] {
        let phone = store.phones().get(PhoneId(id)).unwrap();
        assert_eq!(phone.mac.to_string(), format!("805ec0{id:06x}"));
        assert_eq!(phone.own.password.expose(), "OwnPassword000000002");
        assert_eq!(phone.accounts[0].password.expose(), "password-2");
        assert_eq!(phone.accounts[0].hwid, phone.mac.to_string());
        assert_eq!(phone.device_config.items["NTP"]["server"], "ntp.example.com");
    }
    let kept = snapshots::list(dir.path());
    assert_eq!(kept.len(), 1, "{kept:?}");
    let mut copy = database(&kept[0]).await;
    let phones: i64 = sqlx::query_scalar("SELECT count(*) FROM phone").fetch_one(&mut copy).await.unwrap();
    assert_eq!(phones, MANY, "the copy holds what was there before");
}
