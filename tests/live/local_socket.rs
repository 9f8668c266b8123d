//! Tests the local socket, by which commands reach the running gateway, and the lock that a command holds without one.

use std::{
    cell::Cell,
    future::Future,
    io::{Read, Write},
    os::unix::{fs::symlink, net::UnixStream},
    path::Path,
    process::Output,
    sync::Arc,
    time::Duration,
};

use gangway::{
    api::local_socket::{
        ExchangeError, GREETING_BYTES, GatewayConnection, Greeting, GreetingError, KEEP_ALIVE, LocalSocketListener,
        PROTOCOL, PeerPolicy, REPLY_BYTES, SILENCE_LIMIT, SOCKET, SocketDirectory, frame,
    },
    net::egress_policy::EgressPolicy,
    phone::{instance::Instances, record::Phone},
    service::command::{CommandCall, CommandReply, CommandRequest, CommandService, ImportReport},
    store::{ServeLock, Store},
};
use gangway_base::{
    clock::{Clock, ManualClock, SharedClock, SystemClock},
    periodic::PeriodicStatus,
    secret::Secret,
    tasks::Tasks,
};
use gangway_sim::devices::DevicesState;
use serde_json::Value;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

use crate::support::{
    bench::Bench,
    mac,
    options::{DOMAIN, INSTANCE, Options},
    process::{Site, mode, run},
};

const SETTING: &str = "update_interval_minutes";

fn output_of(done: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
}

fn set(site: &Site, value: &str) -> Output {
    site.run(&["settings", "set", SETTING, value])
}

fn got(site: &Site) -> String {
    String::from_utf8_lossy(&site.run(&["settings", "get", SETTING]).stdout).trim().to_owned()
}

async fn connected(dir: &Path) -> tokio::net::UnixStream {
    let stream = SocketDirectory::open(dir).unwrap().connect().unwrap().expect("a gateway listens");
    tokio::net::UnixStream::from_std(stream).unwrap()
}

async fn greeting(socket: &mut tokio::net::UnixStream) -> Greeting {
    frame::read(socket, GREETING_BYTES).await.unwrap()
}

fn call(request: CommandRequest) -> CommandCall {
    CommandCall { instance: Some(format!("{DOMAIN}/{INSTANCE}")), request }
}

/// The connection of a command whose time is `clock`.
async fn connection(dir: &Path, clock: &ManualClock) -> Result<Option<GatewayConnection>, GreetingError> {
    let clock: SharedClock = Arc::new(clock.clone());
    GatewayConnection::open(&SocketDirectory::open(dir).unwrap(), clock).await
}

fn manual_clock() -> ManualClock {
    ManualClock::new(jiff::Timestamp::from_second(1_800_000_000).unwrap())
}

