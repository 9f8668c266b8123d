//! Checks whether the PBX will accept the phones' TLS connections. Its SIP/TLS port, or that of a reverse proxy in
//! front of it, may request a client certificate. If the vendor's CA is missing there, every phone of the vendor fails
//! after it has its file. The probe detects this in advance.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gangway_base::periodic::{PeriodicTask, RunResult};
use jiff::{SignedDuration, Timestamp};

use super::ServiceDependencies;
use crate::{
    catalog::Registry,
    net::{
        egress_policy::EgressPolicy,
        tls::server_probe::{self, CertificateRequest, ProbeError},
    },
    phone::{facet::Wanted as Wish, instance::InstanceId},
    phone_config::sip_server,
    settings::{Defaults, Lookup},
    store::Store,
};

/// Time limit for one port.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of ports per instance: one for a PBX, a few with slaves.
const MOST: usize = 16;
/// Interval between two rounds in the running gateway, and delay before the first.
const ROUND: Duration = Duration::from_secs(15 * 60);
const FIRST: Duration = Duration::from_secs(2 * 60);
/// Interval between two probes of a port.
const AGAIN: SignedDuration = SignedDuration::from_hours(6);

/// Ports at which phones register, with the vendors of these phones.
pub type Ports = BTreeMap<(String, u16), BTreeSet<String>>;

/// Returns the SIP/TLS ports at which the phones of an instance register: the addresses the PBX gave for their accounts
/// and, if `configured` is set, those in the settings `registrar` and `outbound_proxy`.
#[must_use]
pub fn ports(registry: &Registry, store: &Store, instance: InstanceId, configured: bool) -> Ports {
    let layers = store.settings().layers(instance);
    let mut found = Ports::new();
    for phone in store.phones().in_instance(instance) {
        if phone.wanted != Wish::Active || phone.removed_at.is_some() {
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

/// The result for one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeResult {
    /// `host:port`.
    pub address: String,
    /// What the server requests.
    pub wants: CertificateRequest,
    /// The vendors whose phones will be rejected, with their CAs, at least one of which must be added there.
    pub missing: Vec<(String, Vec<String>)>,
}

/// Probes one port, if `reach` allows it.
///
/// # Errors
/// If the server does not answer.
pub async fn ask(
    registry: &Registry,
    (host, port): (&str, u16),
    vendors: &BTreeSet<String>,
    reach: &EgressPolicy,
) -> Result<ProbeResult, ProbeError> {
    let wants = server_probe::ask(host, port, reach, TIMEOUT).await?;
    let missing = vendors
        .iter()
        .filter_map(|name| registry.vendor(name))
        .filter(|vendor| !wants.accepts(&vendor.manifest.tls.issuers))
        .map(|vendor| (vendor.title.clone(), vendor.manifest.tls.issuers.clone()))
        .collect();
    Ok(ProbeResult { address: format!("{host}:{port}"), wants, missing })
}

/// A port of an instance: host, port.
type Port = (InstanceId, String, u16);

/// The results of the running gateway's rounds, with the time. `None` if the server did not answer.
#[derive(Debug, Default)]
pub struct ProbeResults(Mutex<HashMap<Port, (Timestamp, Option<ProbeResult>)>>);

impl ProbeResults {
    /// Returns the results for an instance's ports that reject phones.
    #[must_use]
    pub fn missing(&self, instance: InstanceId) -> Vec<ProbeResult> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_it = known.iter().filter(|((of, ..), _)| *of == instance);
        let mut found: Vec<ProbeResult> =
            of_it.filter_map(|(_, (_, answer))| answer.clone()).filter(|answer| !answer.missing.is_empty()).collect();
        found.sort_by(|a, b| a.address.cmp(&b.address));
        found
    }

    /// Probes ports that were not probed recently, and removes ports that are no longer used.
    async fn round(
        &self,
        registry: &Registry,
        store: &Store,
        instances: &[InstanceId],
        reach: &EgressPolicy,
        now: Timestamp,
    ) {
        let mut present = BTreeSet::new();
        for instance in instances.iter().copied() {
            for ((host, port), vendors) in ports(registry, store, instance, false) {
                let key = (instance, host.clone(), port);
                let lately = {
                    let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    known.get(&key).is_some_and(|(at, _)| now.duration_since(*at) < AGAIN)
                };
                present.insert((instance.0, host.clone(), port));
                if lately {
                    continue;
                }
                let answer = ask(registry, (&host, port), &vendors, reach).await;
                if let Err(error) = &answer {
                    tracing::debug!(%error, "the SIP/TLS port could not be asked what it wants of phones");
                }
                self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, (now, answer.ok()));
            }
        }
        let is_present = |key: &Port| present.contains(&(key.0.0, key.1.clone(), key.2));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| is_present(key));
    }
}

