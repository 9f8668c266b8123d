//! Notices for all administrators: unavailable services and since when, missing flags, and expiring certificates.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

use gangway_wire::appws::{pbx_admin, services};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    Inner, ScanningSource, ServiceDependencies, device_row::time, settings_check::SettingsCheck, settings_remarks,
    types,
};
use crate::{
    base::i18n::Message,
    catalog::Vendor,
    net::{descriptors::DescriptorShortage, unlisted_proxy::UnlistedProxy},
    pbx::app_objects::{ADMIN_APP, PROVIDER_PREFIX},
    phone::{
        facet::{RedirectState, Wanted},
        instance::InstanceId,
        public_url::Scheme,
    },
    service::rejected_logins::RejectedLogin,
    settings::Layers,
    store::Health,
};

/// Minimum interval between two updates of the notices, regardless of the number of pages.
const FRESH: SignedDuration = SignedDuration::from_secs(1);
/// Minimum interval between two reads of the certificates.
const CERTIFICATES: SignedDuration = SignedDuration::from_mins(1);
/// A certificate that expires within this time is reported.
const EXPIRES: SignedDuration = SignedDuration::from_hours(49 * 24);
/// Maximum number of scanning sources listed individually.
const SCANNING: usize = 5;
/// Within this time it is reported as an error.
const EXPIRES_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The start of each problem as observed by this process, and a cache of recent results.
pub struct AbsenceTracker(Mutex<NoticeState>);

struct NoticeState {
    started: Timestamp,
    since: HashMap<(InstanceId, String), Timestamp>,
    notices: HashMap<InstanceId, (Timestamp, Vec<types::Notice>)>,
    certificates: Option<(Timestamp, Vec<Notice>)>,
}

/// One notice.
#[derive(Debug, Clone)]
struct Notice {
    key: &'static str,
    severity: &'static str,
    since: Option<Timestamp>,
    text: Message,
}

impl From<Notice> for types::Notice {
    fn from(notice: Notice) -> Self {
        Self {
            key: notice.key.to_owned(),
            severity: notice.severity.to_owned(),
            since: notice.since.map(Into::into),
            text: (&notice.text).into(),
        }
    }
}

impl AbsenceTracker {
    /// Creates an empty tracker.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        let state = NoticeState { started: now, since: HashMap::new(), notices: HashMap::new(), certificates: None };
        Self(Mutex::new(state))
    }

    fn lock(&self) -> MutexGuard<'_, NoticeState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the notices of an instance.
#[must_use]
pub fn notices(inner: &Inner, instance: InstanceId) -> Vec<types::Notice> {
    let deps = &inner.deps;
    let now = deps.clock.now();
    let mut state = inner.absences.lock();
    if let Some((at, known)) = state.notices.get(&instance)
        && now.duration_since(*at) < FRESH
    {
        return known.clone();
    }
    let mut all = Vec::new();
    if let Some(restoration) = deps.store.restoration().filter(|restoration| restoration.taken_over.is_none()) {
        let text = Message::new("notice.passive").with("made", time(restoration.made));
        all.push(Notice { key: "passive", severity: "error", since: Some(restoration.at), text });
    }
    database(deps, &mut all);
    connection_notices(deps, instance, &mut all);
    all.extend(rejected_logins(&deps.rejected_logins.of(instance, now)));
    redirects(inner, instance, &mut all);
    urls_and_schemes(deps, instance, &mut all);
    of_settings(deps, instance, &mut all);
    all.extend(scanning(&(deps.scanning)(instance)));
    all.extend((deps.unlisted_proxies)(instance).iter().map(forwarder));
    sip_trust(inner, instance, &mut all);
    if let Some(lack) = deps.shares.lack(deps.store.phones().len()) {
        all.push(descriptors(lack));
    }
    let stale = |(at, _): &(Timestamp, Vec<Notice>)| now.duration_since(*at) >= CERTIFICATES;
    if state.certificates.as_ref().is_none_or(stale) {
        let read = deps.certificates.iter().filter_map(|file| certificate(file, now)).collect();
        state.certificates = Some((now, read));
    }
    all.extend(state.certificates.iter().flat_map(|(_, notices)| notices.clone()));
    stamp(&mut state, instance, &mut all, now);
    let notices: Vec<types::Notice> = all.into_iter().map(Into::into).collect();
    state.notices.insert(instance, (now, notices.clone()));
    notices
}

