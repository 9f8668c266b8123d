//! Collects and redacts the contents of a bundle.

mod host;
mod phones;

use gangway_base::mac::Mac;
use serde_json::{Value, json};

use self::phones::OfPhone;
use super::{
    BundleOptions, DiagnosticsError, Sources, Tenant, identifiers, logs,
    pseudonyms::{KnownOriginals, Pseudonyms},
    redaction::Redaction,
    secrets,
    sections::{Body, BundleFile, Group},
};
use crate::{
    phone::instance::InstanceId,
    settings::{Lookup, Scope, setting},
    store::{AUDIT_KEPT, AuditRow, HistoryFilter, HistoryRow, NamedUrls, Store, StoreError},
};

/// Text compresses to about a twelfth. This is the maximum amount read from logs and single phones, in bytes per byte
/// of the bundle.
const UNPACKED: u64 = 12;
/// Maximum number of calls to redirect services to read, newest first.
const CALLS: u32 = 20_000;
/// The collected parts, before they are cut to size.
pub(super) struct Collected {
    /// All parts.
    pub parts: Vec<BundleFile>,
    /// The redaction that was applied to them.
    pub redaction: Redaction,
    /// Number of phones whose timelines and files were not read.
    pub phones_left_out: usize,
    /// What could not be read, one sentence each.
    pub unread: Vec<String>,
}

/// Records what could not be read. A damaged database must not prevent a bundle.
#[derive(Default)]
struct Unread(Vec<String>);

impl Unread {
    fn taken<T>(&mut self, what: &str, read: Result<Vec<T>, StoreError>) -> Vec<T> {
        read.unwrap_or_else(|error| {
            let sentence = format!("{what} could not be read: {error}");
            if !self.0.contains(&sentence) {
                self.0.push(sentence);
            }
            Vec::new()
        })
    }
}

/// The data of one instance, not yet redacted.
struct OfInstance<'a> {
    tenant: &'a Tenant,
    history: Vec<HistoryRow>,
    audit: Vec<AuditRow>,
}

/// Reads and redacts everything.
pub(super) async fn everything(sources: &Sources<'_>, options: &BundleOptions) -> Result<Collected, DiagnosticsError> {
    let Sources { config, store, .. } = *sources;
    let most = usize::try_from(options.limit.saturating_mul(UNPACKED)).unwrap_or(usize::MAX);
    let mut tails = Vec::new();
    for path in &options.logs {
        let tail = logs::tail(path, most);
        tails.push(tail.map_err(|source| DiagnosticsError::Log { path: path.clone(), source })?);
    }
    let (mut instances, mut unread) = (Vec::new(), Unread::default());
    for tenant in &sources.tenants {
        let instance = tenant.id;
        let filter = HistoryFilter { instance, mac: options.phone, before: None, limit: CALLS };
        let history = unread.taken("the redirect history", store.redirect_history().entries(filter).await);
        let mut audit = unread.taken("the audit", store.audit_log().entries(instance, None, AUDIT_KEPT).await);
        let of_others = |row: &AuditRow| row.target.parse::<Mac>().is_ok_and(|mac| options.phone != Some(mac));
        audit.retain(|row| options.phone.is_none() || !of_others(row));
        instances.push(OfInstance { tenant, history, audit });
    }
    let (of_phones, phones_left_out) = phones::read(sources, options, most, &mut unread).await;

    let ids: Vec<_> = sources.tenants.iter().map(|tenant| tenant.id).collect();
    let known = secrets::known(config, &ids, store, &sources.registry.load());
    let aliases = match options.names {
        true => None,
        false => {
            Some(Pseudonyms::new(store.derive_key("diagnostics aliases"), &all_names(sources, &instances, &of_phones))?)
        }
    };
    let redaction = Redaction::new(&known, aliases)?;

    let basic =
        |name: &str, text: String| BundleFile { name: name.to_owned(), group: Group::Basics, body: Body::Whole(text) };
    let mut parts = vec![
        basic("questions.txt", include_str!("questions.txt").to_owned()),
        basic("version.json", pretty(&redaction, host::host(sources))),
        basic("process.json", pretty(&redaction, serde_json::to_value(config).unwrap_or_default())),
        basic("offline-check.txt", findings(sources, &redaction)),
    ];
    for (place, of) in instances.iter().enumerate() {
        parts.extend(of_instance(sources, options, &redaction, &format!("instance-{}", place + 1), of));
    }
    for (place, tail) in tails.into_iter().enumerate() {
        let mut lines: Vec<String> = tail.lines.iter().map(|line| redaction.text(line)).collect();
        if tail.is_cut {
            lines.insert(0, "... older lines were not read".to_owned());
        }
        parts.push(BundleFile { name: format!("log-{}.txt", place + 1), group: Group::Logs, body: Body::Lines(lines) });
    }
    for of in of_phones {
        let place = sources.tenants.iter().position(|tenant| tenant.id == of.phone.instance).unwrap_or_default();
        parts.extend(of.parts(&format!("instance-{}", place + 1), &redaction));
    }
    Ok(Collected { parts, redaction, phones_left_out, unread: unread.0 })
}

