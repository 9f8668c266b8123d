//! Renewed certificates and CAs are taken without anybody's help.

use std::{path::PathBuf, sync::Arc, time::Duration};

use gangway_base::{clock::SharedClock, tasks::Tasks};
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

/// How often the files are read again. They are small, and a renewal is never in a hurry.
const ROUND: Duration = Duration::from_secs(60);

/// The certificates phones see, as files.
pub(super) fn files(config: &Config) -> Vec<PathBuf> {
    match config.https.listen.is_empty() {
        true => Vec::new(),
        false => config.https.pairs().into_iter().map(|(chain, _)| chain).collect(),
    }
}

/// What the TLS listeners need; `None` where nobody listens.
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

/// Takes what the files hold now; a pair that cannot be used leaves the present ones in place.
pub(super) fn reload(tls: &TlsSettings, now: Timestamp) {
    let _ = take(tls, &[], now);
}

/// The same; what was told before is not told again. Returns what is wrong at present.
fn take(tls: &TlsSettings, told: &[String], now: Timestamp) -> Vec<String> {
    let mut wrong = Vec::new();
    match tls.certificates.reload(now) {
        Ok(true) => tracing::info!("the TLS certificates were renewed"),
        Ok(false) => {}
        Err(error) => {
            wrong.push(format!("the certificates are not reloaded; the present ones serve on: {error}"));
        }
    }
    wrong.extend(tls.issuers.reload().into_iter().map(|sentence| format!("factory certificates: {sentence}")));
    for sentence in wrong.iter().filter(|sentence| !told.contains(sentence)) {
        tracing::error!("{sentence}");
    }
    wrong
}

/// Looks every minute.
pub(super) async fn watch(tls: TlsSettings, clock: SharedClock, tasks: Tasks) {
    let mut told = Vec::new();
    loop {
        let next = clock.now().saturating_add(ROUND).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
        told = take(&tls, &told, clock.now());
    }
}
