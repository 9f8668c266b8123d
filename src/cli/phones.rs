//! `gangway phones`: lists phones, shows their state, and changes what is desired of them.

mod bootstrap_url;
pub mod rotate_credentials;
pub mod verify;

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::{
    Global,
    context::{CommandContext, block_on},
    import::ImportArgs,
    output,
    phones::{
        rotate_credentials::Rotate,
        verify::{Check, print_migration},
    },
};
use crate::{
    phone::{
        facet::Wanted,
        record::{FirstContact, Phone},
    },
    provision::{acknowledgement::Acknowledgement, commands},
    service::phone_export::shown,
    settings::firmware::FirmwareState,
    sip::check_sync,
    store::Store,
};

/// How long `--wait` waits.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two checks of what the serving process wrote.
const LOOK: Duration = Duration::from_millis(100);

/// What to do with phones.
#[derive(Debug, Subcommand)]
pub enum PhonesCommand {
    /// All phones of the instance
    List {
        /// Also those that were removed
        #[arg(long)]
        removed: bool,
    },
    /// One phone with everything known about it
    Show {
        /// Its MAC address, in any spelling
        mac: Mac,
    },
    /// Provision many phones out of a file
    Import(ImportArgs),
    /// Let the phone fetch its file with its redirect URL once more, as after a factory reset
    ///
    /// This also lets the phone in from an address that is frozen because it tried one MAC address after the other; with
    /// --from the frozen addresses of that network are thawed. A blocked phone stays blocked: see `activate`.
    Allow {
        #[command(flatten)]
        change: PhoneChange,
        /// Also without its redirect URL (DHCP, a URL typed by hand): then everybody who knows the MAC may come first
        #[arg(long)]
        without_token: bool,
        /// Without its redirect URL only from this network
        #[arg(long, value_name = "CIDR", requires = "without_token")]
        from: Option<IpNet>,
    },
    /// Make a one-time plain-HTTP URL that brings our CA and the https URL to a phone that does not trust our certificate
    ///
    /// Whoever fetches it learns nothing secret. The phone may then come by https without its redirect URL, once.
    Bootstrap(bootstrap_url::BootstrapUrlArgs),
    /// Give the phone new credentials of its own; the former ones are good until it has used the new ones
    Rotate(Rotate),
    /// Send one more file with all accounts off, then nothing
    Release(PhoneChange),
    /// Deliver nothing any more, also to a phone that proves itself; `activate` ends it
    Block(PhoneChange),
    /// Put a blocked or released phone back into service: it gets its configuration with its next request
    Activate(PhoneChange),
    /// Compare what the redirect service holds with what it should
    Check(Check),
    /// Take the phone out (redirect entry, sysclient, record), or one user off it
    Remove {
        #[command(flatten)]
        change: PhoneChange,
        /// Take only the accounts of this user off, e.g. one handset off a base; the others stay
        #[arg(long, value_name = "NAME")]
        user: Option<String>,
    },
    /// Tell the phone to fetch its file now, and see whether it comes
    Resync(PhoneChange),
}

/// A change of one phone.
#[derive(Debug, Args)]
pub struct PhoneChange {
    /// Its MAC address, in any spelling
    mac: Mac,
    /// Wait until the serving gateway has carried it out (at most a minute)
    #[arg(long)]
    wait: bool,
}

impl PhonesCommand {
    /// Runs the command.
    pub fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        block_on(async |tasks| {
            let context = CommandContext::open(global, &tasks).await?;
            if !matches!(self, Self::List { .. } | Self::Show { .. }) {
                context.refuse_passive()?;
            }
            match self {
                Self::List { removed } => {
                    list(&context, removed, global.json);
                    print_migration(&context);
                }
                Self::Import(import) => return import.run(&context, global.json).await,
                Self::Check(check) => return check.run(&context, global.json).await,
                Self::Show { mac } => show(&context, mac, global.json).await?,
                Self::Allow { change, without_token, from } => {
                    let first_contact = match without_token {
                        true => FirstContact::Allowed(from),
                        false => FirstContact::Refused,
                    };
                    act(&context, &change, Intent::Allow(first_contact)).await?;
                    if commands::lacks_passwords(&*find(&context, change.mac)?) {
                        output::note(
                            "Its users' passwords were dropped when its time ran out: it gets the open part only. Provision it \
                             again in Profile or UsersAdmin.",
                        );
                    }
                }
                Self::Bootstrap(wish) => bootstrap_url::run(global, &context, &wish).await?,
                Self::Rotate(rotate) => rotate.run(&context).await?,
                Self::Release(change) => act(&context, &change, Intent::Wanted(Wanted::Released)).await?,
                Self::Block(change) => act(&context, &change, Intent::Wanted(Wanted::Blocked)).await?,
                Self::Activate(change) => act(&context, &change, Intent::Wanted(Wanted::Active)).await?,
                Self::Remove { change, user: None } => {
                    act(&context, &change, Intent::Wanted(Wanted::Removed)).await?;
                }
                Self::Remove { change, user: Some(user) } => act(&context, &change, Intent::TakeOff(user)).await?,
                Self::Resync(change) => resync(&context, &change).await?,
            }
            Ok(ExitCode::SUCCESS)
        })
    }
}

