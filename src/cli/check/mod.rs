//! `gangway check`: reports everything that would keep phones from working, one line per finding with its remedy. The
//! exit code is 1 if there is an error.

mod certificates;
mod certificates_and_clock;
mod connectivity;
mod permissions;
mod urls;

use std::{collections::BTreeMap, fmt, process::ExitCode, sync::Arc};

use gangway_base::{
    clock::{Clock, SharedClock, SystemClock},
    tasks::Tasks,
};
use serde_json::json;
use url::Url;

use self::connectivity::Offered;
use super::{Global, context::block_on, output};
use crate::{
    base::{
        config::{Config, InstanceConfig},
        telemetry,
    },
    catalog::{Registry, SharedRegistry},
    net::{
        descriptors::{CURE, DescriptorShares, Limit, Machine},
        egress_policy::EgressPolicy,
        http::Proxy,
    },
    provision::public_url,
    service::{settings_check::SettingsCheck, settings_remarks},
    store::Store,
};

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// No problem.
    Fine,
    /// Works, but not for all phones or not for long.
    Warning,
    /// Keeps phones from working.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckFinding {
    /// Severity.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// How to fix it.
    pub cure: String,
}

impl CheckFinding {
    fn fine(what: impl Into<String>) -> Self {
        Self { level: Level::Fine, what: what.into(), cure: String::new() }
    }

    fn warning(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Warning, what: what.into(), cure: cure.into() }
    }

    fn error(what: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { level: Level::Error, what: what.into(), cure: cure.into() }
    }
}

impl fmt::Display for CheckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.level {
            Level::Fine => "ok     ",
            Level::Warning => "warning",
            Level::Error => "error  ",
        };
        write!(f, "{word}  {}", self.what)?;
        if self.cure.is_empty() { Ok(()) } else { write!(f, " -> {}", self.cure) }
    }
}

/// Runs all checks and prints the findings.
pub fn run(global: &Global) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    match Config::load(Some(&global.config)) {
        Ok(config) => {
            findings.push(CheckFinding::fine(format!("configuration {}", global.config.display())));
            findings.extend(remarks(&config));
            let (offered, registry) = configuration(&config, &global.config, &mut findings);
            block_on(async |tasks| {
                running(&config, &tasks, &offered, registry.as_ref(), &mut findings).await;
                Ok(())
            })?;
        }
        Err(errors) => {
            findings.extend(errors.0.iter().map(|error| {
                CheckFinding::error(error.to_string(), "correct it; everything else is checked after that")
            }));
        }
    }
    print(&findings, global.json);
    let bad = findings.iter().any(|finding| finding.level == Level::Error);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The findings that need neither the store nor the network.
#[must_use]
pub fn offline(config: &Config, file: &std::path::Path) -> Vec<CheckFinding> {
    let mut findings = vec![CheckFinding::fine(format!("configuration {}", file.display()))];
    findings.extend(remarks(config));
    configuration(config, file, &mut findings);
    findings
}

fn remarks(config: &Config) -> impl Iterator<Item = CheckFinding> {
    config.remarks().into_iter().map(|(remark, cure)| CheckFinding::warning(remark, cure))
}

fn print(findings: &[CheckFinding], as_json: bool) {
    if as_json {
        let rows = findings.iter().map(|finding| {
            let level = match finding.level {
                Level::Fine => "ok",
                Level::Warning => "warning",
                Level::Error => "error",
            };
            json!({"level": level, "what": finding.what, "cure": finding.cure})
        });
        output::json(&rows.collect());
        return;
    }
    for finding in findings {
        output::line(&finding.to_string());
    }
}

/// Checks that need only files.
fn configuration(
    config: &Config,
    file: &std::path::Path,
    findings: &mut Vec<CheckFinding>,
) -> (Vec<Offered>, Option<SharedRegistry>) {
    let (mut offered, mut loaded) = (Vec::new(), None);
    if let Err(error) = telemetry::log::check_level(&config.log.level) {
        findings.push(CheckFinding::error(error.to_string(), "correct log.level"));
    }
    if !config.net.proxy.is_empty()
        && let Err(error) = Proxy::parse(config.net.proxy.expose())
    {
        findings.push(CheckFinding::error(format!("net.proxy: {error}"), "write http://[user:password@]host[:port]"));
    }
    match Registry::load_shared(config.vendors.overrides()) {
        Ok(shared) => {
            let registry = shared.load_full();
            loaded = Some(shared);
            let names: Vec<&str> = registry.vendors().map(|vendor| vendor.name.as_ref()).collect();
            findings.push(CheckFinding::fine(format!("vendors and templates: {}", names.join(", "))));
            offered.extend(registry.vendors().map(|vendor| Offered {
                vendor: vendor.name.to_string(),
                title: vendor.title.clone(),
                protocol: vendor.redirect.default.clone(),
                apps: vendor.providers.iter().map(|provider| format!("gangway-{}", provider.name)).collect(),
            }));
        }
        Err(wrong) => findings.extend(wrong.into_iter().map(|finding| {
            let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
            CheckFinding::error(format!("{}{line}: {}", finding.file, finding.reason), finding.cure)
        })),
    }
    if !config.https.listen.is_empty() {
        let (hosts, roots) = (hosts(config), certificates::Roots::of_system());
        for certificate in &config.https.certificate {
            certificates::chain(certificate, &hosts, &roots, SystemClock.now(), findings);
        }
        if let Err(error) = crate::http::server::certificates::Certificates::load(config.https.pairs()) {
            findings.push(CheckFinding::error(error.to_string(), "correct [https] certificate and key"));
        }
    }
    for instance in &config.instances {
        let (ca, pin) = (&instance.devices_ca, &instance.devices_pin);
        let ca = (!ca.is_empty()).then(|| std::path::Path::new(ca.as_str()));
        if let Err(error) = crate::net::tls::client_config(ca, (!pin.is_empty()).then_some(pin.as_str())) {
            findings.push(CheckFinding::error(
                format!("{}: {error}", instance.label()),
                "correct devices_ca / devices_pin",
            ));
        }
    }
    if let Err(error) = crate::net::tls::client_config_for(&config.net.trust) {
        findings.push(CheckFinding::error(error.to_string(), "correct [[net.trust]]"));
    }
    permissions::modes(file, config, findings);
    (offered, loaded)
}

