//! Periodic maintenance tasks.

use std::{path::PathBuf, time::Duration};

use gangway_base::{
    clock::{self, BeforeEpoch, SharedClock},
    tasks::Tasks,
};
use jiff::Timestamp;

use crate::{phone::instance::Instances, store::Store};

/// Pause between two checks whether today's copy exists.
const COPY_ROUND: Duration = Duration::from_secs(3600);

/// Pause between two checks of the computer's clock.
const CLOCK_ROUND: Duration = Duration::from_secs(1);

/// Pause between two rounds.
const ROUND: Duration = Duration::from_secs(6 * 3600);

/// Pause between two reminders.
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Reports at startup and every week which certificates expire within seven weeks.
pub async fn warn_expiring(files: Vec<PathBuf>, tell: impl Fn(String), clock: SharedClock, tasks: Tasks) {
    loop {
        for sentence in files.iter().filter_map(|file| crate::service::of_certificate(file, clock.now())) {
            tell(sentence);
        }
        let next = clock.now().saturating_add(WEEK).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
    }
}

/// Returns when the computer's clock is set to a time before 1970. The HTTP server's own clock fails then, and every
/// request would be answered with 408 until the process is restarted.
pub async fn watch_clock(clock: SharedClock) -> BeforeEpoch {
    loop {
        if let Err(error) = clock::prove(&*clock) {
            return error;
        }
        // Independent of the clock that is checked.
        tokio::time::sleep(CLOCK_ROUND).await;
    }
}

/// Prunes the redirect history according to the setting `history_days`, at startup and every six hours.
pub async fn prune(store: Store, instances: Instances, clock: SharedClock, tasks: Tasks) {
    loop {
        for instance in instances.iter() {
            let days =
                store.layers(instance.id).get("history_days").and_then(|days| days.expose().parse().ok()).unwrap_or(90);
            if let Err(error) = store.prune_history(instance.id, days).await {
                tracing::warn!(instance = %instance.label(), %error, "the redirect history could not be pruned");
            }
        }
        let next = clock.now().saturating_add(ROUND).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
    }
}

/// Makes a daily copy of the database and keeps the newest `most` of them.
pub async fn copy(store: Store, most: usize, clock: SharedClock, tasks: Tasks) {
    loop {
        match store.copy_of_the_day(most).await {
            Ok(Some(copy)) => tracing::info!(copy = %copy.display(), "the copy of the day is kept"),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "the copy of the day could not be kept; tried again in an hour"),
        }
        let next = clock.now().saturating_add(COPY_ROUND).unwrap_or(Timestamp::MAX);
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = tasks.stopping() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gangway_base::clock::ManualClock;

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
        let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let tasks = Tasks::new();
        let tell = move |sentence: String| told.send(sentence).unwrap();
        tasks.spawn_local("reminder", warn_expiring(vec![file], tell, Arc::new(clock.clone()), tasks.clone()));
        // Starting sixty days before the expiry: no reminder for two weeks, then one a week.
        let mut weeks = Vec::new();
        for week in 1..=4 {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            while let Ok(sentence) = heard.try_recv() {
                assert!(sentence.contains("2026-04-30"), "{sentence}");
                weeks.push(week);
            }
            clock.advance(WEEK);
        }
        assert_eq!(weeks, [3, 4]);
    }
}