enum Intent {
    Allow(FirstContact),
    Wanted(Wanted),
    TakeOff(String),
}

impl Intent {
    /// The description for the audit.
    fn deed(&self) -> String {
        match self {
            Self::Allow(FirstContact::Refused) => "Allow once".to_owned(),
            Self::Allow(FirstContact::Allowed(from)) => {
                let from = from.map_or_else(|| "anywhere".to_owned(), |network| network.to_string());
                format!("Allow once, also without the redirect URL, from {from}")
            }
            Self::Wanted(wanted) => format!("Want it {}", wanted.as_str()),
            Self::TakeOff(user) => format!("Take {user} off"),
        }
    }
}

fn find(context: &CommandContext, mac: Mac) -> anyhow::Result<Arc<Phone>> {
    match context.store.phones().by_mac(context.instance, mac) {
        Some(phone) => Ok(phone),
        None => bail!("no phone {mac} in {}: `gangway phones list` shows what there is", context.label),
    }
}

fn list(context: &CommandContext, removed: bool, as_json: bool) {
    let mut phones = context.store.phones().in_instance(context.instance);
    phones.retain(|phone| removed || phone.buried.is_none());
    phones.sort_by_key(|phone| phone.mac);
    if as_json {
        output::json(&phones.iter().map(|phone| summary(&context.store, phone)).collect());
        return;
    }
    if phones.is_empty() {
        output::note(&format!("No phones in {} yet: provision one in Profile or UsersAdmin.", context.label));
        return;
    }
    let rows: Vec<Vec<String>> = phones
        .iter()
        .map(|phone| {
            vec![
                phone.mac.to_string(),
                users(phone),
                phone.model.clone().unwrap_or_else(|| phone.vendor.clone()),
                phone.wanted.text().to_owned(),
                phone.devices.state.text().to_owned(),
                phone.redirect.state.text().to_owned(),
                phone.request.state.text().to_owned(),
                all(phone, |account| account.user_object.state.text()),
                all(phone, |account| account.registration.state.text()),
            ]
        })
        .collect();
    let head =
        ["MAC", "User", "Model", "Wanted", "Device Config", "Redirect", "Phone Requests", "PBX flags", "Registered"];
    output::table(&head, &rows);
}

/// The users' names. Of a base with many users only the first ones.
fn users(phone: &Phone) -> String {
    const SHOWN: usize = 4;
    let names: Vec<&str> = phone.accounts.iter().map(|account| account.username.as_str()).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} +{more}", names.get(..SHOWN).unwrap_or_default().join(",")),
        _ => names.join(","),
    }
}

/// The distinct texts of all accounts; if there are several, each with the number of accounts.
fn all(phone: &Phone, text: impl Fn(&crate::phone::record::Account) -> &'static str) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for text in phone.accounts.iter().map(text) {
        match counts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, count)) => *count += 1,
            None => counts.push((text, 1)),
        }
    }
    match counts.as_slice() {
        [(text, _)] => (*text).to_owned(),
        several => several.iter().map(|(text, count)| format!("{count} {text}")).collect::<Vec<_>>().join(", "),
    }
}

/// The firmware required by the settings and the one reported by the phone.
fn firmware(store: &Store, phone: &Phone) -> FirmwareState {
    FirmwareState::of_phone(&store.settings().layers(phone.instance), phone)
}

fn summary(store: &Store, phone: &Phone) -> Value {
    let asked = store.requests().last(phone.id);
    let asked = asked.as_ref().map(|facts| (facts.at, facts.address.as_str()));
    shown(phone, &firmware(store, phone), asked)
}