/// Lets the time of `clock` pass until `work` ends, as soon as `may_pass` says so. Everything in this process gets many
/// turns in each second.
async fn while_time_passes<T>(clock: &ManualClock, may_pass: impl Fn() -> bool, work: impl Future<Output = T>) -> T {
    let time = async {
        loop {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            if may_pass() {
                clock.advance(Duration::from_secs(1));
            }
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = time => unreachable!("time has no end"),
    }
}

/// A listener in this process, without an instance, whose time is `clock`.
async fn listening(dir: &Path, clock: &ManualClock, tasks: &Tasks, peers: PeerPolicy) -> Store {
    let store = Store::open(dir, Arc::new(SystemClock), tasks).await.unwrap();
    let reach = EgressPolicy::public_and(Vec::new());
    let clock: SharedClock = Arc::new(clock.clone());
    let service = CommandService::in_process(store.clone(), Instances::new(Vec::new()), None, reach, "".into(), clock);
    let listener = LocalSocketListener::bind(dir, peers).unwrap();
    tasks.spawn_local("local socket", listener.serve(service, tasks.clone()));
    store
}

/// A request that writes one entry of the audit.
fn record() -> CommandCall {
    CommandCall { instance: None, request: CommandRequest::RecordBackup { file: "x".into() } }
}

#[actix_rt::test]
async fn a_change_by_a_command_is_in_the_gateway_when_the_command_ends() {
    let bench = Bench::start().await;
    assert_eq!(mode(&bench.gateway.data().join(SOCKET)), 0o600);
    for minutes in ["75", "76"] {
        let done = bench.gateway.command(&["settings", "set", SETTING, minutes]);
        assert!(done.status.success(), "{}", output_of(&done));
        let records = bench.records();
        assert_eq!(records.store.settings().layers(records.instance).get(SETTING).unwrap().expose(), minutes);
    }
    let audit = bench.gateway.command(&["audit", "--json"]);
    let audit: Value = serde_json::from_slice(&audit.stdout).unwrap();
    let row = audit.as_array().unwrap().iter().find(|row| row["deed"] == "set update_interval_minutes to 76").unwrap();
    assert_eq!((&row["way"], row["who"].as_str().unwrap().is_empty()), (&"command".into(), false), "{audit}");
}

#[actix_rt::test]
async fn only_the_owner_of_the_data_and_root_are_served() {
    let (dir, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
    // Peers of another user cannot be had here: the owner is another user instead.
    let me = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
    let strangers = PeerPolicy { allowed: vec![me + 1] };
    listening(dir.path(), &manual_clock(), &tasks, strangers).await;

    let mut socket = connected(dir.path()).await;
    let greeting = greeting(&mut socket).await;
    assert!(greeting.refusal.as_deref().is_some_and(|why| why.contains("owner")), "{greeting:?}");
    let _ = frame::write(&mut socket, &CommandCall { instance: None, request: CommandRequest::RotateKeys }).await;
    frame::read::<CommandReply>(&mut socket, REPLY_BYTES).await.unwrap_err();
    assert!(PeerPolicy::owner_and_root().allowed.contains(&me) && PeerPolicy::owner_and_root().allowed.contains(&0));

    tasks.ask_to_stop();
    assert_eq!(tasks.finish(Duration::from_secs(10)).await, 0);
    assert!(!dir.path().join(SOCKET).exists(), "a gateway that ends takes its socket along");
}

#[test]
fn a_data_directory_with_a_long_path_has_a_socket_too() {
    let site = Site::new(&Options::default());
    let long = site.data().join("d".repeat(120)).join("e".repeat(120));
    let text = std::fs::read_to_string(site.config()).unwrap();
    let dir = format!("dir = \"{}\"", site.data().display());
    assert!(text.contains(&dir));
    std::fs::write(site.config(), text.replace(&dir, &format!("dir = \"{}\"", long.display()))).unwrap();
    let process = site.serve();
    assert_eq!(mode(&long.join(SOCKET)), 0o600);
    // The gateway holds the lock, so the command can only have gone over the socket.
    let done = set(&site, "75");
    assert!(done.status.success(), "{}", output_of(&done));
    assert_eq!(got(&site), "75");
    assert_eq!(process.terminate().1, Some(0));
}

#[test]
fn a_socket_that_a_killed_gateway_left_confuses_neither_commands_nor_the_next_gateway() {
    let site = Site::new(&Options::default());
    site.serve().kill();
    assert!(site.data().join(SOCKET).exists());
    let done = set(&site, "75");
    assert!(done.status.success(), "{}", output_of(&done));
    assert_eq!(got(&site), "75");
    // Neither does any other file of that name.
    std::fs::remove_file(site.data().join(SOCKET)).unwrap();
    symlink("/nowhere", site.data().join(SOCKET)).unwrap();
    assert!(set(&site, "76").status.success());

    let process = site.serve();
    assert!(set(&site, "77").status.success());
    assert_eq!(got(&site), "77");
    assert_eq!(process.terminate().1, Some(0));
    assert!(!site.data().join(SOCKET).exists());
}

#[test]
fn hostile_frames_and_silent_peers_do_not_hurt() {
    let site = Site::new(&Options::default());
    let process = site.serve();
    let connect = || UnixStream::connect(site.data().join(SOCKET)).unwrap();
    let greeted = |socket: &mut UnixStream| {
        let mut length = [0; 4];
        socket.read_exact(&mut length).unwrap();
        let mut text = vec![0; u32::from_be_bytes(length) as usize];
        socket.read_exact(&mut text).unwrap();
        serde_json::from_slice::<Greeting>(&text).unwrap()
    };
    let text = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [length.as_slice(), bytes].concat()
    };
    let deep = "[".repeat(100_000);
    for (bytes, answer) in [
        (u32::MAX.to_be_bytes().to_vec(), "limit"),
        (text(b"nonsense"), "does not understand"),
        (text(br#"{"instance":null,"request":{"command":"format_disk"}}"#), "format_disk"),
        (text(deep.as_bytes()), "does not understand"),
        (text(br#"{"instance":"nowhere/else","request":{"command":"list_tokens"}}"#), "does not serve nowhere/else"),
    ] {
        let mut socket = connect();
        assert_eq!(greeted(&mut socket).protocol, PROTOCOL);
        socket.write_all(&bytes).unwrap();
        let mut message = Vec::new();
        socket.read_to_end(&mut message).unwrap();
        let message = String::from_utf8_lossy(&message);
        assert!(message.contains("failed") && message.contains(answer), "{answer}: {message}");
    }
    // Half of a frame, or nothing at all, holds one place each, until the peer goes.
    let silent: Vec<UnixStream> = (0..15)
        .map(|number| {
            let mut socket = connect();
            greeted(&mut socket);
            socket.write_all(&[0, 0, 1, 0, b'{'][..number % 6]).unwrap();
            socket
        })
        .collect();
    let done = set(&site, "75");
    assert!(done.status.success(), "{}", output_of(&done));
    let mut last = connect();
    assert_eq!(greeted(&mut last).refusal, None);
    let busy = set(&site, "76");
    assert!(!busy.status.success() && output_of(&busy).contains("16 commands already"), "{}", output_of(&busy));
    drop((silent, last));
    // The gateway learns of their end on its own thread.
    while !set(&site, "77").status.success() {}
    assert_eq!(got(&site), "77");
    assert_eq!(process.terminate().1, Some(0));
}

#[test]
fn commands_at_the_same_time_are_all_carried_out() {
    let site = Site::new(&Options::default());
    let at_once = |first: u8| {
        std::thread::scope(|scope| {
            let started: Vec<_> = (first..first + 4)
                .map(|number| {
                    let config = site.config();
                    let own = mac(number).to_string();
                    scope.spawn(move || run(&config, &["settings", "set", SETTING, "75", "--phone", &own]))
                })
                .collect();
            for done in started {
                let done = done.join().unwrap();
                assert!(done.status.success(), "{}", output_of(&done));
            }
        });
    };
    // Without a gateway one waits for the other.
    at_once(1);
    let process = site.serve();
    at_once(5);
    let listed = site.run(&["settings", "list", "--set", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().iter().filter(|row| row["name"] == SETTING).count(), 8, "{listed}");
    assert_eq!(process.terminate().1, Some(0));
}

#[actix_rt::test]
async fn an_import_reports_its_progress_over_the_socket() {
    let bench = Bench::start().await;
    // Codes come from Devices.
    let links = |state: &DevicesState| state.requests.iter().any(|entry| entry["mt"] == "GetDevices").then_some(());
    bench.simulation.devices.board().wait("the link to Devices", links).await.unwrap();
    let file = format!("mac;user;password\n{};user1;secret-1\n12345;user2;x\n", mac(1));
    let mut socket = connected(&bench.gateway.data()).await;
    assert_eq!(greeting(&mut socket).await.refusal, None);
    let request =
        CommandRequest::ImportPhones { dry_run: false, wait: true, category: Some("1".into()), rollout: false };
    frame::write(&mut socket, &call(request)).await.unwrap();
    frame::write_bytes(&mut socket, file.as_bytes()).await.unwrap();
    let mut progress = Vec::new();
    let report: ImportReport = loop {
        match frame::read(&mut socket, REPLY_BYTES).await.unwrap() {
            CommandReply::Accepted | CommandReply::Working => {}
            CommandReply::Progress { done, of } => progress.push((done, of)),
            CommandReply::Done { result } => break serde_json::from_value(result).unwrap(),
            other => panic!("{other:?}"),
        }
    };
    let changed = report.progress.as_ref().map(|progress| progress.changed);
    assert_eq!((report.check.wrong, changed), (1, Some(1)), "{report:?}");
    assert!(progress.iter().is_sorted() && progress.last() == Some(&(1, 1)), "{progress:?}");
    assert!(bench.records().phone(mac(1)).is_some());
}

#[test]
fn a_writing_command_prevents_the_start_of_a_gateway() {
    let site = Site::new(&Options::default());
    assert!(set(&site, "75").status.success());
    // As a command holds it that is at work.
    let lock = ServeLock::take(&site.data()).unwrap();
    let refused = site.run(&["serve"]);
    assert!(
        !refused.status.success() && output_of(&refused).contains("a command works on it"),
        "{}",
        output_of(&refused)
    );
    // Reading needs no lock; a second writer gives up with the reason.
    assert_eq!(got(&site), "75");
    let waits = set(&site, "76");
    assert!(!waits.status.success() && output_of(&waits).contains("does not answer at"), "{}", output_of(&waits));
    drop(lock);
    assert!(set(&site, "77").status.success());
    assert_eq!(got(&site), "77");
}

/// A gateway that stops holds the lock a little longer than it listens. The command finds the one or the other.
#[test]
fn a_command_beside_a_gateway_that_stops_is_carried_out() {
    let site = Site::new(&Options::default());
    let process = site.serve();
    let (config, started) = (site.config(), std::time::Instant::now());
    let command = std::thread::spawn(move || run(&config, &["settings", "set", SETTING, "75"]));
    let done = command.join().unwrap();
    assert!(done.status.success(), "{}, after {:?}", output_of(&done), started.elapsed());
    let config = site.config();
    let command = std::thread::spawn(move || run(&config, &["settings", "set", SETTING, "76"]));
    assert_eq!(process.terminate().1, Some(0));
    let done = command.join().unwrap();
    assert!(done.status.success(), "{}", output_of(&done));
    assert_eq!(got(&site), "76");
}

/// A gateway that stops may greet a command and not read its request any more.
#[actix_rt::test]
async fn a_command_that_is_greeted_and_not_accepted_is_carried_out_here() {
    let site = Site::new(&Options::default());
    assert!(set(&site, "70").status.success());
    let directory = SocketDirectory::open(&site.data()).unwrap();
    let listener = tokio::net::UnixListener::from_std(directory.bind().unwrap().0).unwrap();
    let config = site.config();
    let command = tokio::task::spawn_blocking(move || run(&config, &["settings", "set", SETTING, "75"]));
    let (mut socket, _) = listener.accept().await.unwrap();
    let greeting = Greeting { protocol: PROTOCOL, version: String::new(), refusal: None };
    frame::write(&mut socket, &greeting).await.unwrap();
    let _: CommandCall = frame::read(&mut socket, 1 << 20).await.unwrap();
    directory.remove().unwrap();
    drop((listener, socket));
    let done = command.await.unwrap();
    assert!(done.status.success(), "{}", output_of(&done));
    assert_eq!(got(&site), "75");
}

#[actix_rt::test]
async fn a_frozen_gateway_that_does_not_greet_keeps_no_command_waiting() {
    let site = Site::new(&Options::default());
    let process = site.serve();
    let clock = manual_clock();
    process.freeze();

    let error = while_time_passes(&clock, || true, connection(&site.data(), &clock)).await.err().unwrap();

    assert!(matches!(error, GreetingError::Silent { .. }), "{error:?}");
    let sentence = error.to_string();
    assert!(sentence.contains("within 10 s") && sentence.contains("restart it"), "{sentence}");
    process.thaw();
    assert!(set(&site, "75").status.success());
}

#[actix_rt::test]
async fn a_command_that_a_frozen_gateway_does_not_accept_is_never_carried_out() {
    let site = Site::new(&Options::default());
    site.log_everything();
    let process = site.serve();
    assert!(set(&site, "70").status.success());
    let clock = manual_clock();
    let connection = connection(&site.data(), &clock).await.unwrap().unwrap();
    process.freeze();
    let value = Some(Secret::new("75"));
    let call = call(CommandRequest::SetSetting { name: SETTING.into(), value, scope: "instance".into() });

    let error = while_time_passes(&clock, || true, connection.exchange(&call, &[], |_| ())).await.unwrap_err();

    assert!(matches!(error, ExchangeError::AcceptanceLate), "{error:?}");
    assert!(error.to_string().contains("Nothing is changed"), "{error}");
    // The gateway reads the request, and cannot accept it any more.
    process.thaw();
    while !process.log().contains("a command ended early") {
        tokio::task::yield_now().await;
    }
    assert_eq!(got(&site), "70");
    assert!(set(&site, "76").status.success());
}

#[actix_rt::test]
async fn a_gateway_that_freezes_in_the_middle_of_a_command_does_not_keep_it_waiting() {
    let options = Options::default();
    let site = Site::new(&options);
    let records = site.records(&options).await;
    let phone = Phone::new(records.instance, mac(1), "yealink", "yealink", SystemClock.now());
    records.store.phones().create(phone, Vec::new()).await.unwrap();
    let process = site.serve();
    let clock = manual_clock();
    let connection = connection(&site.data(), &clock).await.unwrap().unwrap();
    // The phone does not fetch the new credentials, so the command waits for a minute.
    let call = call(CommandRequest::RotateCredentials { mac: mac(1), wait: true });
    let is_frozen = Cell::new(false);
    let freeze_once_accepted = |reply| {
        if reply == CommandReply::Accepted {
            process.freeze();
            is_frozen.set(true);
        }
    };

    let exchange = connection.exchange(&call, &[], freeze_once_accepted);
    let error = while_time_passes(&clock, || is_frozen.get(), exchange).await.unwrap_err();

    assert!(matches!(error, ExchangeError::Silent), "{error:?}");
    assert!(error.to_string().contains("restart it"), "{error}");
    process.thaw();
    assert!(set(&site, "75").status.success());
    assert_eq!(process.terminate().1, Some(0));
}

#[actix_rt::test]
async fn a_gateway_that_works_for_long_says_so_and_its_command_waits() {
    let (dir, tasks, clock) = (tempfile::tempdir().unwrap(), Tasks::new(), manual_clock());
    let store = listening(dir.path(), &clock, &tasks, PeerPolicy::owner_and_root()).await;
    store.instance(DOMAIN, INSTANCE).await.unwrap();
    // Another process writes for long.
    let mut other = SqliteConnectOptions::new().filename(dir.path().join("gangway.db")).connect().await.unwrap();
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    let connection = connection(dir.path(), &clock).await.unwrap().unwrap();
    let (started, signs) = (clock.now(), Cell::new(0));
    let (record, count) = (record(), |reply| signs.set(signs.get() + u32::from(reply == CommandReply::Working)));

    let exchange = connection.exchange(&record, &[], count);
    let exchange = async { while_time_passes(&clock, || signs.get() < 6, exchange).await.unwrap() };
    let other_ends = async {
        while signs.get() < 6 {
            tokio::task::yield_now().await;
        }
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    };
    let (result, ()) = tokio::join!(exchange, other_ends);

    assert_eq!(result, Ok(Value::Null));
    let passed = Duration::try_from(clock.now().duration_since(started)).unwrap();
    assert!(passed >= 6 * KEEP_ALIVE && passed > SILENCE_LIMIT, "{passed:?}");
    tasks.ask_to_stop();
    assert_eq!(tasks.finish(Duration::from_secs(10)).await, 0);
}

#[actix_rt::test]
async fn a_socket_that_is_removed_is_created_again() {
    let (dir, tasks, clock) = (tempfile::tempdir().unwrap(), Tasks::new(), manual_clock());
    listening(dir.path(), &clock, &tasks, PeerPolicy::owner_and_root()).await;
    let (path, system) = (dir.path().join(SOCKET), manual_clock());
    let reached = async || loop {
        if let Some(gateway) = connection(dir.path(), &system).await.unwrap() {
            break gateway;
        }
        tokio::task::yield_now().await;
    };
    let in_its_place: [&dyn Fn(); 3] =
        [&|| (), &|| symlink("/nowhere", &path).unwrap(), &|| std::fs::write(&path, "x").unwrap()];
    for put in in_its_place {
        std::fs::remove_file(&path).unwrap();
        put();
        let gateway = while_time_passes(&clock, || true, reached()).await;
        assert_eq!(gateway.exchange(&record(), &[], |_| ()).await.unwrap(), Ok(Value::Null));
        assert_eq!(mode(&path), 0o600);
    }
    // What cannot be replaced is reported until it is gone.
    let watch = || tasks.periodic().into_iter().find(|task| task.name == "watch local socket").unwrap();
    let reports = async |is_so: fn(&PeriodicStatus) -> bool| {
        while !is_so(&watch()) {
            tokio::task::yield_now().await;
        }
    };
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    while_time_passes(&clock, || true, reports(|watch| watch.error.is_some())).await;
    let error = watch().error.unwrap();
    assert!(error.contains("cannot be created again"), "{error}");
    std::fs::remove_dir(&path).unwrap();
    while_time_passes(&clock, || true, reports(|watch| watch.error.is_none())).await;
    reached().await;

    tasks.ask_to_stop();
    assert_eq!(tasks.finish(Duration::from_secs(10)).await, 0);
    assert!(!path.exists(), "a gateway that ends takes its socket along");
}

#[test]
fn commands_that_need_connections_tell_to_start_the_gateway() {
    let site = Site::new(&Options::default());
    let file = site.config().with_file_name("phones.csv");
    std::fs::write(&file, format!("mac;user\n{};user1\n", mac(1))).unwrap();
    let done = site.run(&["phones", "import", file.to_str().unwrap()]);
    assert!(
        !done.status.success() && output_of(&done).contains("start the gateway (`gangway serve`)"),
        "{}",
        output_of(&done)
    );
}