/// Sets the start of each problem, and forgets those that are over.
fn stamp(state: &mut NoticeState, instance: InstanceId, all: &mut [Notice], now: Timestamp) {
    let mut present = Vec::new();
    for notice in all.iter_mut().filter(|notice| notice.key.ends_with("-away") || notice.key == "missing-grant") {
        let name = format!(
            "{} {}",
            notice.key,
            ["url", "vendor", "object", "flag"]
                .map(|name| { notice.text.param(name).and_then(Value::as_str).unwrap_or_default().to_owned() })
                .join(" ")
        );
        let key = (instance, name);
        // A problem found by the first check may have existed since the start.
        let first = if state.notices.contains_key(&instance) { now } else { state.started };
        let since = *state.since.entry(key.clone()).or_insert(first);
        notice.since = Some(since);
        present.push(key);
    }
    state.since.retain(|key, _| key.0 != instance || present.contains(key));
}

fn notice(key: &'static str, severity: &'static str, text: Message) -> Notice {
    Notice { key, severity, since: None, text }
}

/// Current problems of the database, and those repaired since the start.
fn database(deps: &ServiceDependencies, all: &mut Vec<Notice>) {
    let condition = deps.store.condition();
    match &condition {
        Health::Healthy => {}
        Health::Lost { copy: Some(copy), .. } => {
            let text = Message::new("notice.database-lost").with("copy", copy.display().to_string());
            all.push(notice("database", "error", text));
        }
        other => {
            let text = Message::new("notice.database").with("reason", other.message().unwrap_or_default());
            all.push(notice("database", "error", text));
        }
    }
    if let Some(recovery) = deps.store.recovery() {
        let key = if recovery.is_from_memory { "notice.database-remembered" } else { "notice.database-mended" };
        let text = Message::new(key)
            .with("copy", recovery.copy.display().to_string())
            .with("aside", recovery.aside.display().to_string());
        all.push(Notice { since: Some(recovery.at), ..notice("database-mended", "warning", text) });
    }
}

/// PBXs, Devices, and flags of app objects.
fn connection_notices(deps: &ServiceDependencies, instance: InstanceId, all: &mut Vec<Notice>) {
    let sessions = deps.sessions.of(instance);
    if sessions.is_empty() {
        all.push(notice("pbx-away", "error", Message::new("notice.pbx-away")));
    }
    for session in sessions.iter().filter(|session| session.identity.app != ADMIN_APP) {
        for (api, flag) in [(pbx_admin::API, "Admin"), (services::API, "Services")] {
            // Objects are edited over any session of the PBX, so one app object with Admin is enough.
            let is_admin_elsewhere = flag == "Admin"
                && sessions.iter().any(|one| one.identity.pbx == session.identity.pbx && one.grants(api));
            if !session.grants(api) && !is_admin_elsewhere {
                let text = Message::new("notice.missing-grant")
                    .with("object", session.identity.appobj.clone())
                    .with("pbx", session.identity.pbx.clone())
                    .with("flag", flag);
                all.push(notice("missing-grant", "error", text));
            }
        }
    }
    let granted = sessions.iter().any(|session| session.grants(services::API));
    if granted && deps.sessions.services(instance, services::DEVICES_API).is_empty() {
        all.push(notice("devices-not-announced", "error", Message::new("notice.devices-not-announced")));
    }
    for devices in deps.devices.status(instance).into_iter().filter(|devices| devices.up.is_none()) {
        let text = Message::new("notice.devices-away")
            .with("url", devices.url)
            .with("error", devices.error.unwrap_or_default());
        all.push(notice("devices-away", "error", text));
    }
}

/// Rejected logins with a right password, each with the solution.
fn rejected_logins(logins: &[RejectedLogin]) -> Vec<Notice> {
    let one = |login: &RejectedLogin| {
        let text = Message::new("notice.login-refused")
            .with("app", login.app.clone())
            .with("sip", login.sip.clone())
            .with("domain", login.domain.clone())
            .with("kind", Message::new(format!("login.{}", login.kind.as_str())).nested())
            .with("address", login.source.to_canonical().to_string())
            .with("last", time(login.last))
            .with("reason", Message::new(format!("refusal.{}", login.refusal.as_str())).nested());
        Notice { since: Some(login.since), ..notice("login-refused", "warning", text) }
    };
    logins.iter().map(one).collect()
}