/// The host names configured for phones and PBXs.
fn hosts(config: &Config) -> Vec<String> {
    let urls = config.instances.iter().flat_map(|instance| [&instance.public_url, &instance.phone_url]);
    let mut hosts: Vec<String> = urls
        .filter_map(|url| Url::parse(url).ok()?.host_str().map(|host| host.trim_matches(['[', ']']).to_owned()))
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Checks that need the store and the network.
async fn running(
    config: &Config,
    tasks: &Tasks,
    offered: &[Offered],
    registry: Option<&SharedRegistry>,
    findings: &mut Vec<CheckFinding>,
) {
    if !config.data.dir.exists() {
        certificates::keys(&config.https.certificate, &BTreeMap::new(), findings);
        findings.push(CheckFinding::warning(
            format!("the data directory {} does not exist yet", config.data.dir.display()),
            "`gangway serve` makes it at its first start",
        ));
        return;
    }
    let clock: SharedClock = Arc::new(SystemClock);
    let store = match Store::open(&config.data.dir, clock, tasks).await {
        Ok(store) => store,
        Err(error) => {
            findings.push(CheckFinding::error(error.to_string(), "see above"));
            return;
        }
    };
    findings.push(CheckFinding::fine(format!(
        "data directory {}: {} phones",
        config.data.dir.display(),
        store.phones().len()
    )));
    findings.push(descriptors(config.instances.len(), store.phones().len()));
    if store.restoration().is_some_and(|restoration| restoration.taken_over.is_none()) {
        findings.push(CheckFinding::warning(
            "this gateway is passive since it was restored from a backup: it answers no phone",
            "stop the gateway it came from for good, then `gangway serve --take-over`, once",
        ));
    }
    if store.rotation_is_unfinished() {
        findings.push(CheckFinding::warning(
            "the key file lists more than one key: a rotation was interrupted",
            "`gangway keys rotate` ends it",
        ));
    }
    if let Some(registry) = registry {
        certificates_and_clock::keys(config, &store, &registry.load(), findings);
    }
    let proxies = crate::http::client_address::Proxies::configured(&config.net);
    for (_, found) in crate::http::unlisted_proxies::recorded(&store, &proxies, SystemClock.now()) {
        let what = format!("proxy {}: {}", found.peer, found.message());
        findings.push(CheckFinding::warning(what, "then restart the gateway"));
    }
    connectivity::gateway(config, findings).await;
    for configured in &config.instances {
        match store.instance(&configured.domain, &configured.name).await {
            Ok(id) => {
                instance(configured, id, offered, &store, findings).await;
                if let Some(registry) = registry {
                    of_settings(config, configured, id, &registry.load(), &store, findings);
                    let used: Vec<&Offered> = offered.iter().filter(|vendor| vendor.is_used(id, &store)).collect();
                    certificates_and_clock::all(config, (configured, id), &store, registry, &used, findings).await;
                }
            }
            Err(error) => findings.push(CheckFinding::error(format!("{}: {error}", configured.label()), "see above")),
        }
    }
}

/// Whether a gateway started from here could open as many files as it needs.
fn descriptors(instances: usize, phones: usize) -> CheckFinding {
    let machine = Machine::here(instances);
    match DescriptorShares::of(Limit::of_process().hard, machine).lack(phones) {
        None => {
            CheckFinding::fine(format!("file descriptors: {} are needed for {phones} phones", machine.need(phones)))
        }
        Some(lack) => CheckFinding::warning(format!("where this command runs {}", lack.message()), CURE),
    }
}

/// Reports contradictory settings, and a URL that phones cannot reach.
fn of_settings(
    config: &Config,
    configured: &InstanceConfig,
    id: crate::phone::instance::InstanceId,
    registry: &Registry,
    store: &Store,
    findings: &mut Vec<CheckFinding>,
) {
    let reach = EgressPolicy::public_and(config.net.allow.clone());
    let judge = SettingsCheck { registry, reach: &reach, store, instance: id };
    let bases = public_url::read(store, &crate::app::instance(id, configured)).bases();
    let found = settings_remarks::remarks(&judge, &store.settings().layers(id)).into_iter();
    let found = found.chain(bases.iter().filter_map(|base| settings_remarks::of_url(base)));
    findings.extend(found.map(|remark| {
        CheckFinding::warning(format!("{}: {}", configured.label(), remark.text.english()), "correct it as it says")
    }));
}

async fn instance(
    configured: &InstanceConfig,
    id: crate::phone::instance::InstanceId,
    offered: &[Offered],
    store: &Store,
    findings: &mut Vec<CheckFinding>,
) {
    let label = configured.label();
    findings.extend(urls::all(configured, id, offered, store));
    connectivity::grants(&label, id, offered, store, findings);
    for vendor in offered.iter().filter(|vendor| vendor.is_used(id, store)) {
        connectivity::redirect(&label, id, vendor, store, findings).await;
    }
}
