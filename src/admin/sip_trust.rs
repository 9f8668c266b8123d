//! Will the PBX let the phones register? Its SIP/TLS port, or that of the reverse proxy before it, may ask phones for a
//! certificate; where the vendor's CA is missing there, every phone of the vendor fails after it got its file. It is asked
//! before that happens.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use super::Deps;
use crate::{
    net::tls::preflight::{self, AskError, Wanted},
    phone::{
        facet::Wanted as Wish,
        instance::InstanceId,
        neutral::sip_server,
        settings::{Defaults, Lookup},
    },
    store::Store,
    vendor::Registry,
};

/// For one port.
const PATIENCE: Duration = Duration::from_secs(5);
/// Ports looked at per instance: one PBX has one, a PBX with slaves a few.
const MOST: usize = 16;
/// Between two rounds of the running gateway, and before the first.
const ROUND: Duration = Duration::from_secs(15 * 60);
const FIRST: Duration = Duration::from_secs(2 * 60);
/// A port that was asked is asked again after this.
const AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// Where phones register, and whose phones those are.
pub type Ports = BTreeMap<(String, u16), BTreeSet<String>>;

/// The SIP/TLS ports the phones of an instance register at, by the addresses the PBX gave for their accounts and, where
/// `configured` is set, by the settings `registrar` and `outbound_proxy` as well.
#[must_use]
pub fn ports(registry: &Registry, store: &Store, instance: InstanceId, configured: bool) -> Ports {
    let layers = store.layers(instance);
    let mut found = Ports::new();
    for phone in store.roster().in_instance(instance) {
        if phone.wanted != Wish::Active || phone.buried.is_some() {
            continue;
        }
        let names = ["sip_transport", "registrar", "outbound_proxy"];
        let vendor = registry.vendor(&phone.vendor);
        let chosen = vendor
            .and_then(|vendor| vendor.choose(phone.model.as_deref(), Some(&phone.provider), phone.firmware.as_deref()));
        let defaults = chosen.map_or(Defaults::Table, |(family, _)| Defaults::Family(&family.settings));
        let settings = layers.effective_of(&names, &Lookup::of(&phone, defaults), Some(&phone.device_config));
        if settings.text("sip_transport") != "tls" {
            continue;
        }
        let set =
            if configured { settings.nonempty("outbound_proxy").or(settings.nonempty("registrar")) } else { None };
        for account in &phone.accounts {
            let (host, port) = sip_server(set.unwrap_or(&account.dns), 5061);
            let known = found.len() < MOST || found.contains_key(&(host.clone(), port));
            if known && !host.is_empty() {
                found.entry((host, port)).or_default().insert(phone.vendor.clone());
            }
        }
    }
    found
}

/// What was found out about one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// `host:port`.
    pub address: String,
    /// What it wants.
    pub wants: Wanted,
    /// The vendors whose phones will not be let in, with the CAs one of which is missing there.
    pub missing: Vec<(String, Vec<String>)>,
}

/// Asks one port.
///
/// # Errors
/// When nobody answers there.
pub async fn ask(
    registry: &Registry,
    (host, port): (&str, u16),
    vendors: &BTreeSet<String>,
) -> Result<Answer, AskError> {
    let wants = preflight::ask(host, port, PATIENCE).await?;
    let missing = vendors
        .iter()
        .filter_map(|name| registry.vendor(name))
        .filter(|vendor| !wants.accepts(&vendor.manifest.tls.issuers))
        .map(|vendor| (vendor.title.clone(), vendor.manifest.tls.issuers.clone()))
        .collect();
    Ok(Answer { address: format!("{host}:{port}"), wants, missing })
}

/// What the rounds of the running gateway found.
#[derive(Debug, Default)]
pub struct Known(Mutex<HashMap<(InstanceId, String, u16), (Timestamp, Option<Answer>)>>);

impl Known {
    /// The answers of an instance's ports that keep phones out.
    #[must_use]
    pub fn missing(&self, instance: InstanceId) -> Vec<Answer> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = known.iter().filter(|((of, ..), _)| *of == instance);
        let mut found: Vec<Answer> =
            of_it.filter_map(|(_, (_, answer))| answer.clone()).filter(|answer| !answer.missing.is_empty()).collect();
        found.sort_by(|a, b| a.address.cmp(&b.address));
        found
    }

    /// Asks what was not asked lately, and forgets ports nobody registers at.
    async fn round(&self, deps: &Deps) {
        let now = deps.clock.now();
        let registry = deps.registry.load_full();
        let mut present = BTreeSet::new();
        for instance in deps.instances.iter() {
            for ((host, port), vendors) in ports(&registry, &deps.store, instance.id, false) {
                let key = (instance.id, host.clone(), port);
                let lately = {
                    let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    known.get(&key).is_some_and(|(at, _)| now.duration_since(*at) < AGAIN)
                };
                present.insert((instance.id.0, host.clone(), port));
                if lately {
                    continue;
                }
                let answer = ask(&registry, (&host, port), &vendors).await;
                if let Err(error) = &answer {
                    tracing::debug!(%error, "the SIP/TLS port could not be asked what it wants of phones");
                }
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (now, answer.ok()));
            }
        }
        let is_present = |key: &(InstanceId, String, u16)| present.contains(&(key.0.0, key.1.clone(), key.2));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| is_present(key));
    }
}

/// Looks now and then until the gateway stops.
pub async fn follow(known: Arc<Known>, deps: Arc<Deps>) {
    let mut pause = FIRST;
    loop {
        let next = deps.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = deps.clock.sleep_until(next) => {}
            () = deps.tasks.stopping() => return,
        }
        tokio::select! {
            () = known.round(&deps) => {}
            () = deps.tasks.stopping() => return,
        }
        pause = ROUND;
    }
}
