//! `gangway phones bootstrap`: creates a bootstrap URL for a phone that does not trust the gateway's certificate yet.

use anyhow::{Context as _, bail};
use clap::Args;
use gangway_base::{
    clock::{Clock, SystemClock},
    mac::Mac,
};
use ipnet::IpNet;

use super::{Intent, PhoneChange, act, find};
use crate::{
    app,
    catalog::Registry,
    cli::{
        Global,
        context::{CommandContext, load_config},
        output,
    },
    phone::{
        public_url::{PublicUrls, Scheme},
        record::FirstContact,
    },
    provision::bootstrap,
};

/// For whom, and how it comes.
#[derive(Debug, Args)]
pub struct BootstrapUrlArgs {
    /// Its MAC address, in any spelling
    mac: Mac,
    /// It may come by https only from this network
    #[arg(long, value_name = "CIDR")]
    from: Option<IpNet>,
    /// Where phones reach [http] of the gateway, e.g. http://gw.example.com:8080; needed when that is not port 80 of its name
    #[arg(long, value_name = "URL")]
    http_base: Option<String>,
}

/// Creates the URL, and allows the phone to fetch by https without its redirect URL.
pub(super) async fn run(global: &Global, context: &CommandContext, wish: &BootstrapUrlArgs) -> anyhow::Result<()> {
    let mac = wish.mac;
    let config = load_config(global)?;
    let phone = find(context, mac)?;
    let ca = &config.https.phone_ca;
    if ca.as_os_str().is_empty() {
        bail!(
            "it is not known which CA phones shall trust: name its PEM file in [https] phone_ca and restart the gateway"
        );
    }
    rustls_ca(ca).with_context(|| format!("[https] phone_ca {} cannot be used", ca.display()))?;
    let urls = context.public_urls();
    urls.base(&phone.provider, Scheme::Https).context("no https URL is known to which the phone could go on")?;
    let base = match &wish.http_base {
        Some(base) => named_base(base, &phone.provider, &app::instance(context.instance, &context.configured).path())?,
        None => urls.base(&phone.provider, Scheme::Http).context(
            "where phones reach [http] of this gateway is not known: say it with --http-base http://HOST:PORT",
        )?,
    };
    let registry = Registry::load(config.vendors.overrides()).map_err(|findings| {
        anyhow::anyhow!("the vendors cannot be loaded ({} findings): run `gangway check`", findings.len())
    })?;
    let vendor = registry.vendor(&phone.vendor).with_context(|| format!("nobody knows the vendor {}", phone.vendor))?;
    let chosen = vendor.choose(phone.model.as_deref(), Some(&phone.provider), phone.firmware.as_deref());
    if chosen.is_none_or(|(_, generation)| generation.bootstrap.is_none()) {
        bail!(
            "{} phones of this kind take no CA from a file: put it into the list of trusted certificates by hand",
            vendor.title
        );
    }
    let change = PhoneChange { mac, wait: false };
    act(context, &change, Intent::Allow(FirstContact::Allowed(wish.from))).await?;
    context.audit(&mac.to_string(), "Make a one-time plain-HTTP URL for it").await?;
    let token = bootstrap::make(&context.store, context.instance, mac, &base, SystemClock.now()).await?;
    let url = format!("{base}{}/", token.expose());
    output::line(&url);
    let manual = &vendor.manifest.arrival.manual;
    if !manual.is_empty() {
        output::note(&format!("On the phone: {}", manual.replace("{url}", &url)));
    }
    output::note("It is good for one fetch within 24 hours.");
    Ok(())
}

/// `http://host[:port]` with the path to an instance's phones.
fn named_base(text: &str, provider: &str, path: &str) -> anyhow::Result<String> {
    let url = text.parse().with_context(|| format!("--http-base '{text}' is no URL: write http://HOST:PORT"))?;
    Ok(PublicUrls::of(path, url).base(provider, Scheme::Http)?)
}

fn rustls_ca(file: &std::path::Path) -> anyhow::Result<()> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_file(file)
        .map(drop)
        .map_err(|error| anyhow::anyhow!("{error}; give the PEM file of the root CA"))
}
