//! Reports whether the gateway can do its work, and if not, why.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use gangway_base::{clock::SharedClock, periodic::PeriodicStatus, tasks::Tasks};
use gangway_wire::appws::{pbx_admin, services};

use crate::{
    catalog::LiveFolders,
    devices::client::DevicesLinks,
    http::{
        interfaces::{NotReady, Readiness},
        server::certificates::Certificates,
        unlisted_proxies::UnlistedProxies,
    },
    net::{
        descriptors::{CURE, DescriptorShares},
        handshake_failures::{FailedHandshake, FailedHandshakes},
    },
    pbx::sessions::PbxSessions,
    phone::instance::Instances,
    provision::{migration_progress::moving, public_url::read},
    store::Store,
};

/// Number of addresses named in one remark.
const SHOWN: usize = 10;

/// Checks the connections and other prerequisites.
pub struct LinksReadiness {
    /// The tenants.
    pub instances: Instances,
    /// PBX sessions.
    pub sessions: PbxSessions,
    /// Links to Devices.
    pub devices: DevicesLinks,
    /// The store.
    pub store: Store,
    /// Vendor folders.
    pub folders: Arc<LiveFolders>,
    /// TLS handshakes that failed.
    pub failures: Arc<FailedHandshakes>,
    /// The allocation of file descriptors.
    pub shares: DescriptorShares,
    /// The certificates of the TLS listeners, if there are any.
    pub certificates: Option<Arc<Certificates>>,
    /// Proxies that are not configured as trusted.
    pub unlisted_proxies: Arc<UnlistedProxies>,
    /// The clock.
    pub clock: SharedClock,
    /// The periodic tasks.
    pub tasks: Tasks,
}

/// Clients that reject the gateway's certificate, with the newest failure of each address. Phones among them never send
/// a request.
fn refusals(failures: &FailedHandshakes) -> Option<NotReady> {
    let mut newest: BTreeMap<IpAddr, String> = BTreeMap::new();
    for failed in failures.all().into_iter().filter(FailedHandshake::refuses_certificate) {
        let name = failed.server_name.map(|name| format!(", asked for {name}")).unwrap_or_default();
        newest.insert(
            failed.peer,
            format!("{} (alert {} at {}{name})", failed.peer, failed.alert.unwrap_or("-"), failed.at),
        );
    }
    let listed: Vec<String> = newest.values().take(SHOWN).cloned().collect();
    (!listed.is_empty()).then(|| NotReady {
        what: format!("TLS: {} addresses refuse our certificate", newest.len()),
        why: format!(
            "is the chain complete, the name right, the CA known to these phones, the clock right? {}",
            listed.join("; ")
        ),
    })
}

impl Readiness for LinksReadiness {
    fn periodic(&self) -> Vec<PeriodicStatus> {
        self.tasks.periodic()
    }

    fn remarks(&self) -> Vec<NotReady> {
        let findings = self.folders.findings();
        let what = "vendor folders: the last good state serves on";
        let folders = findings.iter().map(|finding| NotReady { what: what.to_owned(), why: finding.to_string() });
        let moves = self.instances.iter().filter_map(|instance| {
            let why = moving(&self.store, &read(&self.store, instance), instance.id).message()?;
            Some(NotReady { what: format!("{}: phones are being moved to a new URL", instance.label()), why })
        });
        let lack = self.shares.lack(self.store.phones().len());
        let descriptors = lack
            .map(|lack| NotReady { what: "file descriptors".to_owned(), why: format!("{}: {CURE}", lack.message()) });
        let now = self.clock.now();
        let proxies = self.instances.iter().flat_map(|instance| {
            let label = instance.label();
            let found = self.unlisted_proxies.of(instance.id, now).into_iter();
            found.map(move |one| NotReady { what: format!("{label}: proxy {}", one.peer), why: one.message() })
        });
        let certificates = self.certificates.iter().flat_map(|certificates| certificates.remarks(now));
        let certificates = certificates.map(|why| NotReady { what: "TLS certificate".to_owned(), why });
        let recovery = self.store.recovery().map(|recovery| recovery.sentence());
        let recovery = recovery.map(|why| NotReady { what: "database: its files were lost".to_owned(), why });
        folders
            .chain(moves)
            .chain(refusals(&self.failures))
            .chain(descriptors)
            .chain(proxies)
            .chain(certificates)
            .chain(recovery)
            .collect()
    }

    fn missing(&self) -> Vec<NotReady> {
        let mut missing = Vec::new();
        if let Some(why) = self.store.restoration().and_then(|restoration| restoration.passive_sentence()) {
            // No other check matters, because a passive gateway opens no connections.
            missing.push(NotReady { what: "passive".to_owned(), why });
            return missing;
        }
        if let Some(why) = self.store.condition().message() {
            missing.push(NotReady { what: "database".to_owned(), why });
        }
        let links = self.devices.states();
        for instance in self.instances.iter() {
            let label = instance.label();
            let mut say = |what: &str, why: &str| {
                missing.push(NotReady { what: format!("{label}: {what}"), why: why.to_owned() });
            };
            let sessions = self.sessions.of(instance.id);
            if sessions.is_empty() {
                say("PBX", "no PBX is connected: check the app object's URL, its password and the flag Websocket");
                continue;
            }
            if !sessions.iter().any(|session| session.grants(pbx_admin::API)) {
                say("PBX flags", "no connected app object has the flag Admin");
            }
            if !sessions.iter().any(|session| session.grants(services::API)) {
                say("Devices", "no connected app object has the flag Services");
            } else if self.sessions.services(instance.id, services::DEVICES_API).is_empty() {
                say("Devices", "the PBX announces no Devices service: tick the Devices API in the Apps tab");
            } else {
                for ((_, url), state) in links.iter().filter(|((of, _), _)| *of == instance.id) {
                    if state.up.is_none() {
                        let why = state.error.clone().unwrap_or_else(|| "connecting".to_owned());
                        missing.push(NotReady { what: format!("{label}: Devices at {url}"), why });
                    }
                }
            }
        }
        missing
    }
}