/// Collects all names for which there are aliases.
fn all_names(sources: &Sources<'_>, instances: &[OfInstance<'_>], of_phones: &[OfPhone]) -> KnownOriginals {
    let Sources { config, store, .. } = *sources;
    let mut known = KnownOriginals::default();
    for phone in store.phones().all() {
        identifiers::of_phone(&phone, &mut known);
    }
    identifiers::of_config(config, &mut known);
    for of in instances {
        identifiers::of_settings(&store.settings().layers(of.tenant.id), &mut known);
        for row in &of.audit {
            identifiers::of_audit(row, &mut known);
        }
    }
    for of in instances {
        for (_, value) in learned(store, of.tenant.id).iter().filter(|(name, _)| !name.starts_with("grants.")) {
            value.split_whitespace().for_each(|url| known.add_host_of(url));
        }
    }
    for message in of_phones.iter().flat_map(|of| &of.events).filter_map(|event| event.said.as_deref()) {
        identifiers::of_message(&serde_json::from_str(message).unwrap_or_default(), &mut known);
    }
    known
}

fn pretty(redaction: &Redaction, value: Value) -> String {
    serde_json::to_string_pretty(&redaction.value(value)).unwrap_or_default() + "\n"
}

fn findings(sources: &Sources<'_>, redaction: &Redaction) -> String {
    let mut text = String::from(
        "What `gangway check` finds in files and configuration. What it asks PBXs, Devices, redirect services and listeners is \
         not here: nothing is asked to make a bundle. Its whole output helps, too.\n\n",
    );
    for finding in &sources.findings {
        text.push_str(&redaction.text(finding));
        text.push('\n');
    }
    text
}

fn of_instance(
    sources: &Sources<'_>,
    options: &BundleOptions,
    redaction: &Redaction,
    dir: &str,
    of: &OfInstance<'_>,
) -> Vec<BundleFile> {
    let row = |value: Value| redaction.value(value).to_string();
    let layers = sources.store.settings().layers(of.tenant.id);
    let of_others =
        |scope: &Scope| matches!(scope, Scope::Phone(mac) if options.phone.is_some_and(|wished| wished != *mac));
    let settings = layers.rows().iter().filter(|set| !of_others(&set.scope)).map(|set| {
        // The setting is not known any more, so it may be a secret.
        let displayed = setting(&set.name).map_or_else(|| "***".to_owned(), |setting| setting.shown(&set.value));
        row(json!({ "scope": set.scope.to_string(), "name": set.name, "value": displayed }))
    });
    let history = of.history.iter().map(|call| {
        let entry = &call.entry;
        row(json!({
            "at": entry.at.to_string(), "mac": entry.mac, "vendor": entry.vendor, "command": entry.command,
            "outcome": entry.outcome, "answer": entry.answer, "took_ms": u64::try_from(entry.took.as_millis()).ok(),
        }))
    });
    let audit = of.audit.iter().map(|deed| {
        row(json!({
            "at": deed.at.to_string(), "who": deed.who, "way": deed.way, "source": deed.source, "target": deed.target,
            "deed": deed.deed,
        }))
    });
    let rows = |name: &str, group: Group, rows: Vec<String>| BundleFile {
        name: format!("{dir}/{name}"),
        group,
        body: Body::Rows(rows),
    };
    vec![
        BundleFile {
            name: format!("{dir}/instance.json"),
            group: Group::Basics,
            body: Body::Whole(pretty(redaction, instance(sources, of.tenant))),
        },
        rows("settings.json", Group::Tables, settings.collect()),
        rows("phones.json", Group::Tables, phones::table(sources, options, of.tenant).into_iter().map(row).collect()),
        rows("redirect-history.json", Group::History, history.collect()),
        rows("who-did-what.json", Group::Audit, audit.collect()),
    ]
}

/// What the gateway learned for an instance, as far as the bundle shows it: names with values.
fn learned(store: &Store, instance: InstanceId) -> Vec<(String, String)> {
    let learned = store.learned();
    let mut all = Vec::new();
    for (provider, NamedUrls { url, conflict }) in learned.urls(instance) {
        all.extend(url.map(|url| (format!("learned_url.{provider}"), url)));
        all.extend(conflict.map(|urls| (format!("learned_url_conflict.{provider}"), urls)));
    }
    all.extend(learned.grants(instance).into_iter().map(|(app, apis)| (format!("grants.{app}"), apis)));
    let devices = learned.devices_addresses(instance);
    all.extend((!devices.is_empty()).then(|| ("devices.sysclients".to_owned(), devices.join(" "))));
    let hosts = learned.frame_hosts(instance);
    all.extend((!hosts.is_empty()).then(|| ("frame.hosts".to_owned(), hosts.join(" "))));
    all
}

fn instance(sources: &Sources<'_>, tenant: &Tenant) -> Value {
    let store = sources.store;
    let learned: serde_json::Map<String, Value> =
        learned(store, tenant.id).into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    // Per provider, because each provider has a separate app object.
    let registry = sources.registry.load();
    let providers =
        registry.vendors().flat_map(|vendor| vendor.providers.iter().map(move |provider| (vendor, provider)));
    let layers = store.settings().layers(tenant.id);
    let come_to: serde_json::Map<String, Value> = providers
        .map(|(vendor, provider)| {
            let scheme = layers.scheme(&Lookup { vendor: Some(&vendor.name), ..Lookup::instance() });
            let base = tenant.urls.base(&provider.name, scheme);
            (provider.name.clone(), json!(base.unwrap_or_else(|why| why.to_string())))
        })
        .collect();
    let live = match &tenant.live {
        Ok(live) => live.clone(),
        Err(why) => json!({ "not_known": why }),
    };
    json!({
        "instance": tenant.label,
        "phones_come_to": come_to,
        "learned": learned,
        "passive": store.restoration().and_then(|restoration| restoration.passive_sentence()),
        "serving_gateway": live,
    })
}