/// Redirect accounts and services.
fn redirects(inner: &Inner, instance: InstanceId, all: &mut Vec<Notice>) {
    let deps = &inner.deps;
    let (mut away, mut relayed): (BTreeMap<String, (usize, String)>, usize) = (BTreeMap::new(), 0);
    let mut vendors: BTreeMap<String, usize> = BTreeMap::new();
    for row in inner.index.rows(instance) {
        let phone = &row.phone;
        if phone.wanted != Wanted::Active {
            continue;
        }
        *vendors.entry(phone.vendor.clone()).or_default() += 1;
        let relays =
            |account: &&crate::phone::record::Account| account.flags_written.is_some_and(|flags| flags.media_relay);
        relayed += phone.accounts.iter().filter(relays).count();
        if phone.redirect.state == RedirectState::Pending
            && let (Some(error), Some(_)) = (&phone.redirect.error, phone.redirect.next_attempt)
        {
            let entry = away.entry(phone.vendor.clone()).or_insert_with(|| (0, error.clone()));
            entry.0 += 1;
        }
    }
    for (vendor, (phones, error)) in away {
        let text =
            Message::new("notice.redirect-away").with("vendor", vendor).with("phones", phones).with("error", error);
        all.push(notice("redirect-away", "warning", text));
    }
    let connected = deps.sessions.of(instance);
    let registry = deps.registry.load();
    let layers = deps.store.settings().layers(instance);
    for vendor in registry.vendors() {
        let provides = |session: &std::sync::Arc<crate::pbx::sessions::PbxSession>| {
            let app = session.identity.app.strip_prefix(PROVIDER_PREFIX);
            vendor.providers.iter().any(|provider| app == Some(provider.name.as_str()))
        };
        let in_use = vendors.contains_key(&*vendor.name) || connected.iter().any(provides);
        let chosen = layers.get(&format!("redirect.{}.protocol", vendor.name)).unwrap_or_default();
        let wants_none = match chosen.expose() {
            "" => matches!(vendor.redirect.default.as_str(), "" | "none"),
            chosen => chosen == "none",
        };
        if in_use && !wants_none {
            all.extend(demo(vendor, &layers));
        }
        if in_use && !wants_none && !deps.provisioning.has_redirect_account(instance, &vendor.name) {
            let text = Message::new("notice.redirect-unconfigured").with("vendor", vendor.title.clone());
            all.push(notice("redirect-unconfigured", "warning", text));
        }
    }
    if relayed > 0 {
        all.push(notice("media-relay", "information", Message::new("notice.media-relay").with("phones", relayed)));
    }
}

/// A demo account, which is shared with other customers.
fn demo(vendor: &Vendor, layers: &Layers) -> Option<Notice> {
    let user = layers.get(&format!("redirect.{}.user", vendor.name))?;
    let text = Message::new("notice.redirect-demo").with("vendor", vendor.title.clone()).with("account", user.expose());
    vendor.redirect.is_demo(user.expose()).then(|| notice("redirect-demo", "warning", text))
}

fn urls_and_schemes(deps: &ServiceDependencies, instance: InstanceId, all: &mut Vec<Notice>) {
    let registry = deps.registry.load();
    let urls = (deps.urls)(instance);
    for provider in registry.vendors().flat_map(|vendor| &vendor.providers) {
        if let Some(named) = urls.conflict(&provider.name) {
            let text = Message::new("notice.url-conflict").with("provider", provider.name.clone()).with("urls", named);
            all.push(notice("url-conflict", "warning", text));
        }
    }
    for vendor in registry.vendors() {
        let lookup = crate::settings::Lookup { vendor: Some(&vendor.name), ..crate::settings::Lookup::instance() };
        if deps.store.settings().layers(instance).scheme(&lookup) == Scheme::Http {
            let text = Message::new("notice.clear-text").with("vendor", vendor.title.clone());
            all.push(notice("clear-text", "warning", text));
        }
    }
}

/// Contradictory settings, and URLs that phones cannot reach.
fn of_settings(deps: &ServiceDependencies, instance: InstanceId, all: &mut Vec<Notice>) {
    let registry = deps.registry.load();
    let judge = SettingsCheck { registry: &registry, reach: &deps.reach, store: &deps.store, instance };
    let bases = (deps.urls)(instance).bases();
    let of_urls = bases.iter().filter_map(|base| settings_remarks::of_url(base));
    let found = settings_remarks::remarks(&judge, &deps.store.settings().layers(instance)).into_iter().chain(of_urls);
    all.extend(found.map(|remark| notice(remark.key, "warning", remark.text)));
}

/// Scanning sources: the newest ones individually, the others as a number.
fn scanning(sources: &[ScanningSource]) -> Vec<Notice> {
    let one = |source: &ScanningSource| Notice {
        since: Some(source.since),
        ..notice(
            "scanning",
            "error",
            Message::new("notice.scanning")
                .with("address", source.address.to_string())
                .with("until", time(source.until)),
        )
    };
    let mut all: Vec<Notice> = sources.iter().take(SCANNING).map(one).collect();
    if let Some(more @ 1..) = sources.len().checked_sub(SCANNING) {
        all.push(notice("scanning", "error", Message::new("notice.scanning-more").with("sources", more)));
    }
    all
}

