//! Key rotation: while other processes write, with crashes at every step, and without leaving values of the old key.

use std::{collections::HashSet, ops::ControlFlow};

use sqlx::{Connection, Row, SqliteConnection};

use super::*;
use crate::store::{
    sealing::{key_file, keyring::Keyring},
    sqlite::sealed_columns::SEALED,
};

/// A store with a value in every sealed column.
async fn furnished() -> (Fixture, Phone) {
    let fixture = Fixture::new().await;
    // A deleted phone keeps no file.
    let first = Phone { removed_at: None, ..full(fixture.phone("805ec0000001")) };
    let phone = fixture.store.phones().create(first, Vec::new()).await.unwrap();
    for number in 2..=20 {
        let mac = format!("805ec00000{number:02x}");
        fixture.store.phones().create(full(fixture.phone(&mac)), Vec::new()).await.unwrap();
    }
    let (store, instance) = (&fixture.store, fixture.instance);
    store
        .settings()
        .set_one(instance, &Scope::Instance, "ldap_password", Some(&Secret::new("the-setting")))
        .await
        .unwrap();
    super::learned::furnish(store, instance).await;
    store.uploaded_files().save(phone.id, "a/b c.log", b"the-upload").await.unwrap();
    store.deliveries().note(DeliveredFile {
        phone: phone.id,
        name: "a.cfg".into(),
        at: now(),
        etag: "x".into(),
        body: "the-file".into(),
    });
    store.deliveries().flush().await.unwrap();
    let phone = Phone::clone(&phone);
    (fixture, phone)
}

async fn assert_intact(store: &Store, instance: InstanceId, phone: &Phone) {
    assert_eq!(store.phones().len(), 20);
    assert_eq!(*store.phones().get(phone.id).unwrap(), *phone);
    assert!(store.phones().by_token(phone.token.expose()).is_some());
    assert_eq!(store.settings().layers(instance).get("ldap_password").unwrap().expose(), "the-setting");
    for secret in ["the-bootstrap", "the-entry", "the-fingerprint"] {
        assert!(super::learned::everything(store, instance).contains(secret), "{secret}");
    }
    assert_eq!(store.uploaded_files().content(phone.id, "a/b c.log").await.unwrap().unwrap().as_slice(), b"the-upload");
    assert_eq!(store.deliveries().last(phone.id).await.unwrap().unwrap().body.as_slice(), b"the-file");
}

fn key_text(fixture: &Fixture) -> String {
    fs::read_to_string(fixture.dir.path().join(key_file::KEY)).unwrap()
}

/// Every sealed value of the database.
async fn sealed_values(dir: &Path) -> Vec<Vec<u8>> {
    let mut connection = connection::reader(&dir.join(DATABASE)).await.unwrap();
    let mut values = Vec::new();
    for column in SEALED {
        let query = format!("SELECT {} FROM {} WHERE {0} IS NOT NULL", column.column, column.table);
        let rows = sqlx::query(sqlx::AssertSqlSafe(query)).fetch_all(&mut connection).await.unwrap();
        assert!(!rows.is_empty(), "{column:?} holds nothing: the test proves nothing for it");
        values.extend(rows.iter().map(|row| row.get::<Vec<u8>, _>(0)));
    }
    values
}

#[tokio::test]
async fn every_column_of_bytes_is_in_the_list_of_what_is_sealed() {
    /// Bytes that are not sealed, and why.
    const OTHER: &[(&str, &str)] = &[
        // A proof belongs to one key and is removed with it.
        ("seal", "proof"),
        // A keyed hash of 128 random bits: does not reveal anything.
        ("phone", "token_index"),
        // The hash of 256 random bits.
        ("token", "digest"),
        ("_sqlx_migrations", "checksum"),
    ];
    let (fixture, _) = furnished().await;
    let mut connection = connection::reader(&fixture.dir.path().join(DATABASE)).await.unwrap();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT tables.name, columns.name FROM sqlite_schema AS tables, pragma_table_info(tables.name) AS columns
        WHERE tables.type = 'table' AND columns.type = 'BLOB'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    let listed: HashSet<(&str, &str)> = SEALED.iter().map(|sealed| (sealed.table, sealed.column)).collect();
    for (table, column) in &columns {
        let known = (table.as_str(), column.as_str());
        assert!(
            listed.contains(&known) != OTHER.contains(&known),
            "{table}.{column}: enter it in src/store/sqlite/sealed_columns.rs, so that it is sealed anew with a new key, or here with the reason \
             why it needs none"
        );
    }
    assert!(columns.len() >= listed.len() + OTHER.len());
    // Every listed value can be unsealed at the listed place.
    let ring = Keyring::parse(&key_text(&fixture)).unwrap();
    for column in SEALED {
        let rows = sqlx::query(sqlx::AssertSqlSafe(column.select()));
        let rows = rows.bind(vec![0_u8]).bind(100).fetch_all(&mut connection).await.unwrap();
        assert!(!rows.is_empty(), "{column:?}");
        for row in rows {
            let names: Vec<String> = (1..=column.row.len()).map(|index| row.get(index)).collect();
            ring.unseal(&column.place(&names), row.get(0)).unwrap();
        }
    }
}

