//! Measures the cost of a phone's GET against nginx serving the same bytes as files, the cost of rejections, the cost
//! of a cold render, and the highest latencies of ten thousand phones while a setting changes. Server and load have one
//! core each, so "per core" means the server's core. Run by `make bench`; takes about two minutes.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "benchmark program"
)]

#[path = "phone_files/fleet.rs"]
mod fleet;
#[path = "phone_files/load.rs"]
mod load;
#[path = "phone_files/servers.rs"]
mod servers;
#[path = "phone_files/tls.rs"]
mod tls;

use std::{
    fs,
    path::Path,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use gangway::{
    catalog::{Registry, SharedRegistry},
    phone::{
        public_url::PublicUrls,
        record::{Phone, PhoneId, WindowBinding},
    },
    phone_config::{sample_layers, sample_phone},
    render::{FileRequest, Renderer, Stage},
    settings::{Layers, Scope},
};
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
    secret::Secret,
};

use self::{
    fleet::{Fleet, mac},
    load::{Answer, Asker, Connection, Digest, Done, Plan},
    servers::Server,
};

const PHONES: u32 = 1_000;
const MANY_PHONES: u32 = 10_000;
/// Sizes of the files, in bytes.
const SMALL_FILE: usize = 4 * 1024;
const FILE: usize = 16 * 1024;
const CONNECTIONS: usize = 32;
/// A rejected client waits some milliseconds. This many keep a core busy with rejections alone, as a flood would.
const CONNECTIONS_OF_A_FLOOD: usize = 512;
/// Duration of each measurement. Of [`ROUNDS`] the one with the least CPU time per request counts, because the others
/// were disturbed by other processes.
const TIME: Duration = Duration::from_secs(3);
const ROUNDS: usize = 5;
/// The request rate while a setting changes: every phone once per round.
const PACE: u32 = 2_000;
const PACED_ROUNDS: usize = 3;
const INSTANCE: &str = "/example.com/gangway/phone";

/// How a phone authenticates.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// With the token, inside its bootstrap window.
    Token,
    /// With its own credentials.
    Own,
}

fn main() {
    // `cargo test --benches` only checks that the program starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    assert!(servers::pin_load(), "two cores and taskset are needed");
    // `cargo bench --bench phone_files -- changed` runs only that part.
    let parts = ["cold", "deliveries", "changed", "tls"];
    let chosen: Vec<String> = std::env::args().filter(|argument| parts.contains(&argument.as_str())).collect();
    let wanted = |part: &str| chosen.is_empty() || chosen.iter().any(|name| name == part);
    actix_rt::System::new().block_on(async {
        if wanted("cold") {
            cold_render();
        }
        if wanted("deliveries") {
            deliveries(SMALL_FILE).await;
            deliveries(FILE).await;
        }
        if wanted("changed") {
            changed_setting().await;
        }
        if wanted("tls") {
            over_tls().await;
        }
    });
}

fn agent(mac: Mac) -> String {
    let pairs: Vec<String> =
        mac.to_string().as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into()).collect();
    format!("Yealink SIP-T46U 108.86.0.90 {}", pairs.join(":"))
}

/// A phone that is configured and has fetched its file, so nothing is left to do for it.
fn settled(phone: &mut Phone, way: Way) {
    let now = SystemClock.now();
    phone.window.open(now, 7);
    phone.window.first_delivery = Some(now);
    let source = "127.0.0.1".parse().unwrap();
    phone.window.bound = Some(WindowBinding { source, family: "yealink T46U".to_owned() });
    if way == Way::Own {
        phone.own.proven = Some(now);
        phone.window.closed = Some(now);
    }
}

fn rendered(renderer: &Renderer, registry: &SharedRegistry, phone: &Phone, layers: &Layers) -> usize {
    let recognition = registry.load().recognise(Some(&agent(phone.mac)), Some(&format!("{}.cfg", phone.mac)));
    let urls = PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().unwrap());
    let request = FileRequest {
        phone: Some(phone),
        recognition: &recognition,
        stage: Stage::Personal,
        urls: &urls,
        token: None,
        layers,
    };
    renderer.file(&request).unwrap().body.len()
}

