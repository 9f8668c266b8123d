//! Counts the results of requests. The counter handles are created once: looking up a metric by name costs more than
//! counting.

use metrics::Counter;

use crate::{base::telemetry::metric::Metric, http::interfaces::RequestOutcome, phone::admission::Reason};

/// All values of `ClientCertificate::label`.
const CERTIFICATES: &[&str] = &["none", "trusted", "wrong-mac", "expired", "unknown-issuer", "no-mac"];

/// The counters for phone requests.
pub struct Meter {
    delivered: Counter,
    unchanged: Counter,
    peeked: Counter,
    uploaded: Counter,
    failed: Counter,
    open: Vec<Counter>,
    refused: Vec<Counter>,
    later: Vec<Counter>,
    certificates: Vec<(&'static str, Counter)>,
}

impl Default for Meter {
    fn default() -> Self {
        let plain = |outcome: &'static str| metrics::counter!("gangway_phone_requests_total", "outcome" => outcome, "reason" => "");
        let each = |outcome: &'static str| {
            Reason::ALL
                .iter()
                .map(|reason| metrics::counter!("gangway_phone_requests_total", "outcome" => outcome, "reason" => reason.as_str()))
                .collect()
        };
        Self {
            delivered: plain("delivered"),
            unchanged: plain("unchanged"),
            peeked: plain("peeked"),
            uploaded: plain("uploaded"),
            failed: plain("failed"),
            open: each("open"),
            refused: each("refused"),
            later: each("later"),
            certificates: CERTIFICATES
                .iter()
                .map(|word| (*word, metrics::counter!(Metric::ClientCertificates.name(), "outcome" => *word)))
                .collect(),
        }
    }
}

impl Meter {
    /// Counts the result of one client certificate check.
    pub fn certificate(&self, word: &str) {
        if let Some((_, counter)) = self.certificates.iter().find(|(known, _)| *known == word) {
            counter.increment(1);
        }
    }

    /// Counts one request.
    pub fn count(&self, outcome: RequestOutcome) {
        let of = |row: &[Counter], reason: Reason| {
            if let Some(counter) = row.get(reason as usize) {
                counter.increment(1);
            }
        };
        match outcome {
            RequestOutcome::Delivered => self.delivered.increment(1),
            RequestOutcome::Unchanged => self.unchanged.increment(1),
            RequestOutcome::Peeked => self.peeked.increment(1),
            RequestOutcome::Uploaded => self.uploaded.increment(1),
            RequestOutcome::Failed => self.failed.increment(1),
            RequestOutcome::Open(reason) => of(&self.open, reason),
            RequestOutcome::Refused(reason) => of(&self.refused, reason),
            RequestOutcome::Later(reason) => of(&self.later, reason),
        }
    }
}