#[tokio::test]
async fn a_rotation_seals_everything_anew_and_leaves_nothing_of_the_old_key() {
    let (fixture, phone) = furnished().await;
    let before = sealed_values(fixture.dir.path()).await;
    let old = key_text(&fixture);
    let mut steps = Vec::new();

    let rotation = fixture.store.rotate_keys(|step| steps.push(step)).await.unwrap();

    assert_eq!((rotation.key, rotation.was_interrupted, rotation.old_key_stays), (2, false, false));
    assert_eq!(rotation.resealed, before.len() as u64);
    assert!(matches!(steps[..], [RotationStep::Written, RotationStep::Admitted, .., RotationStep::Alone]));
    let new = key_text(&fixture);
    assert_eq!((new.lines().count(), new.starts_with("2 ")), (1, true));
    assert!(!new.contains(old[2..].trim()));
    let after = sealed_values(fixture.dir.path()).await;
    assert!(after.iter().all(|sealed| sealed[0] == 2));
    let mut files = Vec::new();
    for entry in fs::read_dir(fixture.dir.path()).unwrap() {
        files.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |sealed: &[u8]| files.windows(sealed.len()).any(|window| window == sealed);
    // A large value is spread over pages. The small ones show whether anything is left.
    let small = |values: &[Vec<u8>]| values.iter().filter(|value| value.len() < 200).cloned().collect::<Vec<_>>();
    assert!(small(&after).iter().any(|sealed| holds(sealed)), "the search finds what is there");
    assert!(!small(&before).iter().any(|sealed| holds(sealed)), "what the old key sealed is still in the files");
    // The running gateway continues, and another process finds everything.
    assert_intact(&fixture.store, fixture.instance, &phone).await;
    assert_intact(&fixture.again().await, fixture.instance, &phone).await;
    let again = fixture.store.rotate_keys(|_| ()).await.unwrap();
    assert_eq!((again.key, again.was_interrupted), (3, false));
}

/// The gateway has the old key in memory; a command rotates the key in the same directory.
#[tokio::test]
async fn a_gateway_beside_goes_on_writing_and_reading_through_the_rotation() {
    let (fixture, phone) = furnished().await;
    let command = fixture.again().await;
    let gateway = &fixture.store;
    let mut number = 0;
    let mut written = Vec::new();
    let mut steps = Vec::new();
    command
        .database
        .rotate_until(|step| {
            steps.push(step);
            ControlFlow::Continue(())
        })
        .await
        .unwrap();
    assert!(steps.len() > SEALED.len());
    for stop in 0..steps.len() {
        let seen = std::cell::Cell::new(0);
        let stopping = |_| {
            seen.set(seen.get() + 1);
            if seen.get() > stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        command.database.rotate_until(stopping).await.unwrap();
        // During the rotation the gateway writes with the new key and reads values that the command has sealed.
        number += 1;
        let secret = Secret::new(format!("written-{number}"));
        gateway.settings().set_one(fixture.instance, &Scope::Instance, "ldap_user", Some(&secret)).await.unwrap();
        gateway.phones().change(phone.id, |phone, _| phone.code = Some(secret.clone())).await.unwrap();
        assert_eq!(
            gateway.uploaded_files().content(phone.id, "a/b c.log").await.unwrap().unwrap().as_slice(),
            b"the-upload"
        );
        written.push(secret);
        command.rotate_keys(|_| ()).await.unwrap();
        let fresh = fixture.again().await;
        assert_eq!(fresh.phones().get(phone.id).unwrap().code, written.last().cloned());
        assert_eq!(fresh.settings().layers(fixture.instance).get("ldap_user").as_ref(), written.last());
        assert_eq!(key_text(&fixture).lines().count(), 1);
    }
}

#[tokio::test]
async fn a_rotation_that_died_anywhere_is_ended_by_the_next_one() {
    let (fixture, phone) = furnished().await;
    for stop in 0..10 {
        let mut seen = 0;
        let dying = fixture.again().await;
        dying
            .database
            .rotate_until(|_| {
                seen += 1;
                if seen > stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .await
            .unwrap();
        drop(dying);
        let died_early = seen > stop;
        // A restart in between finds everything at any step.
        let restarted = fixture.again().await;
        assert_intact(&restarted, fixture.instance, &phone).await;
        let lines = key_text(&fixture).lines().count();
        assert_eq!(lines, if died_early { 2 } else { 1 }, "died at step {stop}");
        assert_eq!(restarted.rotation_is_unfinished(), died_early);
        let before: u8 = key_text(&fixture).lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();

        let ended = restarted.rotate_keys(|_| ()).await.unwrap();

        if died_early {
            assert_eq!((ended.key, ended.was_interrupted), (before, true), "no third key at step {stop}");
        }
        assert_eq!(key_text(&fixture).lines().count(), 1);
        assert!(sealed_values(fixture.dir.path()).await.iter().all(|sealed| sealed[0] == ended.key));
        assert_intact(&fixture.again().await, fixture.instance, &phone).await;
    }
}

#[tokio::test]
async fn two_rotations_at_once_are_refused() {
    let (fixture, _) = furnished().await;
    let _held = files::ServeLock::for_rotation(fixture.dir.path()).unwrap();
    let error = fixture.store.rotate_keys(|_| ()).await.unwrap_err();
    assert!(matches!(error, StoreError::Rotating));
}

#[tokio::test]
async fn a_credential_of_systemd_is_rotated_by_a_second_line_in_it() {
    let (dir, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = credentials.path().join(key_file::CREDENTIAL);
    let first = format!("1 {}\n", "ab".repeat(32));
    fs::write(&file, &first).unwrap();
    let clock: SharedClock = Arc::new(SystemClock);
    let open =
        async || Store::open_with(dir.path(), Some(credentials.path()), clock.clone(), &Tasks::new()).await.unwrap();
    let store = open().await;
    let instance = store.instance("example.com", "gangway").await.unwrap();
    store.learned().set_bootstrap_password(instance, Secret::new("the-bootstrap")).await.unwrap();
    let error = store.rotate_keys(|_| ()).await.unwrap_err();
    assert!(error.to_string().contains("openssl rand -hex 32"), "{error}");
    let second = format!("2 {}\n", "cd".repeat(32));
    fs::write(&file, format!("{first}{second}")).unwrap();
    let rotation = store.rotate_keys(|_| ()).await.unwrap();
    assert_eq!((rotation.key, rotation.old_key_stays, rotation.resealed), (2, true, 1));
    // The administrator removes the first line.
    fs::write(&file, second).unwrap();
    assert_eq!(open().await.learned().bootstrap_password(instance).unwrap().expose(), "the-bootstrap");
}

/// A database that uses another key by now is not written with the retired one.
#[tokio::test]
async fn nobody_seals_with_a_key_that_is_not_admitted() {
    let (fixture, phone) = furnished().await;
    let mut other =
        SqliteConnection::connect(&format!("sqlite://{}", fixture.dir.path().join(DATABASE).display())).await.unwrap();
    sqlx::query("INSERT INTO seal (key_id, proof) VALUES (9, x'00')").execute(&mut other).await.unwrap();
    let error = fixture.store.phones().change(phone.id, |phone, _| phone.code = None).await.unwrap_err();
    assert!(matches!(error, StoreError::KeyUnreadable { .. }), "{error}");
}

/// The same at every fail point, each time it is passed, including between two steps and within one.
#[cfg(debug_assertions)]
#[tokio::test]
async fn whenever_a_rotation_dies_the_next_one_ends_it() {
    use crate::base::failpoint::{Failpoint, Scenario, set_trap};

    for point in Failpoint::of(Scenario::Keys) {
        let mut times = 0;
        loop {
            let (fixture, phone) = furnished().await;
            let dying = fixture.again().await;
            let caught = set_trap(Some((point, times)));
            let died = tokio::select! {
                biased;
                () = caught.notified() => true,
                done = dying.rotate_keys(|_| ()) => done.map(|_| false).unwrap(),
            };
            let _ = set_trap(None);
            if !died {
                break;
            }
            times += 1;
            drop(dying);
            let restarted = fixture.again().await;
            assert_intact(&restarted, fixture.instance, &phone).await;
            let was_unfinished = restarted.rotation_is_unfinished();

            let ended = restarted.rotate_keys(|_| ()).await.unwrap();

            assert_eq!(ended.was_interrupted, was_unfinished, "{point:?}");
            assert_eq!(key_text(&fixture).lines().count(), 1, "{point:?}");
            assert!(sealed_values(fixture.dir.path()).await.iter().all(|sealed| sealed[0] == ended.key), "{point:?}");
            assert_intact(&fixture.again().await, fixture.instance, &phone).await;
        }
        assert!(times > 0, "{point:?} is never reached");
    }
}