/// Renders the full file repeatedly. Nothing is cached, because the sample has no id.
fn cold_render() {
    let registry = Registry::load_shared(None).unwrap();
    let renderer = Renderer::new(Arc::clone(&registry), [7; 32], 0, Arc::new(SystemClock));
    let phone = sample_phone("yealink", "yealink", Some("T46U"), None, mac(9, 1));
    assert_eq!(phone.id, PhoneId(0));
    let layers = sample_layers();
    let mut times = Vec::new();
    let mut bytes = 0;
    for _ in 0..2_000 {
        let started = Instant::now();
        bytes = rendered(&renderer, &registry, &phone, &layers);
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let (median, slow) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("| cold render of a full T46U file ({bytes} bytes) | p50 | p99 |");
    println!("|---|---|---|");
    println!("| 2,000 times | {:.0} us | {:.0} us |\n", micros(median), micros(slow));
}

/// Extends the vendor's template with unknown settings until a file has `bytes`. Below the size of the vendor's file
/// the template has nothing else.
fn fill_template(dir: &Path, bytes: usize) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/yealink/desk/v81/personal.cfg");
    let mut text = fs::read_to_string(from).unwrap();
    let registry = Registry::load_shared(None).unwrap();
    let renderer = Renderer::new(Arc::clone(&registry), [7; 32], 0, Arc::new(SystemClock));
    let phone = sample_phone("yealink", "yealink", Some("T46U"), None, mac(9, 1));
    let mut size = rendered(&renderer, &registry, &phone, &sample_layers());
    if size > bytes {
        "#!version:1.0.0.1\n".clone_into(&mut text);
        size = text.len();
    }
    let mut number = 0;
    while size < bytes {
        let line = format!("linekey.{number}.label = Line key number {number} of this phone\n");
        size += line.len();
        number += 1;
        text.push_str(&line);
    }
    let place = dir.join("overrides/templates/yealink/desk/v81");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("personal.cfg"), text).unwrap();
}

async fn deliveries(bytes: usize) {
    let dir = tempfile::tempdir().unwrap();
    fill_template(dir.path(), bytes);
    let ways = (0..PHONES).map(|index| (mac(1, index), Way::Token));
    let ways = ways.chain((0..PHONES).map(|index| (mac(2, index), Way::Own)));
    let fleet = Fleet::new(dir.path(), ways, settled).await;
    fleet.close().await;
    let server = servers::gangway(dir.path());

    let (with_token, with_own) = fleet.phones.split_at(PHONES as usize);
    let mut connection = Connection::open(server.address).await;
    let first = Asker::new(by_name(with_own[0].mac), &agent(with_own[0].mac), None);
    let challenge = connection.get(&first).await;
    assert_eq!(challenge.status, 401);
    let tokens: Rc<Vec<Asker>> =
        Rc::new(with_token.iter().map(|phone| Asker::new(by_token(phone), &agent(phone.mac), None)).collect());
    let own: Rc<Vec<Asker>> =
        Rc::new(with_own.iter().map(|phone| digest(&challenge.head, phone, phone.own.password.expose())).collect());

    // Stores the same bytes for nginx below the same paths. Requesting each file once also records each first delivery.
    let root = dir.path().join("files");
    let mut size = 0;
    for asker in tokens.iter().chain(own.iter()) {
        let Answer { status, body, head } = connection.get(asker).await;
        assert_eq!(status, 200, "{head}");
        size = body.len();
        let place = root.join(asker.target.trim_start_matches('/'));
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, body).unwrap();
    }
    let plain = servers::nginx(dir.path(), &root);

    println!(
        "| {PHONES} phones in turn, {size} bytes, {CONNECTIONS} connections | requests/s | CPU per request | core | of nginx |"
    );
    println!("|---|---|---|---|---|");
    let fast = Plan { connections: CONNECTIONS, time: TIME, pace: None, status: 200 };
    let nginx = best("nginx, static", &plain, &tokens, fast, None).await;
    best("gangway, token", &server, &tokens, fast, Some(&nginx)).await;
    let nginx = best("nginx, static, asked with Digest", &plain, &own, fast, None).await;
    best("gangway, Digest", &server, &own, fast, Some(&nginx)).await;
    if bytes == FILE {
        rejections(&server, &tokens, (with_token, with_own), &challenge.head).await;
    }
}

fn by_token(phone: &Phone) -> String {
    format!("{INSTANCE}/{}/{}.cfg", phone.token.expose(), phone.mac)
}

