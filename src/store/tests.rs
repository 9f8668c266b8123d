//! Tests the public interface of the store on real files.

mod bindings;
mod degraded;
mod delivered;
mod failures;
mod frozen;
mod learned;
mod lost_database;
mod missing_database;
mod order;
mod requests;
mod rotate;
mod schemas;
mod tokens;
mod write_batch;

use std::{fs, path::Path, sync::Arc, time::Duration};

use gangway_base::{
    clock::{Clock, ManualClock, SystemClock},
    mac::Mac,
    secret::Secret,
};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use super::{
    sealing::key_file,
    sqlite::{connection, schema},
    *,
};
use crate::{
    phone::{
        facet::DevicesState,
        instance::InstanceId,
        record::{Account, Credentials, Delivery, Flags, Gone, Orphaned, Phone, PhoneId, RedirectEntry, WindowBinding},
    },
    settings::Scope,
};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

struct Fixture {
    dir: TempDir,
    tasks: Tasks,
    store: Store,
    instance: InstanceId,
}

impl Fixture {
    async fn new() -> Self {
        Self::with_clock(Arc::new(ManualClock::new(now()))).await
    }

    async fn with_clock(clock: SharedClock) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tasks = Tasks::new();
        let store = Store::open_with(dir.path(), None, clock, &tasks).await.unwrap();
        let instance = store.instance("example.com", "gangway").await.unwrap();
        Self { dir, tasks, store, instance }
    }

    fn phone(&self, mac: &str) -> Phone {
        let mut phone = Phone::new(self.instance, Mac::from_hex(mac).unwrap(), "yealink", "yealink", now());
        phone.accounts = Phone::sample().accounts;
        for account in &mut phone.accounts {
            account.hwid = mac.to_owned();
        }
        phone
    }

    /// Opens a second store on the same directory, as another process would.
    async fn again(&self) -> Store {
        open(self.dir.path()).await
    }
}

async fn open(dir: &Path) -> Store {
    Store::open_with(dir, None, Arc::new(SystemClock), &Tasks::new()).await.unwrap()
}

/// Sets every field of a phone.
fn full(mut phone: Phone) -> Phone {
    let secret = |text: &str| Secret::new(text);
    let address = "192.0.2.7".parse().unwrap();
    phone.model = Some("T46U".into());
    phone.firmware = Some("108.86.0.20".into());
    phone.category = Some("Réception".into());
    phone.removed_at = Some(now());
    phone.provisioning = 3;
    phone.code = Some(secret("the-code"));
    phone.bootstrap = Some(Credentials { user: "boot".into(), password: secret("the-boot"), proven: Some(now()) });
    phone.own.proven = Some(now());
    phone.window.open(now(), 7);
    phone.window.first_delivery = Some(now());
    phone.window.bound = Some(WindowBinding { source: address, family: "Yealink SIP-T46U".into() });
    phone.window.closed = Some(now());
    phone.sysclient.url = Some("wss://devices.example.com/sysclients".into());
    phone.sysclient.password = Some(secret("the-sysclient"));
    phone.sysclient.product = "gangway".into();
    phone.sysclient.version = "1".into();
    phone.sysclient.spent.add(secret("the-spent-code"));
    phone.sysclient.spent.add(secret("the-other-spent-code"));
    phone.device_config.items.insert("NTP".into(), json!({"type": "NTP", "server": "ntp.example.com"}));
    phone.device_config.admin_password = Some(secret("the-admin"));
    phone.device_config.received = Some(now());
    phone.redirect_entry =
        Some(RedirectEntry { url: secret("https://the-url/"), server_name: Some("example".into()), at: now() });
    phone.delivery = Some(Delivery { at: now(), revision: 2, provisioning: 3, etag: "\"x\"".into() });
    phone.devices.fail(DevicesState::Lost, "lost it", Some(now()), now());
    let account = &mut phone.accounts[0];
    account.user_guid = Some("guid".into());
    account.flags_written = Some(Flags { media_relay: true, tls_only: false, reverse_proxy: true });
    account.flags_provisioning = 3;
    account.registered_address = Some("192.0.2.8".into());
    account.provisioning = 2;
    account.orphan(Gone::Entry, now());
    account.withheld = Some(now());
    account.password = secret("the-user-password");
    phone
}

