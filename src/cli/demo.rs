//! `gangway demo`: the whole of it in one process, over real sockets on loopback: a simulated PBX, Users, Devices,
//! redirect service and phones around a real gateway in a temporary directory.

use std::{
    collections::HashMap,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::Args;

use super::{Global, output};
use crate::{
    app::{Application, ServingError},
    clock::{SharedClock, SystemClock},
    config::Config,
    lifecycle::Signals,
    phone::{
        facet::{RegistrationState, UserObjectState},
        mac::Mac,
        record::PhoneId,
        settings::Scope,
    },
    sim::{
        world::World,
        yealink_phone::{Model, YealinkPhone, model},
    },
    store::Store,
    tasks::Tasks,
};

/// Brings simulated phones through every station.
#[derive(Debug, Args)]
pub struct Demo {
    /// End when every phone is registered: exit code 0, or 1 when one is not within a minute
    #[arg(long)]
    once: bool,
    /// How many phones
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=200))]
    phones: u16,
}

/// How long the phones together may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The models on the simulated desks, in turn.
const MODELS: &[Model] = &[model::T46U, model::T31P, model::T48G_OLD, model::T54W, model::T58W];

impl Demo {
    /// Runs it.
    pub fn run(self, _global: &Global) -> anyhow::Result<ExitCode> {
        actix_rt::System::new().block_on(self.play())
    }

