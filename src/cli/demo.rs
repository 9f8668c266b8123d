//! `gangway demo`: simulated PBX, Users, Devices, redirect service and phones around a real gateway in a temporary
//! directory, in one process over real loopback sockets.

mod devices;

use std::{
    collections::HashMap,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;
use gangway_base::{
    clock::{SharedClock, SystemClock},
    tasks::Tasks,
};
use gangway_sim::{simulation::Simulation, users::ProvisionRequest};

use self::devices::Device;
use super::{Global, output};
use crate::{
    app::{Application, ServingError, lifecycle::Signals},
    base::config::Config,
    phone::{
        facet::{RedirectState, RegistrationState, UserObjectState},
        facets::{ACCOUNT_FACETS, FacetView, PHONE_FACETS},
        record::{Phone, PhoneId},
    },
    settings::Scope,
    store::Store,
};

/// Brings simulated phones through every station.
#[derive(Debug, Args)]
pub struct Demo {
    /// End when every phone is registered: exit code 0, or 1 when one is not within a minute
    #[arg(long)]
    once: bool,
    /// How many phones and DECT bases
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=200))]
    phones: u16,
}

/// Time limit for all phones together.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a device may take to be in its category.
const CATEGORY: Duration = Duration::from_secs(15);
impl Demo {
    /// Runs the demo.
    pub fn run(self, _global: &Global) -> anyhow::Result<ExitCode> {
        actix_rt::System::new().block_on(self.play())
    }

    async fn play(self) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let mut signals = Signals::register().context("signals cannot be watched")?;
        let dir = tempdir()?;
        let users = devices::kinds(self.phones).map(|(_, kind)| usize::from(kind.users)).sum();
        let simulation = Simulation::builder().users(users).providers(devices::PROVIDERS);
        let simulation = simulation.start().await.context("the simulators do not start")?;
        output::line("A PBX, Users, Devices and the redirect services are simulated; the gateway is real.");

        let config = configuration(dir.path(), &simulation)?;
        crate::base::telemetry::init(&config.log).context("the log cannot be set up")?;
        super::serve::raise_descriptors();
        let clock: SharedClock = Arc::new(SystemClock);
        let application = Application::build(config, clock).await?;
        let (store, tasks) = (application.store(), application.tasks());
        let Some(address) = application.addresses().http.first().copied() else {
            bail!("the gateway has no HTTP port")
        };
        let base = format!("http://{address}");
        let instance = store.instance(simulation.domain(), simulation.instance()).await?;
        for (vendor, url, user, password) in [
            ("yealink", simulation.rps.xmlrpc_url(), Simulation::RPS_USER, Simulation::RPS_PASSWORD),
            ("snom", simulation.sraps.api_url(), Simulation::SRAPS_ID, Simulation::SRAPS_SECRET),
        ] {
            for (name, value) in [("url", url.as_str()), ("user", user), ("password", password)] {
                let name = format!("redirect.{vendor}.{name}");
                store.settings().set_one(instance, &Scope::Instance, &name, Some(&value.into())).await?;
            }
            // All traffic is on loopback and nothing is secret, so no certificate is needed.
            let scope = Scope::Vendor(vendor.to_owned());
            store.settings().set_one(instance, &scope, "provisioning_scheme", Some(&"http".into())).await?;
        }
        let (result, serving) = tokio::sync::oneshot::channel::<Result<(), ServingError>>();
        actix_rt::Arbiter::current().spawn(async move {
            let _ = result.send(application.run().await);
        });
        let narrator = Tasks::new();
        narrator.spawn_local("narrator", narrate(store.clone(), narrator.clone(), started));

        simulation.connect_gateway(&base);
        simulation.wait_gateway().await.context("the simulated PBX did not connect to the gateway")?;
        say(started, "PBX", "the app objects are connected; Profile offers Yealink and Snom, phones and DECT");

        let played = tokio::select! {
            played = tokio::time::timeout(TIMEOUT, everybody(&simulation, &store, self.phones, started)) => played.is_ok(),
            _ = signals.until_stop(&tasks, || {}) => false,
        };
        let registered = played && all_registered(&simulation, &store).await;
        narrator.finish(Duration::from_secs(1)).await;
        let mut exit = report(&simulation, &store, started, registered);
        if !self.once {
            output::line(&format!(
                "Everything stays up at {base}/{}/{}; Ctrl-C ends it.",
                simulation.domain(),
                simulation.instance()
            ));
            signals.until_stop(&tasks, || {}).await;
            exit = ExitCode::SUCCESS;
        }
        tasks.ask_to_stop();
        if let Ok(Err(error)) = serving.await {
            return Err(error.into());
        }
        Ok(exit)
    }
}

/// Runs all devices concurrently: users provision them, then they are unpacked and plugged in.
async fn everybody(simulation: &Simulation, store: &Store, phones: u16, started: Instant) {
    let mut next_user = 1..;
    let desks = devices::kinds(phones).filter_map(|(number, kind)| {
        let device = kind.unpack(simulation, number)?;
        let users: Vec<String> =
            next_user.by_ref().take(usize::from(kind.users)).map(|number: u32| format!("user{number}")).collect();
        Some(desk_phone(simulation, store, device, kind.title, users, started))
    });
    let desks: Vec<_> = desks.collect();
    futures_util::future::join_all(desks).await;
}