#[tokio::test]
async fn a_record_comes_back_as_it_was() {
    let fixture = Fixture::new().await;
    let stored = fixture.store.phones().create(full(fixture.phone("805ec0000001")), Vec::new()).await.unwrap();
    assert_ne!(stored.id, PhoneId(0));
    let again = fixture.again().await;
    assert_eq!(*again.phones().get(stored.id).unwrap(), *stored);
    assert_eq!(again.phones().by_mac(fixture.instance, stored.mac).unwrap().id, stored.id);
    assert_eq!(again.phones().by_token(stored.token.expose()).unwrap().id, stored.id);
    assert!(again.phones().by_token("abcdefghijklmnopqrstuvwxy2").is_none());
    assert_eq!(again.instance("EXAMPLE.com", "gangway").await.unwrap(), fixture.instance);
}

/// A request is checked against the record in memory and bound to the bootstrap window read from disk. Both must be
/// equal.
#[tokio::test]
async fn a_window_opened_at_any_moment_is_the_same_in_memory_and_on_disk() {
    let fixture = Fixture::new().await;
    let mut phone = fixture.phone("805ec0000001");
    phone.window.open(now() + jiff::SignedDuration::from_nanos(123_456_789), 7);
    let stored = fixture.store.phones().create(phone, Vec::new()).await.unwrap();
    assert_eq!(fixture.again().await.phones().get(stored.id).unwrap().window, stored.window);
}