fn by_name(mac: Mac) -> String {
    format!("{INSTANCE}/{mac}.cfg")
}

/// The request of a phone that answers a challenge.
fn digest(challenge: &str, phone: &Phone, password: &str) -> Asker {
    let target = by_name(phone.mac);
    let digest = Digest::new(challenge, &phone.own.user, password, &target);
    Asker::new(target, &agent(phone.mac), Some(digest))
}

/// Measures rejections against deliveries by token. `with_own` have their own credentials and no open window.
async fn rejections(
    server: &Server,
    tokens: &Rc<Vec<Asker>>,
    (with_token, with_own): (&[Arc<Phone>], &[Arc<Phone>]),
    challenge: &str,
) {
    let flood = Plan { connections: CONNECTIONS_OF_A_FLOOD, time: TIME / 2, pace: None, status: 200 };
    println!(
        "\n| {CONNECTIONS_OF_A_FLOOD} connections | requests/s | CPU per request | core | of a delivery by token |"
    );
    println!("|---|---|---|---|---|");
    let token = best("200, delivery by token", server, tokens, flood, None).await;
    let strangers = (0..PHONES).map(|index| Asker::new(by_name(mac(7, index)), &agent(mac(7, index)), None));
    let closed = with_own.iter().map(|phone| Asker::new(by_token(phone), &agent(phone.mac), None));
    let unknown = with_own.iter().map(|phone| {
        let token: String = phone.token.expose().chars().rev().collect();
        Asker::new(format!("{INSTANCE}/{token}/{}.cfg", phone.mac), &agent(phone.mac), None)
    });
    let known = with_own.iter().map(|phone| Asker::new(by_name(phone.mac), &agent(phone.mac), None));
    let name =
        with_own.iter().map(|phone| Asker::new(format!("{INSTANCE}/{}.boot", phone.mac), &agent(phone.mac), None));
    let foreign = with_token.iter().zip(with_own).map(|(phone, other)| {
        Asker::new(format!("{INSTANCE}/{}/{}.cfg", phone.token.expose(), other.mac), &agent(other.mac), None)
    });
    let wrong = with_own.iter().map(|phone| digest(challenge, phone, "wrong"));
    let stale = with_own.iter().map(|phone| {
        let target = by_name(phone.mac);
        let head = challenge.replace("nonce=\"00", "nonce=\"ff");
        Asker::new(target.clone(), &agent(phone.mac), Some(Digest::new(&head, &phone.own.user, "x", &target)))
    });
    let many = (0..0x1_0000).map(|index| Asker::new(by_name(mac(8, index)), &agent(mac(8, index)), None));
    let refusals: [(&str, u16, Vec<Asker>); 9] = [
        ("401, unknown MAC", 401, strangers.collect()),
        ("401, 65,536 unknown MACs", 401, many.collect()),
        ("401, known MAC", 401, known.collect()),
        ("401, window closed", 401, closed.collect()),
        ("401, old nonce", 401, stale.collect()),
        ("401, wrong password", 401, wrong.collect()),
        ("404, unknown token", 404, unknown.collect()),
        ("404, token of another phone", 404, foreign.collect()),
        ("404, no such file", 404, name.collect()),
    ];
    for (title, status, askers) in refusals {
        let plan = Plan { status, ..flood };
        best(title, server, &Rc::new(askers), plan, Some(&token)).await;
    }
}

/// Measures new TLS connections, as phones open them.
async fn over_tls() {
    let dir = tempfile::tempdir().unwrap();
    fill_template(dir.path(), FILE);
    let fleet = Fleet::new(dir.path(), (0..PHONES).map(|index| (mac(1, index), Way::Token)), settled).await;
    fleet.close().await;
    let target = |phone: &Arc<Phone>| format!("{INSTANCE}/{}/{}.cfg", phone.token.expose(), phone.mac);
    let root = dir.path().join("files");
    {
        // Requesting each file once records each first delivery and gives nginx the same bytes.
        let server = servers::gangway(dir.path());
        let mut connection = Connection::open(server.address).await;
        for phone in &fleet.phones {
            let asker = Asker::new(target(phone), &agent(phone.mac), None);
            let Answer { status, body, head } = connection.get(&asker).await;
            assert_eq!(status, 200, "{head}");
            let place = root.join(asker.target.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, body).unwrap();
        }
    }
    let asks = fleet.phones.iter().map(|phone| tls::Ask::new(&target(phone), &agent(phone.mac))).collect();
    tls::table(dir.path(), &root, asks).await;
}

