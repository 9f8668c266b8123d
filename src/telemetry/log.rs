//! The log: text for people, JSON for collectors, levels changeable while the gateway runs.

use std::sync::OnceLock;

use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::config::{LogConfig, LogFormat};

/// What third parties say less often than they would: the first prints an ERROR without the peer's address for every
/// scanner's garbage, the second every statement.
const QUIETER: [&str; 3] = ["actix_http::h1::dispatcher=off", "sqlx=warn", "actix_server=warn"];

static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Why the log could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives are malformed.
    #[error(
        "log.level '{0}' is malformed: write a level (error, warn, info, debug, trace) or directives like 'info,gangway::redirect=debug'"
    )]
    Directives(String),
    /// The log is not there to be changed.
    #[error("the log cannot be changed: {0}")]
    Gone(String),
}

/// Starts logging to standard error, once per process; a second call changes the level only.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    if HANDLE.get().is_some() {
        return set_level(&config.level);
    }
    let (filter, handle) = reload::Layer::new(filter(&config.level)?);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(true);
    let colours = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Another subscriber being there already (tests) is no reason not to serve.
    let _ = match config.format {
        LogFormat::Text => registry.with(lines.with_ansi(colours)).try_init(),
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
    };
    let _ = HANDLE.set(handle);
    Ok(())
}

/// Changes the level of a running log.
pub fn set_level(level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    match HANDLE.get() {
        Some(handle) => handle.reload(filter).map_err(|error| LogError::Gone(error.to_string())),
        None => Err(LogError::Gone("it was never started".to_owned())),
    }
}

/// Whether a level can be used.
pub fn check_level(level: &str) -> Result<(), LogError> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    // A bare word would be taken for the name of a target, which is never meant: it is a misspelt level.
    let is_level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    if level.split(',').map(str::trim).any(|part| !part.contains(['=', '[']) && !is_level(part)) {
        return Err(LogError::Directives(level.to_owned()));
    }
    let mut directives = level.trim().to_owned();
    for quieter in QUIETER {
        // What was asked for explicitly stays.
        let target = quieter.split('=').next().unwrap_or_default();
        if !directives.contains(target) {
            directives.push(',');
            directives.push_str(quieter);
        }
    }
    EnvFilter::try_new(&directives).map_err(|_malformed| LogError::Directives(level.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_directives_are_refused_with_an_example() {
        let error = filter("loud").unwrap_err().to_string();
        assert!(error.contains("'loud'") && error.contains("info,gangway"), "{error}");
        assert!(filter("info,gangway::redirect=debug").is_ok());
    }
}