/// Probes the SIP/TLS ports of the PBXs periodically.
pub struct ProbeSipTls {
    known: Arc<ProbeResults>,
    deps: Arc<ServiceDependencies>,
    is_first: bool,
}

impl ProbeSipTls {
    /// Stores the results in `known`.
    #[must_use]
    pub fn new(known: Arc<ProbeResults>, deps: Arc<ServiceDependencies>) -> Self {
        Self { known, deps, is_first: true }
    }
}

impl PeriodicTask for ProbeSipTls {
    const NAME: &'static str = "probe SIP/TLS ports";

    fn period(&self) -> Duration {
        if self.is_first { FIRST } else { ROUND }
    }

    async fn run(&mut self) -> RunResult {
        self.is_first = false;
        let deps = &self.deps;
        // An import may contain any address as a PBX.
        let reach = deps.reach.and_private();
        let (registry, now) = (deps.registry.load_full(), deps.clock.now());
        let instances: Vec<InstanceId> = deps.instances.iter().map(|instance| instance.id).collect();
        tokio::select! {
            () = self.known.round(&registry, &deps.store, &instances, &reach, now) => {}
            () = deps.tasks.stopping() => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use gangway_base::{clock::ManualClock, tasks::Tasks};
    use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer, server::WebPkiClientVerifier};
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::{net::tls::provider, phone::record::Phone};

    /// A SIP/TLS port that requests a certificate from this CA. Counts the probes.
    async fn sip_port(issuer: &str, tasks: &Tasks) -> (u16, Arc<AtomicU32>) {
        let mut ca = rcgen::CertificateParams::default();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name = rcgen::DistinguishedName::new();
        ca.distinguished_name.push(rcgen::DnType::CommonName, issuer);
        let ca = ca.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (probe_count, acceptor) = (Arc::<AtomicU32>::default(), TlsAcceptor::from(Arc::new(config)));
        let count = Arc::clone(&probe_count);
        tasks.spawn("sip port", async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = acceptor.accept(stream).await;
            }
        });
        (port, probe_count)
    }

    #[tokio::test]
    async fn a_port_without_the_vendors_ca_is_reported_before_any_phone_fails() {
        let (dir, tasks, registry) = (tempfile::tempdir().unwrap(), Tasks::new(), Registry::load(None).unwrap());
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let store = Store::open(dir.path(), Arc::new(ManualClock::new(now)), &tasks).await.unwrap();
        let instance = store.instance("example.com", "gangway").await.unwrap();
        let (bad, probe_count) = sip_port("innovaphone Device Certification Authority", &tasks).await;
        let (good, _) = sip_port("Yealink Root CA", &tasks).await;
        let phone = |number: u8, port: u16| {
            let mut phone = Phone::sample();
            phone.instance = instance;
            phone.mac = gangway_base::mac::Mac::new([0x80, 0x5e, 0xc0, 0, 0, number]).unwrap();
            phone.token = format!("token{number}").as_str().into();
            phone.accounts[0].hwid = phone.mac.to_string();
            phone.accounts[0].dns = format!("127.0.0.1:{port}");
            phone
        };
        let id = store.phones().create(phone(1, bad), Vec::new()).await.unwrap().id;
        store.phones().create(phone(2, good), Vec::new()).await.unwrap();
        let known = ProbeResults::default();

        let near = EgressPolicy::public_and(Vec::new()).and_private();
        known.round(&registry, &store, &[instance], &near, now).await;
        assert_eq!(
            (known.missing(instance), probe_count.load(Ordering::Relaxed)),
            (Vec::new(), 0),
            "no port of this machine"
        );
        let known = ProbeResults::default();
        let reach = EgressPolicy::public_and(vec!["127.0.0.1".parse().unwrap()]).and_private();
        known.round(&registry, &store, &[instance], &reach, now).await;

        let missing = known.missing(instance);
        assert_eq!(missing.len(), 1, "{missing:?}");
        assert_eq!(missing[0].address, format!("127.0.0.1:{bad}"));
        assert_eq!(missing[0].missing[0].0, "Yealink");
        assert!(missing[0].missing[0].1.contains(&"Yealink Root CA".to_owned()), "{missing:?}");
        // The port is probed again only after some hours, and removed with its last phone.
        known.round(&registry, &store, &[instance], &reach, now + Duration::from_secs(3600)).await;
        assert_eq!(probe_count.load(Ordering::Relaxed), 1);
        known.round(&registry, &store, &[instance], &reach, now + Duration::from_secs(7 * 3600)).await;
        assert_eq!(probe_count.load(Ordering::Relaxed), 2);
        store.phones().change(id, |phone, _| phone.wanted = Wish::Removed).await.unwrap();
        known.round(&registry, &store, &[instance], &reach, now + Duration::from_secs(7 * 3600)).await;
        assert_eq!(known.missing(instance), Vec::new());
    }
}
