//! Reloads renewed certificates and CAs automatically.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gangway_base::{
    clock::SharedClock,
    periodic::{PeriodicTask, RunResult},
};
use jiff::Timestamp;

use super::StartError;
use crate::{
    base::config::Config,
    catalog::SharedRegistry,
    http::server::{
        certificates::Certificates, client_ca_store::ClientCaStore, connection_limiter::Bounds, listeners::TlsSettings,
    },
    net::handshake_failures::FailedHandshakes,
};

/// How often the files are read again. They are small, and a renewal is never urgent.
const ROUND: Duration = Duration::from_secs(60);

/// The files of the certificates presented to phones.
pub(super) fn files(config: &Config) -> Vec<PathBuf> {
    match config.https.listen.is_empty() {
        true => Vec::new(),
        false => config.https.pairs().into_iter().map(|(chain, _)| chain).collect(),
    }
}

/// The TLS settings of the listeners; `None` if there are no TLS listeners.
pub(super) fn open(
    config: &Config,
    registry: &SharedRegistry,
    failures: &Arc<FailedHandshakes>,
) -> Result<Option<TlsSettings>, StartError> {
    if config.https.listen.is_empty() {
        return Ok(None);
    }
    let (issuers, wrong) = ClientCaStore::load(Arc::clone(registry), &config.https.client_ca);
    for sentence in wrong {
        tracing::error!("factory certificates: {sentence}");
    }
    let bounds = Bounds {
        connections: config.https.connections_per_source,
        handshakes_per_second: config.https.handshakes_per_second,
    };
    let certificates = Certificates::load(config.https.pairs())?;
    Ok(Some(TlsSettings { certificates, issuers, failures: Arc::clone(failures), bounds }))
}

/// Reloads the files. If a pair cannot be used, the current certificates stay in use.
pub(super) fn reload(tls: &TlsSettings, now: Timestamp) {
    let _ = take(tls, &[], now);
}

/// Same as [`reload`], but does not log problems again that are in `logged`. Returns the current problems.
fn take(tls: &TlsSettings, logged: &[String], now: Timestamp) -> Vec<String> {
    let mut wrong = Vec::new();
    match tls.certificates.reload(now) {
        Ok(true) => tracing::info!("the TLS certificates were renewed"),
        Ok(false) => {}
        Err(error) => {
            wrong.push(format!("the certificates are not reloaded; the present ones serve on: {error}"));
        }
    }
    wrong.extend(tls.issuers.reload().into_iter().map(|sentence| format!("factory certificates: {sentence}")));
    for sentence in wrong.iter().filter(|sentence| !logged.contains(sentence)) {
        tracing::error!("{sentence}");
    }
    wrong
}

/// Reloads changed certificates every minute. An error is logged once for as long as it lasts.
pub(super) struct ReloadCertificates {
    tls: TlsSettings,
    clock: SharedClock,
    logged: Vec<String>,
}

impl ReloadCertificates {
    /// Nothing logged yet.
    pub(super) fn new(tls: TlsSettings, clock: SharedClock) -> Self {
        Self { tls, clock, logged: Vec::new() }
    }
}

impl PeriodicTask for ReloadCertificates {
    const NAME: &'static str = "reload certificates";

    fn period(&self) -> Duration {
        ROUND
    }

    async fn run(&mut self) -> RunResult {
        self.logged = take(&self.tls, &self.logged, self.clock.now());
        match self.logged.is_empty() {
            true => Ok(()),
            false => Err(self.logged.join("; ")),
        }
    }
}
