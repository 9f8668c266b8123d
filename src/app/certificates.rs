//! Renewed certificates are taken without anybody's help.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{clock::SharedClock, http::certificates::Certificates, tasks::Tasks};

/// How often the files are read again. They are small, and a renewal is never in a hurry.
const ROUND: Duration = Duration::from_secs(60);

/// Takes what the files hold now; a pair that cannot be used leaves the present ones in place.
pub(super) fn reload(certificates: &Certificates) {
    let _ = take(certificates, None);
}

/// The same; an error that was told before is not told again. Returns the present one.
fn take(certificates: &Certificates, told: Option<&str>) -> Option<String> {
    match certificates.reload() {
        Ok(true) => tracing::info!("the TLS certificates were renewed"),
        Ok(false) => {}
        Err(error) => {
            let sentence = error.to_string();
            if told != Some(sentence.as_str()) {
                tracing::error!("the certificates are not reloaded; the present ones serve on: {sentence}");
            }
            return Some(sentence);
        }
    }
    None
}

/// Looks every minute.
pub(super) async fn follow(certificates: Arc<Certificates>, clock: SharedClock, tasks: Tasks) {
    let mut told = None;
    loop {
        let next = clock.now().saturating_add(ROUND).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
        told = take(&certificates, told.as_deref());
    }
}
