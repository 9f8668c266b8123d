//! Sets up logging: text for administrators or JSON for log collectors. The level can be changed at runtime.

use std::{
    fmt::{self, Write},
    sync::OnceLock,
};

use tracing::field::{Field, Visit};
use tracing_subscriber::{
    EnvFilter, Registry,
    field::RecordFields,
    fmt::{FormatFields, format},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use super::escape_control::{JsonLines, LineWriter};
use crate::base::config::{LogConfig, LogFormat};

/// Overrides that make third-party crates less verbose. `actix_http` logs an ERROR without the peer's address for every
/// malformed request of a scanner, and `sqlx` logs every statement.
const QUIETER: [&str; 3] = ["actix_http::h1::dispatcher=off", "sqlx=warn", "actix_server=warn"];

static HANDLE: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Why logging could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directives are malformed.
    #[error(
        "log.level '{0}' is malformed: write a level (error, warn, info, debug, trace) or directives like 'info,gangway::redirect=debug'"
    )]
    Directives(String),
    /// There is no log whose level could be changed.
    #[error("the log cannot be changed: {0}")]
    Gone(String),
}

/// Starts logging to standard error. Call it once per process; a second call only changes the level.
pub fn init(config: &LogConfig) -> Result<(), LogError> {
    if HANDLE.get().is_some() {
        return set_level(&config.level);
    }
    let (filter, handle) = reload::Layer::new(filter(&config.level)?);
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_target(true);
    let colours = std::env::var_os("NO_COLOR").is_none() && std::io::IsTerminal::is_terminal(&std::io::stderr());
    // Ignore the error: if another subscriber is already installed (in tests), gangway must still run.
    let _ = match config.format {
        LogFormat::Text => {
            let lines = lines.fmt_fields(Fields).with_writer(std::io::stderr);
            registry.with(lines.with_ansi(colours)).try_init()
        }
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_writer(|| JsonLines(std::io::stderr()));
            registry.with(lines).try_init()
        }
    };
    let _ = HANDLE.set(handle);
    Ok(())
}

/// Formats the message and the fields of a text line. Every value is escaped regardless of its type and origin, because
/// names, User-Agents and responses of services are untrusted.
struct Fields;

impl<'writer> FormatFields<'writer> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: format::Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'writer> {
    writer: format::Writer<'writer>,
    is_empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        if !std::mem::replace(&mut self.is_empty, false) {
            self.writer.write_char(' ')?;
        }
        match (name, self.writer.has_ansi_escapes()) {
            ("message", _) => {}
            (name, true) => write!(self.writer, "\x1b[3m{name}\x1b[0m\x1b[2m=\x1b[0m")?,
            (name, false) => write!(self.writer, "{name}=")?,
        }
        write!(LineWriter(&mut self.writer), "{value:?}")
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // The crate `log` adds fields about the record's origin. The target of the line already contains them.
        if self.result.is_ok() && !field.name().starts_with("log.") {
            self.result = self.write(field.name().trim_start_matches("r#"), value);
        }
    }
}

/// Changes the level of the running logger.
pub fn set_level(level: &str) -> Result<(), LogError> {
    let filter = filter(level)?;
    match HANDLE.get() {
        Some(handle) => handle.reload(filter).map_err(|error| LogError::Gone(error.to_string())),
        None => Err(LogError::Gone("it was never started".to_owned())),
    }
}

/// Checks whether a level is valid.
pub fn check_level(level: &str) -> Result<(), LogError> {
    filter(level).map(|_| ())
}

fn filter(level: &str) -> Result<EnvFilter, LogError> {
    // `EnvFilter` would parse a bare word as a target name. Targets without a level are never used here, so it must be
    // a misspelt level.
    let is_level = |word: &str| word.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    if level.split(',').map(str::trim).any(|part| !part.contains(['=', '[']) && !is_level(part)) {
        return Err(LogError::Directives(level.to_owned()));
    }
    let mut directives = level.trim().to_owned();
    for quieter in QUIETER {
        // Explicitly configured targets keep their level.
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
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;
    use crate::base::telemetry::escape_control::is_control;

    /// Returns the text log output produced while `work` runs.
    fn written(work: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Kept(Arc<Mutex<Vec<u8>>>);
        impl io::Write for Kept {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                io::Write::write(&mut *self.0.lock().unwrap(), bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = tracing_subscriber::fmt::layer().fmt_fields(Fields).with_ansi(false);
        let registry = tracing_subscriber::registry().with(lines.with_writer(move || writer.clone()));
        tracing::subscriber::with_default(registry, work);
        let text = kept.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn no_value_and_no_message_makes_a_line_of_its_own() {
        let forged = "x\n2026-11-30T00:00:00Z  INFO gangway::forged: all is well \u{1b}[31m\u{9b}2J\u{202e}\u{2028}";
        let text = written(|| {
            let span = tracing::info_span!("request", agent = %forged);
            let _inside = span.enter();
            tracing::warn!(sip = %forged, quoted = forged, debug = ?forged, number = 7, "the name is {forged}");
            tracing::error!(error = %std::io::Error::other(forged.to_owned()), "failed");
        });
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.ends_with('\n') && !text.trim_end_matches('\n').replace('\n', "").contains(is_control),
            "{text:?}"
        );
        assert!(
            text.contains("sip=x\\n2026") && text.contains("number=7") && text.contains("the name is x\\n"),
            "{text}"
        );
    }

    #[test]
    fn malformed_directives_are_refused_with_an_example() {
        let error = filter("loud").unwrap_err().to_string();
        assert!(error.contains("'loud'") && error.contains("info,gangway"), "{error}");
        assert!(filter("info,gangway::redirect=debug").is_ok());
    }
}