async fn desk_phone(
    simulation: &Simulation,
    store: &Store,
    device: Device,
    title: &str,
    users: Vec<String>,
    started: Instant,
) {
    let name = device.name();
    for user in users {
        say(started, &name, &format!("{user} types the MAC in Profile, manufacturer {title}"));
        let request = ProvisionRequest {
            device_name: Some(format!("Desk of {user}")),
            ..ProvisionRequest::new(&device.mac().to_string(), &user, title)
        };
        match simulation.users.provision(request).await {
            Ok(answer) if answer.ok => say(started, &name, "Profile shows: done"),
            Ok(answer) => {
                say(started, &name, &format!("Profile shows: {}", answer.error.unwrap_or_default()));
                return;
            }
            Err(error) => {
                say(started, &name, &format!("Users got no answer: {error}"));
                return;
            }
        }
    }
    redirected(store, &device).await;
    say(started, &name, "it is unpacked and plugged in");
    if let Ok(files) = device.boot().await {
        say(started, &name, &format!("it asked: {}", files.join(", ")));
    }
    // Devices tells the category of a new device a moment after its domain.
    let _ = tokio::time::timeout(CATEGORY, until(store, &device, |phone| phone.category.is_some())).await;
}

/// Waits until the redirect service knows the phone. A phone plugged in earlier would not be redirected.
async fn redirected(store: &Store, device: &Device) {
    until(store, device, |phone| phone.redirect.state != RedirectState::Pending).await;
}

/// Waits until the record of a device is as wanted.
async fn until(store: &Store, device: &Device, is_so: impl Fn(&Phone) -> bool) {
    let mut changes = store.phones().changes();
    let known = || store.phones().all().iter().any(|phone| phone.mac == device.mac() && is_so(phone));
    while !known() {
        if let Err(tokio::sync::broadcast::error::RecvError::Closed) = changes.recv().await {
            return;
        }
    }
}

/// Waits for the last steps after the delivery: flags, and registrations as reported by the PBX.
async fn all_registered(simulation: &Simulation, store: &Store) -> bool {
    let mut changes = store.phones().changes();
    let settled = async {
        loop {
            let phones = store.phones().all();
            let done = phones.iter().flat_map(|phone| &phone.accounts).all(|account| {
                account.registration.state == RegistrationState::Registered
                    && account.user_object.state == UserObjectState::Applied
            });
            if done && phones.len() == devices::all(simulation).len() {
                return;
            }
            let _ = changes.recv().await;
        }
    };
    tokio::time::timeout(TIMEOUT, settled).await.is_ok() && devices::all(simulation).iter().all(Device::is_registered)
}

/// Prints new timeline events of all phones as they occur.
async fn narrate(store: Store, tasks: Tasks, started: Instant) {
    let mut changes = store.phones().changes();
    let mut seen: HashMap<PhoneId, i64> = HashMap::new();
    loop {
        let everybody = || store.phones().all().iter().map(|phone| phone.id).collect::<Vec<_>>();
        let (ids, is_last) = tokio::select! {
            changed = changes.recv() => match changed {
                Ok(changed) => (vec![changed.id], false),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => (everybody(), false),
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            },
            // Print the last events before exiting.
            () = tasks.stopping() => (everybody(), true),
        };
        for id in ids {
            let (Some(phone), Ok(events)) = (store.phones().get(id), store.phones().events(id, 50).await) else {
                continue;
            };
            let last = seen.entry(id).or_default();
            let mut fresh: Vec<_> = events.into_iter().filter(|event| event.id > *last).collect();
            fresh.sort_by_key(|event| event.id);
            for event in fresh {
                *last = event.id;
                let name = format!("{} {}", phone.mac, phone.model.as_deref().unwrap_or(""));
                say(started, name.trim_end(), &event.text);
            }
        }
        if is_last {
            return;
        }
    }
}

fn report(simulation: &Simulation, store: &Store, started: Instant, registered: bool) -> ExitCode {
    let phones = devices::all(simulation);
    let up = phones.iter().filter(|phone| phone.is_registered()).count();
    output::line("");
    output::line(&format!(
        "{up} of {} phones are registered after {:.1} s.",
        phones.len(),
        started.elapsed().as_secs_f32()
    ));
    if registered && up == phones.len() {
        return ExitCode::SUCCESS;
    }
    for phone in store.phones().all() {
        let line = |title: &str, facet: FacetView<'_>| {
            output::line(&format!("{}  {title:<16}{}  {}", phone.mac, facet.text(), facet.error.unwrap_or("")));
        };
        for row in PHONE_FACETS {
            line(row.title, (row.view)(&phone));
        }
        for account in &phone.accounts {
            for row in ACCOUNT_FACETS {
                line(row.title, (row.view)(account));
            }
        }
    }
    ExitCode::FAILURE
}

fn say(started: Instant, who: &str, what: &str) {
    output::line(&format!("{:7.3} s  {who:<18}  {what}", started.elapsed().as_secs_f32()));
}

fn configuration(dir: &Path, simulation: &Simulation) -> anyhow::Result<Config> {
    let file = dir.join("gangway.toml");
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = {:?}\n[log]\nlevel = \"error\"\n\
         [net]\nconnects_per_second = 500\nallow = \"127.0.0.0/8\"\n[[instances]]\ndomain = {:?}\nname = {:?}\npassword = {:?}\n",
        dir.join("data"),
        simulation.domain(),
        simulation.instance(),
        simulation.password(),
    );
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(Config::load(Some(&file))?)
}

/// A temporary directory that is removed at the end of the demo.
fn tempdir() -> anyhow::Result<OwnDirectory> {
    let path = std::env::temp_dir().join(format!("gangway-demo-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&path).with_context(|| format!("{} cannot be made", path.display()))?;
    Ok(OwnDirectory(path))
}

struct OwnDirectory(std::path::PathBuf);

impl OwnDirectory {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