#[tokio::test]
async fn nothing_secret_is_readable_in_the_files() {
    let fixture = Fixture::new().await;
    let phone = full(fixture.phone("805ec0000001"));
    let token = phone.token.clone();
    let own = phone.own.password.clone();
    let stored = fixture.store.phones().create(phone, Vec::new()).await.unwrap();
    let secret = Secret::new("the-setting");
    fixture.store.settings().set_one(fixture.instance, &Scope::Instance, "ldap_password", Some(&secret)).await.unwrap();
    fixture.store.learned().set_bootstrap_password(fixture.instance, Secret::new("the-bootstrap")).await.unwrap();
    fixture.store.uploaded_files().save(stored.id, "a.log", b"the-upload").await.unwrap();
    assert_eq!(
        fixture.store.uploaded_files().content(stored.id, "a.log").await.unwrap().unwrap().as_slice(),
        b"the-upload"
    );
    let mut bytes = Vec::new();
    for entry in fs::read_dir(fixture.dir.path()).unwrap() {
        bytes.extend(fs::read(entry.unwrap().path()).unwrap());
    }
    assert!(contains(&bytes, "Yealink SIP-T46U"), "the search sees what is not sealed");
    for secret in [
        token.expose(),
        own.expose(),
        "the-code",
        "the-boot",
        "the-sysclient",
        "the-spent-code",
        "the-other-spent-code",
        "the-admin",
        "the-url",
        "ntp.example",
        "the-user-password",
        "the-setting",
        "the-bootstrap",
        "the-upload",
    ] {
        assert!(!contains(&bytes, secret), "{secret} is readable");
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_mac_is_there_once_per_instance() {
    let fixture = Fixture::new().await;
    fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let again = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await;
    assert!(matches!(again, Err(StoreError::Exists(_))));
    let other = fixture.store.instance("example.com", "second").await.unwrap();
    let mut phone = fixture.phone("805ec0000001");
    phone.instance = other;
    fixture.store.phones().create(phone, Vec::new()).await.unwrap();
    assert_eq!((fixture.store.phones().len(), fixture.store.phones().in_instance(other).len()), (2, 1));
}

#[tokio::test]
async fn the_revision_counts_what_files_depend_on_and_nothing_else() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let mut changes = fixture.store.phones().changes();
    let (same, ()) = fixture.store.phones().change(phone.id, |_, _| ()).await.unwrap();
    assert_eq!((same.revision, changes.try_recv().is_err()), (1, true), "a change of nothing is none");
    let (other, ()) = fixture.store.phones().change(phone.id, |phone, _| phone.provisioning += 1).await.unwrap();
    assert_eq!((other.revision, other.provisioning), (1, 1));
    assert_eq!(changes.try_recv().unwrap().id, phone.id);
    let (other, line) = fixture
        .store
        .phones()
        .change(phone.id, |phone, events| {
            phone.accounts[0].cn = "Other Name".into();
            phone.revision = 77;
            phone.id = PhoneId(99);
            events.push(NewEvent::new("renamed", "The user has another name."));
            phone.accounts[0].line
        })
        .await
        .unwrap();
    assert_eq!((other.revision, other.id, line), (2, phone.id, 1));
    assert_eq!(fixture.store.phones().events(phone.id, 10).await.unwrap()[0].kind, "renamed");
    assert!(matches!(
        fixture.store.phones().change(PhoneId(4711), |_, _| ()).await,
        Err(StoreError::NoPhone(PhoneId(4711)))
    ));
}

#[tokio::test]
async fn accounts_come_change_and_go() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let second = Account { line: 2, username: "bert".into(), ..phone.accounts[0].clone() };
    fixture.store.phones().change(phone.id, |phone, _| phone.accounts.push(second)).await.unwrap();
    fixture
        .store
        .phones()
        .change(phone.id, |phone, _| {
            phone.accounts.remove(0);
            phone.accounts[0].username = "berta".into();
        })
        .await
        .unwrap();
    let again = fixture.again().await.phones().get(phone.id).unwrap();
    assert_eq!(*again, *fixture.store.phones().get(phone.id).unwrap());
    assert_eq!((again.accounts.len(), again.accounts[0].username.as_str()), (1, "berta"));
}

#[tokio::test]
async fn changes_at_the_same_time_follow_one_another() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let changes = (0..50).map(|_| fixture.store.phones().change(phone.id, |phone, _| phone.provisioning += 1));
    for change in futures_util::future::join_all(changes).await {
        change.unwrap();
    }
    assert_eq!(fixture.store.phones().get(phone.id).unwrap().provisioning, 50);
}

#[tokio::test]
async fn a_new_token_replaces_the_old_one() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let token = crate::phone::record::new_token();
    fixture.store.phones().change(phone.id, |phone, _| phone.token = token.clone()).await.unwrap();
    assert!(fixture.store.phones().by_token(phone.token.expose()).is_none());
    assert!(fixture.store.phones().by_token(token.expose()).is_some());
}

#[tokio::test]
async fn another_process_is_seen_and_its_changes_are_built_upon() {
    let fixture = Fixture::with_clock(Arc::new(SystemClock)).await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let other = fixture.again().await;
    let (mut changes, mut settings) = (fixture.store.phones().changes(), fixture.store.settings().changes());
    other.phones().change(phone.id, |phone, _| phone.category = Some("Desk".into())).await.unwrap();
    // Before the check for external changes has run: a change here starts from the other process's record.
    let (both, ()) = fixture.store.phones().change(phone.id, |phone, _| phone.provisioning = 9).await.unwrap();
    assert_eq!((both.category.as_deref(), both.provisioning), (Some("Desk"), 9));
    other.phones().create(fixture.phone("805ec0000002"), Vec::new()).await.unwrap();
    let value = Secret::new("de");
    other.settings().set_one(fixture.instance, &Scope::Instance, "language", Some(&value)).await.unwrap();
    let new = async {
        while changes.recv().await.unwrap().id == phone.id {}
        settings.recv().await.unwrap()
    };
    assert_eq!(tokio::time::timeout(Duration::from_secs(10), new).await.unwrap(), fixture.instance);
    assert_eq!(fixture.store.phones().len(), 2);
    assert_eq!(fixture.store.settings().layers(fixture.instance).rows()[0].value, value);
    assert_eq!(fixture.tasks.finish(Duration::from_secs(5)).await, 0);
}