async fn show(context: &CommandContext, mac: Mac, as_json: bool) -> anyhow::Result<()> {
    let phone = find(context, mac)?;
    let events = context.store.phones().events(phone.id, 50).await?;
    let urls = context.public_urls();
    let scheme = context.store.settings().layers(phone.instance).scheme_of(&phone);
    let (base, problem) = (urls.base(&phone.provider, scheme), urls.problem(&phone.provider, scheme));
    if as_json {
        let mut value = summary(&context.store, &phone);
        if let Some(object) = value.as_object_mut() {
            object.insert("url".to_owned(), json!(base.ok()));
            object.insert("url_problem".to_owned(), json!(problem));
            let rows =
                events.iter().map(|event| json!({"at": event.at.to_string(), "kind": event.kind, "text": event.text}));
            object.insert("events".to_owned(), rows.collect());
        }
        output::json(&value);
        return Ok(());
    }
    output::line(&format!(
        "{}  {} {}",
        phone.mac.spelled(":"),
        phone.vendor,
        phone.model.as_deref().unwrap_or("(model not seen yet)")
    ));
    let print = |name: &str, state: &str, since: jiff::Timestamp, error: Option<&str>| {
        output::line(&format!("  {name:<16}{state}, since {since:.0}"));
        if let Some(error) = error {
            output::line(&format!("  {:<16}{error}", ""));
        }
    };
    output::line(&format!("  {:<16}{}", "Firmware", firmware(&context.store, &phone).text()));
    output::line(&format!("  {:<16}{}", "Comes to", base.as_deref().unwrap_or("not known")));
    if let Some(problem) = &problem {
        output::line(&format!("  {:<16}{problem}", ""));
    }
    print("Wanted", phone.wanted.text(), phone.created, None);
    print("Device Config", phone.devices.state.text(), phone.devices.since, phone.devices.error.as_deref());
    print("Redirect", phone.redirect.state.text(), phone.redirect.since, phone.redirect.error.as_deref());
    print("Phone Requests", phone.request.state.text(), phone.request.since, phone.request.error.as_deref());
    for account in &phone.accounts {
        output::line(&format!(
            "  line {}: {} ({}) at {}, hardware id {}",
            account.line, account.cn, account.username, account.dns, account.hwid
        ));
        if let Some(orphaned) = account.orphaned {
            print("  Orphaned", orphaned.gone.as_str(), orphaned.since, Some(orphaned.gone.text()));
        }
        if let Some(since) = account.withheld {
            print("  Withheld", "switched off in the phone's file", since, None);
        }
        let (flags, registered) = (&account.user_object, &account.registration);
        print("  PBX flags", flags.state.text(), flags.since, flags.error.as_deref());
        print("  Registered", registered.state.text(), registered.since, registered.error.as_deref());
    }
    if let Some(facts) = context.store.requests().last(phone.id) {
        output::line(&format!("  last request at {:.0} from {}: {}", facts.at, facts.address, facts.file));
    }
    output::line("");
    for event in events.iter().rev() {
        output::line(&format!("  {:.0}  {}", event.at, event.text));
    }
    Ok(())
}

async fn act(context: &CommandContext, change: &PhoneChange, intent: Intent) -> anyhow::Result<()> {
    let (store, phone) = (&context.store, find(context, change.mac)?);
    match intent {
        Intent::Allow(_) => commands::may_be_allowed(&phone)?,
        Intent::Wanted(Wanted::Active) if phone.wanted == Wanted::Removed || phone.buried.is_some() => {
            bail!("{} has been removed: provision it again in Profile or UsersAdmin", phone.mac)
        }
        Intent::Wanted(_) | Intent::TakeOff(_) => {}
    }
    context.audit(&phone.mac.to_string(), &intent.deed()).await?;
    let done: anyhow::Result<()> = match intent {
        Intent::Allow(first_contact) => {
            commands::allow(store, phone.id, first_contact, SystemClock.now()).await.map_err(Into::into)
        }
        Intent::Wanted(wanted) => commands::want(store, phone.id, wanted).await.map_err(Into::into),
        Intent::TakeOff(user) => commands::release_or_remove(store, phone.id, &user).await.map_err(Into::into),
    };
    done.with_context(|| format!("the record of {} cannot be changed", change.mac))?;
    if !change.wait {
        output::note("Written; a running gateway carries it out now.");
        return Ok(());
    }
    // An unchanged record gives the serving process nothing to acknowledge.
    if store.phones().get(phone.id).as_ref() == Some(&phone) {
        return wait(context, &phone, None).await;
    }
    let request = Acknowledgement::request(store, &phone).await?;
    let waited = wait(context, &phone, Some(&request)).await;
    if waited.is_err() {
        request.cancel(store).await?;
    }
    waited
}

/// Makes the serving process resync the phone. With `--wait` the result determines the exit code.
async fn resync(context: &CommandContext, change: &PhoneChange) -> anyhow::Result<()> {
    let phone = find(context, change.mac)?;
    context.audit(&phone.mac.to_string(), "Have the phone come now").await?;
    check_sync::ask(&context.store, &phone, change.wait).await?;
    if !change.wait {
        output::note("Written; a running gateway tells the phone now, and the phone's time line what came of it.");
        return Ok(());
    }
    let started = Instant::now();
    let result = loop {
        let result = check_sync::result(&context.store, &phone);
        if result.is_some() || started.elapsed() > PATIENCE {
            break result;
        }
        tokio::time::sleep(LOOK).await;
    };
    check_sync::forget(&context.store, &phone).await?;
    match result {
        Some((true, sentence)) => output::note(&sentence),
        Some((false, sentence)) => bail!("{sentence}"),
        None => bail!("written, but no serving gateway took notice within a minute: is `gangway serve` running?"),
    }
    Ok(())
}

/// Waits until the serving process has acknowledged the change (if an acknowledgement was requested) and has carried it
/// out.
async fn wait(context: &CommandContext, phone: &Phone, request: Option<&Acknowledgement>) -> anyhow::Result<()> {
    let store = &context.store;
    let started = Instant::now();
    let mut seen = false;
    loop {
        seen = seen || request.is_none_or(|request| request.has_arrived(store));
        let done = store.phones().get(phone.id).is_none_or(|now| commands::is_carried_out(&now));
        if seen && done {
            output::note("Carried out.");
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    if seen {
        bail!("not carried out within a minute; `gangway phones show {}` tells what is in the way", phone.mac);
    }
    bail!("written, but no serving gateway took notice within a minute: is `gangway serve` running?");
}
