//! Tests that a gateway started on the data of an older release serves the same phones with the same files.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use gangway_sim::yealink_phone::model;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::support::{gateway::Gateway, http, options::Options, process};

/// Restores a database and its key from a stored dump.
async fn thawed(dump: &Path, data: &Path) {
    fs::create_dir(data).unwrap();
    fs::set_permissions(data, fs::Permissions::from_mode(0o700)).unwrap();
    let options = SqliteConnectOptions::new().filename(data.join("gangway.db")).create_if_missing(true);
    let mut database = options.connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(fs::read_to_string(dump).unwrap())).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    fs::copy(dump.with_file_name("seal.key"), data.join("seal.key")).unwrap();
    for file in ["gangway.db", "seal.key"] {
        fs::set_permissions(data.join(file), fs::Permissions::from_mode(0o600)).unwrap();
    }
}

#[actix_rt::test]
async fn phones_of_every_released_version_are_served() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schemas");
    let dumps: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "sql"))
        .collect();
    assert!(dumps.len() >= 3, "{dumps:?}");
    for dump in dumps {
        let dir = TempDir::new().unwrap();
        thawed(&dump, &dir.path().join("data")).await;
        let (listen, ops) = (process::free_port(), process::free_port());
        let options = Options::default();
        options.write(dir.path(), listen, ops);
        let gateway = Gateway::serve_in(dir, options, listen, ops).await;
        let phones = gateway.records().store.phones().in_instance(gateway.records().instance);
        assert_eq!(phones.len(), 3, "{}", dump.display());

        let phone = phones.iter().find(|phone| phone.mac.to_string() == "805ec0000002").unwrap();
        let done = gateway.command(&["phones", "allow", &phone.mac.to_string()]);
        assert!(done.status.success(), "{done:?}");
        let now =
            gateway.records().wait_phone(phone.mac, "its window is open", |phone| phone.window.closed.is_none()).await;
        let url = format!("{}/phone/{}/{}.cfg", gateway.instance_url(), now.token.expose(), now.mac);
        let answer = http::get(&url, &model::T46U.user_agent(now.mac));

        assert_eq!(answer.status, 200, "{}: {}", dump.display(), answer.text());
        assert!(answer.text().contains("account.1.password = password-2"), "{}", answer.text());
    }
}