    async fn play(self) -> anyhow::Result<ExitCode> {
        let started = Instant::now();
        let mut signals = Signals::register().context("signals cannot be watched")?;
        let dir = tempdir()?;
        let world =
            World::builder().users(usize::from(self.phones)).start().await.context("the simulators do not start")?;
        output::line("A PBX, Users, Devices and a redirect service are simulated; the gateway is real.");

        let config = configuration(dir.path(), &world)?;
        crate::telemetry::init(&config.log).context("the log cannot be set up")?;
        let clock: SharedClock = Arc::new(SystemClock);
        let application = Application::build(config, clock).await?;
        let (store, tasks) = (application.store(), application.tasks());
        let Some(address) = application.addresses().http.first().copied() else {
            bail!("the gateway has no HTTP port")
        };
        let base = format!("http://{address}");
        let instance = store.instance(world.domain(), world.instance()).await?;
        for (name, value) in [
            ("url", world.rps.xmlrpc_url()),
            ("user", World::RPS_USER.to_owned()),
            ("password", World::RPS_PASSWORD.to_owned()),
        ] {
            let name = format!("redirect.yealink.{name}");
            store.set_setting(instance, &Scope::Instance, &name, Some(&value.into())).await?;
        }
        // Everything is on loopback and nothing is secret: no certificate is needed here.
        let vendor = Scope::Vendor("yealink".to_owned());
        store.set_setting(instance, &vendor, "provisioning_scheme", Some(&"http".into())).await?;
        let (told, serving) = tokio::sync::oneshot::channel::<Result<(), ServingError>>();
        actix_rt::Arbiter::current().spawn(async move {
            let _ = told.send(application.run().await);
        });
        let narrator = Tasks::new();
        narrator.spawn_local("narrator", narrate(store.clone(), narrator.clone(), started));

        world.connect_gateway(&base);
        world.wait_gateway().await.context("the simulated PBX did not connect to the gateway")?;
        say(started, "PBX", "the app objects are connected; Profile offers the manufacturer \"Yealink\"");

        let played = tokio::select! {
            played = tokio::time::timeout(PATIENCE, everybody(&world, self.phones, started)) => played.is_ok(),
            _ = signals.until_stop(&tasks, || {}) => false,
        };
        let registered = played && all_registered(&world, &store).await;
        narrator.finish(Duration::from_secs(1)).await;
        let mut exit = report(&world, &store, started, registered);
        if !self.once {
            output::line(&format!(
                "Everything stays up at {base}/{}/{}; Ctrl-C ends it.",
                world.domain(),
                world.instance()
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

/// All phones side by side: provisioned by their users, unpacked, plugged in.
async fn everybody(world: &World, phones: u16, started: Instant) {
    let desks = (0..phones).filter_map(|index| {
        let mac = Mac::new([0x80, 0x5e, 0xc0, 0x00, u8::try_from(index >> 8).ok()?, u8::try_from(index & 0xff).ok()?])
            .ok()?;
        let model = MODELS[usize::from(index) % MODELS.len()];
        Some(desk(world, world.add_phone(mac, model), format!("user{}", index + 1), started))
    });
    futures_util::future::join_all(desks).await;
}

async fn desk(world: &World, phone: YealinkPhone, user: String, started: Instant) {
    let name = format!("{} {}", phone.mac(), phone.model().name);
    say(started, &name, &format!("{user} types the MAC in Profile"));
    match world.provision(phone.mac(), &user, "Yealink").await {
        Ok(answer) if answer.ok => say(started, &name, "Profile shows: done. The phone is unpacked and plugged in"),
        Ok(answer) => {
            say(started, &name, &format!("Profile shows: {}", answer.error.unwrap_or_default()));
            return;
        }
        Err(error) => {
            say(started, &name, &format!("Users got no answer: {error}"));
            return;
        }
    }
    if let Ok(report) = phone.boot().await {
        let files: Vec<String> =
            report.requests.iter().map(|fetched| format!("{} {}", fetched.file, fetched.status)).collect();
        say(started, &name, &format!("the phone asked: {}", files.join(", ")));
    }
}

/// The last stations lie behind the delivery: flags and registration as the PBX reports them.
async fn all_registered(world: &World, store: &Store) -> bool {
    let mut changes = store.changes();
    let settled = async {
        loop {
            let phones = store.roster().all();
            let done = phones.iter().flat_map(|phone| &phone.accounts).all(|account| {
                account.registration.state == RegistrationState::Registered
                    && account.user_object.state == UserObjectState::Applied
            });
            if done && phones.len() == world.phones().len() {
                return;
            }
            let _ = changes.recv().await;
        }
    };
    tokio::time::timeout(PATIENCE, settled).await.is_ok() && world.phones().iter().all(YealinkPhone::is_registered)
}

/// Prints the time line of every phone as it grows.
async fn narrate(store: Store, tasks: Tasks, started: Instant) {
    let mut changes = store.changes();
    let mut seen: HashMap<PhoneId, i64> = HashMap::new();
    loop {
        let everybody = || store.roster().all().iter().map(|phone| phone.id).collect::<Vec<_>>();
        let (ids, is_last) = tokio::select! {
            changed = changes.recv() => match changed {
                Ok(changed) => (vec![changed.id], false),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => (everybody(), false),
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
            },
            // What happened last is told before the end.
            () = tasks.stopping() => (everybody(), true),
        };
        for id in ids {
            let (Some(phone), Ok(events)) = (store.roster().get(id), store.events(id, 50).await) else { continue };
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

fn report(world: &World, store: &Store, started: Instant, registered: bool) -> ExitCode {
    let phones = world.phones();
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
    for phone in store.roster().all() {
        for (name, state, error) in [
            ("Device Config", phone.devices.state.text(), &phone.devices.error),
            ("Redirect", phone.redirect.state.text(), &phone.redirect.error),
            ("Phone Requests", phone.request.state.text(), &phone.request.error),
        ] {
            output::line(&format!("{}  {name:<16}{state}  {}", phone.mac, error.as_deref().unwrap_or("")));
        }
        for account in &phone.accounts {
            for (name, state, error) in [
                ("PBX flags", account.user_object.state.text(), &account.user_object.error),
                ("Registered", account.registration.state.text(), &account.registration.error),
            ] {
                output::line(&format!("{}  {name:<16}{state}  {}", phone.mac, error.as_deref().unwrap_or("")));
            }
        }
    }
    ExitCode::FAILURE
}

fn say(started: Instant, who: &str, what: &str) {
    output::line(&format!("{:7.3} s  {who:<18}  {what}", started.elapsed().as_secs_f32()));
}

fn configuration(dir: &Path, world: &World) -> anyhow::Result<Config> {
    let file = dir.join("gangway.toml");
    let text = format!(
        "[http]\nlisten = \"127.0.0.1:0\"\n[ops]\nlisten = \"127.0.0.1:0\"\n[data]\ndir = {:?}\n[log]\nlevel = \"error\"\n\
         [net]\nconnects_per_second = 500\n[[instances]]\ndomain = {:?}\nname = {:?}\npassword = {:?}\n",
        dir.join("data"),
        world.domain(),
        world.instance(),
        world.password(),
    );
    std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(Config::load(Some(&file))?)
}

/// A directory of our own that goes with the demo.
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
