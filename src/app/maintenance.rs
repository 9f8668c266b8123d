//! Periodic maintenance: expiring certificates, the redirect history, the daily copy of the database, the clock.

use std::{path::PathBuf, time::Duration};

use gangway_base::{
    clock::{self, BeforeEpoch, SharedClock},
    periodic::{PeriodicTask, RunResult},
};

use crate::{phone::instance::Instances, store::Store};

/// Between two checks whether the copy of the day exists.
const COPY_ROUND: Duration = Duration::from_secs(3600);

/// Pause between two checks of the computer's clock.
const CLOCK_ROUND: Duration = Duration::from_secs(1);

/// Between two prunings of the redirect history.
const PRUNE_ROUND: Duration = Duration::from_secs(6 * 3600);

/// Between two reminders of expiring certificates.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reports at the start and every week which certificates expire within seven weeks.
pub struct WarnExpiring<W> {
    /// PEM files.
    pub files: Vec<PathBuf>,
    /// Receives a sentence for each certificate.
    pub warn: W,
    /// Decides what "within seven weeks" is.
    pub clock: SharedClock,
}

impl<W: Fn(String) + Send + Sync + 'static> PeriodicTask for WarnExpiring<W> {
    const NAME: &'static str = "certificate expiry";
    const AT_START: bool = true;

    fn period(&self) -> Duration {
        WEEK
    }

    async fn run(&mut self) -> RunResult {
        for sentence in self.files.iter().filter_map(|file| crate::service::of_certificate(file, self.clock.now())) {
            (self.warn)(sentence);
        }
        Ok(())
    }
}

/// Returns when the computer's clock is set to a time before 1970. The HTTP server's own clock fails then, and every
/// request would be answered with 408 until the process is restarted.
pub async fn watch_clock(clock: SharedClock) -> BeforeEpoch {
    loop {
        if let Err(error) = clock::prove(&*clock) {
            return error;
        }
        // Not by the clock that is checked.
        tokio::time::sleep(CLOCK_ROUND).await;
    }
}

/// Prunes the redirect history by the setting `history_days`.
pub struct PruneHistory {
    /// Holds the history and the setting.
    pub store: Store,
    /// The instances of the process.
    pub instances: Instances,
}

impl PeriodicTask for PruneHistory {
    const NAME: &'static str = "prune redirect history";
    const AT_START: bool = true;

    fn period(&self) -> Duration {
        PRUNE_ROUND
    }

    async fn run(&mut self) -> RunResult {
        let mut result = Ok(());
        for instance in self.instances.iter() {
            let layers = self.store.settings().layers(instance.id);
            let days = layers.get("history_days").and_then(|days| days.expose().parse().ok()).unwrap_or(90);
            if let Err(error) = self.store.redirect_history().prune(instance.id, days).await {
                tracing::warn!(instance = %instance.label(), %error, "the redirect history could not be pruned");
                result = Err(error.to_string());
            }
        }
        result
    }
}

/// Keeps one copy of the database for each day.
pub struct DailyCopy {
    /// The database to copy.
    pub store: Store,
    /// How many copies are kept; the oldest ones are deleted.
    pub most: usize,
}

impl PeriodicTask for DailyCopy {
    const NAME: &'static str = "daily copy";
    const AT_START: bool = true;

    fn period(&self) -> Duration {
        COPY_ROUND
    }

    async fn run(&mut self) -> RunResult {
        match self.store.copy_of_the_day(self.most).await {
            Ok(Some(copy)) => tracing::info!(copy = %copy.display(), "the copy of the day is kept"),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "the copy of the day could not be kept; tried again in an hour");
                return Err(error.to_string());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gangway_base::{clock::ManualClock, tasks::Tasks};

    use super::*;

    #[actix_rt::test]
    async fn a_certificate_that_ends_is_mentioned_every_week_from_seven_weeks_before() {
        let clock = ManualClock::new("2026-03-01T12:00:00Z".parse().unwrap());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("chain.pem");
        let mut params = rcgen::CertificateParams::new(vec!["gw.example.com".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2026, 4, 30);
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let tasks = Tasks::new();
        let tell = move |sentence: String| sender.send(sentence).unwrap();
        let shared: SharedClock = Arc::new(clock.clone());
        tasks.every(WarnExpiring { files: vec![file], warn: tell, clock: Arc::clone(&shared) }, &shared);
        // From sixty days before: nothing twice, then once a week.
        let mut weeks = Vec::new();
        for week in 1..=4 {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            while let Ok(sentence) = receiver.try_recv() {
                assert!(sentence.contains("2026-04-30"), "{sentence}");
                weeks.push(week);
            }
            clock.advance(WEEK);
        }
        assert_eq!(weeks, [3, 4]);
    }
}
