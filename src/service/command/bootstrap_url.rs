//! Creates a bootstrap URL for a phone that does not trust the gateway's certificate yet.

use std::path::Path;

use gangway_base::mac::Mac;
use ipnet::IpNet;

use super::{CommandError, CommandService, PhoneChangeKind, Replies};
use crate::{
    phone::public_url::{PublicUrls, Scheme},
    provision::bootstrap,
    service::{audit, caller::Caller},
};

impl CommandService {
    /// Creates the URL, and allows the phone to fetch by https without its redirect URL.
    pub(super) async fn bootstrap_url(
        &self,
        caller: &Caller,
        mac: Mac,
        from: Option<IpNet>,
        http_base: Option<&str>,
        replies: &Replies,
    ) -> Result<String, CommandError> {
        let phone = self.find(caller, mac)?;
        let ca = &self.phone_ca;
        if ca.as_os_str().is_empty() {
            return Err(CommandError::rejected(
                "it is not known which CA phones shall trust: name its PEM file in [https] phone_ca and restart the gateway",
            ));
        }
        read_ca(ca)?;
        let urls = (self.urls)(phone.instance);
        urls.base(&phone.provider, Scheme::Https)
            .map_err(|error| CommandError::caused("no https URL is known to which the phone could go on", &error))?;
        let base = match http_base {
            Some(base) => named_base(base, &phone.provider, &caller.instance.path())?,
            None => urls.base(&phone.provider, Scheme::Http).map_err(|error| {
                CommandError::caused(
                    "where phones reach [http] of this gateway is not known: say it with --http-base http://HOST:PORT",
                    &error,
                )
            })?,
        };
        let registry = self.load_registry()?;
        let vendor = registry
            .vendor(&phone.vendor)
            .ok_or_else(|| CommandError::rejected(format!("nobody knows the vendor {}", phone.vendor)))?;
        let chosen = vendor.choose(phone.model.as_deref(), Some(&phone.provider), phone.firmware.as_deref());
        if chosen.is_none_or(|(_, generation)| generation.bootstrap.is_none()) {
            return Err(CommandError::rejected(format!(
                "{} phones of this kind take no CA from a file: put it into the list of trusted certificates by hand",
                vendor.title
            )));
        }
        self.change_phone(caller, mac, PhoneChangeKind::AllowWithoutToken { from }, false, replies).await?;
        replies.note("Written; a running gateway carries it out now.").await;
        audit::entry(&self.store, caller, &mac.to_string(), "Make a one-time plain-HTTP URL for it").await?;
        let token = bootstrap::make(&self.store, phone.instance, mac, &base, self.clock.now()).await?;
        let url = format!("{base}{}/", token.expose());
        let manual = &vendor.manifest.arrival.manual;
        if !manual.is_empty() {
            replies.note(format!("On the phone: {}", manual.replace("{url}", &url))).await;
        }
        replies.note("It is good for one fetch within 24 hours.").await;
        Ok(url)
    }
}

/// `http://host[:port]` with the path to an instance's phones.
fn named_base(text: &str, provider: &str, path: &str) -> Result<String, CommandError> {
    let url = text.parse::<url::Url>().map_err(|error| {
        CommandError::caused(format!("--http-base '{text}' is no URL: write http://HOST:PORT"), &error)
    })?;
    PublicUrls::of(path, url).base(provider, Scheme::Http).map_err(|error| CommandError::rejected(error.to_string()))
}

fn read_ca(file: &Path) -> Result<(), CommandError> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::from_pem_file(file).map(drop).map_err(|error| CommandError {
        causes: vec![format!("{error}; give the PEM file of the root CA")],
        ..CommandError::failed(format!("[https] phone_ca {} cannot be used", file.display()))
    })
}