#[tokio::test]
async fn settings_are_set_and_taken_back() {
    let fixture = Fixture::new().await;
    let (store, instance) = (&fixture.store, fixture.instance);
    let mut changes = store.settings().changes();
    let scope = Scope::Vendor("yealink".into());
    let value = Secret::new("de");
    store.settings().set_one(instance, &scope, "language", Some(&value)).await.unwrap();
    store.settings().set_one(instance, &scope, "language", Some(&value)).await.unwrap();
    let layers = store.settings().layers(instance);
    assert_eq!((layers.revision(), layers.rows().len(), &layers.rows()[0].scope), (1, 1, &scope));
    store.settings().set_one(instance, &scope, "language", None).await.unwrap();
    assert_eq!((store.settings().layers(instance).revision(), store.settings().layers(instance).rows().len()), (2, 0));
    assert_eq!(layers.rows().len(), 1, "a snapshot stays what it is");
    changes.try_recv().unwrap();
    changes.try_recv().unwrap();
    assert!(changes.try_recv().is_err());
}

#[tokio::test]
async fn settings_of_every_scope_come_back() {
    let fixture = Fixture::new().await;
    let mac = Mac::from_hex("805ec0123456").unwrap();
    let scopes = [
        Scope::Instance,
        Scope::Vendor("yealink".into()),
        Scope::Model("yealink/T46U".into()),
        Scope::Category("Reception: 1".into()),
        Scope::Phone(mac),
    ];
    for scope in &scopes {
        let value = Secret::new(scope.to_string());
        fixture.store.settings().set_one(fixture.instance, scope, "language", Some(&value)).await.unwrap();
    }
    let layers = fixture.again().await.settings().layers(fixture.instance);
    for scope in scopes {
        let row = layers.rows().iter().find(|row| row.scope == scope).unwrap();
        assert_eq!(row.value.expose(), scope.to_string());
    }
}

#[tokio::test]
async fn events_uploads_and_history_are_bounded() {
    let fixture = Fixture::new().await;
    let phone = fixture.store.phones().create(fixture.phone("805ec0000001"), Vec::new()).await.unwrap();
    let many = |count: u32| (0..count).map(|count| NewEvent::new("x", count.to_string())).collect::<Vec<_>>();
    fixture.store.phones().change(phone.id, |_, events| *events = many(EVENTS_KEPT + 5)).await.unwrap();
    let events = fixture.store.phones().events(phone.id, 10_000).await.unwrap();
    assert_eq!((events.len(), events[0].text.as_str()), (500, "504"));
    for name in ["a", "b", "c", "d", "e", "b"] {
        fixture.store.uploaded_files().save(phone.id, name, b"x").await.unwrap();
    }
    let names: Vec<_> =
        fixture.store.uploaded_files().of(phone.id).await.unwrap().into_iter().map(|upload| upload.name).collect();
    assert_eq!(names, ["b", "e", "d", "c"]);
    let large = vec![0; UPLOAD_LIMIT + 1];
    assert!(matches!(
        fixture.store.uploaded_files().save(phone.id, "x", &large).await,
        Err(StoreError::TooLarge { .. })
    ));

    let entry = |days: i64, mac: Option<Mac>| HistoryEntry {
        instance: fixture.instance,
        phone: mac.map(|_| phone.id),
        mac,
        vendor: "yealink".into(),
        command: "ADD SERVER".into(),
        at: now() - jiff::SignedDuration::from_hours(24 * days),
        took: Duration::from_millis(12),
        outcome: "ok".into(),
        answer: "<xml/>".into(),
    };
    for (days, mac) in [(91, None), (89, Some(phone.mac)), (0, None)] {
        fixture.store.redirect_history().add(entry(days, mac)).await.unwrap();
    }
    let filter = |mac| HistoryFilter { instance: fixture.instance, mac, before: None, limit: 100 };
    let own = fixture.store.redirect_history().entries(filter(Some(phone.mac))).await.unwrap();
    assert_eq!((own.len(), &own[0].entry), (1, &entry(89, Some(phone.mac))));
    assert_eq!(fixture.store.redirect_history().prune(fixture.instance, 90).await.unwrap(), 1);
    let all = fixture.store.redirect_history().entries(filter(None)).await.unwrap();
    assert_eq!((all.len(), &all[0].entry), (2, &entry(0, None)));
    let page = HistoryFilter { before: Some(all[0].id), ..filter(None) };
    assert_eq!(fixture.store.redirect_history().entries(page).await.unwrap().len(), 1);
}