struct Best {
    rate: f64,
    cpu: f64,
}

/// Returns the best of the rounds, after a warm-up.
async fn best(title: &str, server: &Server, askers: &Rc<Vec<Asker>>, plan: Plan, other: Option<&Best>) -> Best {
    load::run(server.address, askers, Plan { time: plan.time / 4, ..plan }).await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let before = server.cpu();
        let done: Done = load::run(server.address, askers, plan).await;
        let cpu = server.cpu() - before;
        rounds.push((done, cpu));
    }
    let each = |(done, cpu): &(Done, Duration)| cpu.as_secs_f64() * 1e6 / done.requests as f64;
    rounds.sort_by(|one, other| each(one).total_cmp(&each(other)));
    let (done, cpu) = &rounds[0];
    let each = each(&rounds[0]);
    let core = cpu.as_secs_f64() / done.took.as_secs_f64() * 100.0;
    let found = Best { rate: done.per_second(), cpu: each };
    let of = match other {
        Some(other) if plan.status == 200 => {
            format!("{:.2} (by CPU time {:.2})", found.rate / other.rate, other.cpu / found.cpu)
        }
        Some(other) => format!("{:.2}", found.cpu / other.cpu),
        None => String::new(),
    };
    println!("| {title} | {:.0} | {each:.1} us | {core:.0} % | {of} |", found.rate);
    found
}

/// Ten thousand phones send requests in turn. In every other round a setting that is in every file changes meanwhile.
async fn changed_setting() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet::new(dir.path(), (0..MANY_PHONES).map(|index| (mac(3, index), Way::Token)), settled).await;
    let instance = fleet.store.instance("example.com", "gangway").await.unwrap();
    let server = servers::gangway(dir.path());
    let askers: Rc<Vec<Asker>> = Rc::new(
        fleet
            .phones
            .iter()
            .map(|phone| {
                let target = format!("{INSTANCE}/{}/{}.cfg", phone.token.expose(), phone.mac);
                Asker::new(target, &agent(phone.mac), None)
            })
            .collect(),
    );
    let time = Duration::from_secs(u64::from(MANY_PHONES / PACE));
    let plan = Plan { connections: CONNECTIONS, time, pace: Some(PACE), status: 200 };
    load::run(server.address, &askers, plan).await;
    let (mut quiet, mut changed) = (Vec::new(), Vec::new());
    let mut cpus = [Duration::ZERO; 2];
    for round in 0..PACED_ROUNDS {
        let before = server.cpu();
        let mut done = load::run(server.address, &askers, plan).await;
        quiet.push((done.quantile(0.999), done.quantile(0.5)));
        let between = server.cpu();
        let change = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let server = Secret::new(format!("ldap{round}.example.com"));
            fleet.store.settings().set_one(instance, &Scope::Instance, "ldap_server", Some(&server)).await.unwrap();
        };
        let (mut done, ()) = tokio::join!(load::run(server.address, &askers, plan), change);
        changed.push((done.quantile(0.999), done.quantile(0.5)));
        cpus = [cpus[0] + (between - before), cpus[1] + (server.cpu() - between)];
    }
    fleet.close().await;
    println!(
        "\n| {MANY_PHONES} phones, {PACE} requests/s, best of {PACED_ROUNDS} | p50 | p99.9 | p99.9 of all rounds | core |"
    );
    println!("|---|---|---|---|---|");
    for (title, mut rounds, cpu) in
        [("nothing changes", quiet, cpus[0]), ("a setting in every file changes", changed, cpus[1])]
    {
        rounds.sort_unstable();
        let all: Vec<String> = rounds.iter().map(|(slow, _)| format!("{:.0}", micros(*slow))).collect();
        println!(
            "| {title} | {:.0} us | {:.0} us | {} | {:.0} % |",
            micros(rounds[0].1),
            micros(rounds[0].0),
            all.join(", "),
            cpu.as_secs_f64() / (time * PACED_ROUNDS as u32).as_secs_f64() * 100.0
        );
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