/// A proxy that the configuration does not take into account.
fn forwarder(found: &UnlistedProxy) -> Notice {
    let key = if found.is_listed { "notice.proxy-header" } else { "notice.unlisted-proxy" };
    let text = Message::new(key).with("address", found.peer.to_string()).with("header", found.header.clone());
    Notice { since: Some(found.since), ..notice("unlisted-proxy", "warning", text) }
}

/// SIP/TLS ports that reject phones.
fn sip_trust(inner: &Inner, instance: InstanceId, all: &mut Vec<Notice>) {
    for answer in inner.sip_trust.missing(instance) {
        for (vendor, issuers) in &answer.missing {
            let text = Message::new("notice.sip-trust")
                .with("address", answer.address.clone())
                .with("vendor", vendor.clone())
                .with("issuers", issuers.join(", "));
            all.push(notice("sip-trust", "error", text));
        }
    }
}

/// Phones wait for a connection to Devices, now or in the future.
fn descriptors(lack: DescriptorShortage) -> Notice {
    let waits = lack.phones > lack.sysclients;
    let text = Message::new("notice.descriptors")
        .with("limit", lack.limit)
        .with("need", lack.need)
        .with("phones", lack.phones)
        .with("sysclients", lack.sysclients);
    notice("descriptors", if waits { "error" } else { "warning" }, text)
}

/// Returns a message for the log if the certificate in a file expires within seven weeks or cannot be read.
#[must_use]
pub fn of_certificate(file: &Path, now: Timestamp) -> Option<String> {
    certificate(file, now).map(|notice| notice.text.english())
}

/// Returns the notice for one certificate, if any.
fn certificate(file: &Path, now: Timestamp) -> Option<Notice> {
    let unreadable = |error: String| {
        let text =
            Message::new("notice.certificate-unreadable").with("file", file.display().to_string()).with("error", error);
        Some(notice("certificate-unreadable", "error", text))
    };
    let der = match CertificateDer::from_pem_file(file) {
        Ok(der) => der,
        Err(error) => return unreadable(error.to_string()),
    };
    let certificate = match X509Certificate::from_der(&der) {
        Ok((_, certificate)) => certificate,
        Err(error) => return unreadable(error.to_string()),
    };
    let until = Timestamp::from_second(certificate.validity().not_after.timestamp()).unwrap_or(Timestamp::MAX);
    let left = until.duration_since(now);
    if left > EXPIRES {
        return None;
    }
    let text = Message::new("notice.certificate-expiry")
        .with("subject", certificate.subject().to_string())
        .with("until", time(until));
    Some(notice("certificate-expiry", if left <= EXPIRES_SOON { "error" } else { "warning" }, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Creates a certificate that expires `days` after `now`.
    fn ends_in(dir: &Path, now: Timestamp, days: i64) -> std::path::PathBuf {
        let mut params = rcgen::CertificateParams::new(vec!["gw.example.com".to_owned()]).unwrap();
        let end = now + SignedDuration::from_hours(24 * days);
        let date = end.to_zoned(jiff::tz::TimeZone::UTC).date();
        let part = |number: i8| u8::try_from(number).unwrap();
        params.not_after = rcgen::date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()));
        let key = rcgen::KeyPair::generate().unwrap();
        let file = dir.join(format!("{days}.pem"));
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        file
    }

    #[test]
    fn scanning_sources_are_named_and_many_are_counted() {
        let source = |host: u8| ScanningSource {
            address: [192, 0, 2, host].into(),
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::from_second(1800).unwrap(),
        };
        let texts = |count: u8| -> Vec<String> {
            scanning(&(1..=count).map(source).collect::<Vec<_>>()).iter().map(|one| one.text.english()).collect()
        };
        assert!(texts(0).is_empty());
        let one = texts(1);
        assert!(one[0].contains("192.0.2.1") && one[0].contains("1970-01-01T00:30:00Z"), "{one:?}");
        let many = texts(9);
        assert_eq!(many.len(), SCANNING + 1);
        assert!(many[SCANNING].contains('4'), "{many:?}");
    }

    #[test]
    fn a_certificate_is_mentioned_from_seven_weeks_before_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let severity_in = |days| certificate(&ends_in(dir.path(), now, days), now).map(|notice| notice.severity);
        assert_eq!(
            (severity_in(60), severity_in(45), severity_in(3), severity_in(-2)),
            (None, Some("warning"), Some("error"), Some("error"))
        );
        assert_eq!(certificate(&dir.path().join("missing.pem"), now).unwrap().key, "certificate-unreadable");
    }
}