/// Migrating a database of the first schema keeps the accounts of the phone's current provisioning and orphans of
/// Devices.
#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_forward() {
    let fixture = Fixture::new().await;
    let mut phone = full(fixture.phone("805ec0000001"));
    phone.accounts[0].withheld = None;
    let phone = fixture.store.phones().create(phone, Vec::new()).await.unwrap();
    for sql in [
        "ALTER TABLE account DROP COLUMN provisioning",
        "ALTER TABLE account DROP COLUMN orphaned_by",
        "ALTER TABLE account DROP COLUMN withheld",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
    ] {
        sqlx::query(sql).execute(&mut *fixture.store.database.inner.writer.take().await).await.unwrap();
    }
    let store = fixture.again().await;
    let found = store.phones().get(phone.id).unwrap();
    assert_eq!(found.accounts[0].provisioning, phone.provisioning);
    assert_eq!(found.accounts[0].orphaned, Some(Orphaned { since: now(), gone: Gone::Device }));
    assert_eq!(found.accounts[0].username, phone.accounts[0].username);
}

/// Prints how long ten thousand phones take. Asserts nothing about time.
#[tokio::test]
async fn ten_thousand_phones_load() {
    let phones: u64 = std::env::var("GANGWAY_TEST_PHONES").ok().and_then(|count| count.parse().ok()).unwrap_or(500);
    let fixture = Fixture::new().await;
    sqlx::query("PRAGMA synchronous = OFF")
        .execute(&mut *fixture.store.database.inner.writer.take().await)
        .await
        .unwrap();
    let clock = SystemClock;
    let written = clock.now();
    for count in 1..=phones {
        let mac = format!("805ec0{count:06x}");
        let mut phone = full(fixture.phone(&mac));
        for item in ["MEDIA", "PHONE", "TLS_PROFILE", "ALARM_SERVER"] {
            phone.device_config.items.insert(item.into(), json!({"type": item, "a": "x".repeat(120), "b": 1}));
        }
        fixture.store.phones().create(phone, Vec::new()).await.unwrap();
        fixture.store.requests().note(requests::note(fixture.instance, Some(PhoneId(count.cast_signed())), &mac));
    }
    fixture.store.requests().flush().await.unwrap();
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        status.lines().find(|line| line.starts_with("VmRSS")).unwrap().to_owned()
    };
    let (before, start) = (resident(), clock.now());
    let again = fixture.again().await;
    println!(
        "{phones} phones: written in {:#}, loaded in {:#}; {before} -> {}",
        start.duration_since(written),
        clock.now().duration_since(start),
        resident()
    );
    assert_eq!(again.phones().len() as u64, phones);
    println!("one phone: {} bytes, one account: {} bytes", size_of::<Phone>(), size_of::<Account>());
}
