//! The diagnostics bundle: one archive for a support ticket. It contains everything about the gateway that helps to
//! find a problem, without secrets, with aliases instead of users, phones, and hosts, and within the requested size.
//!
//! This module neither accesses the network nor changes a record. All data is from the store, the configuration, and
//! the caller.

mod archive;
mod collect;
mod escapings;
mod identifiers;
mod logs;
mod matcher;
mod pseudonyms;
mod readme;
mod redaction;
mod secrets;
mod sections;

use std::{io, path::PathBuf};

use gangway_base::{clock::SharedClock, mac::Mac};
use serde_json::Value;

pub use self::archive::write_new;
use self::{
    collect::Collected,
    sections::{Group, Kept},
};
use crate::{
    base::config::Config,
    catalog::SharedRegistry,
    phone::{instance::InstanceId, public_url::PublicUrls},
    store::Store,
};

/// Size reserved for the overview, which is written last.
const OVERVIEW: u64 = 12 << 10;
/// Its path in the archive.
const OVERVIEW_NAME: &str = "overview.txt";

/// The inputs of a bundle.
pub struct Sources<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The records.
    pub store: &'a Store,
    /// The vendors.
    pub registry: SharedRegistry,
    /// The instances to include.
    pub tenants: Vec<Tenant>,
    /// The build of this program.
    pub build: &'a str,
    /// Findings of `gangway check` that need no network access.
    pub findings: Vec<String>,
    /// Remarks on how the bundle was made.
    pub remarks: Vec<String>,
    /// The clock.
    pub clock: SharedClock,
}

/// An instance, and its state that only the running gateway knows.
pub struct Tenant {
    /// Its id in the store.
    pub id: InstanceId,
    /// `DOMAIN/NAME`.
    pub label: String,
    /// The URLs under which phones reach it.
    pub urls: PublicUrls,
    /// Notices and connections from the running gateway, or why they are missing.
    pub live: Result<Value, String>,
}

/// The options of a bundle.
#[derive(Debug, Clone)]
pub struct BundleOptions {
    /// Only this phone.
    pub phone: Option<Mac>,
    /// Logs to include.
    pub logs: Vec<PathBuf>,
    /// Maximum size of the archive, in bytes.
    pub limit: u64,
    /// Keep names instead of using aliases.
    pub names: bool,
}

/// A finished bundle.
#[derive(Debug)]
pub struct DiagnosticsBundle {
    /// The archive.
    pub bytes: Vec<u8>,
    /// The files in it.
    pub files: Vec<String>,
    /// What was omitted for lack of space, one sentence each.
    pub left_out: Vec<String>,
    /// What could not be read, one sentence each.
    pub unread: Vec<String>,
}

/// Why a bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosticsError {
    /// A log cannot be read.
    #[error("the log {} cannot be read: {source}", path.display())]
    Log {
        /// The path.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The limit is too small even for the basic parts.
    #[error("{limit} bytes are not enough for a bundle, this one needs {needed} at least: raise --limit")]
    TooSmall {
        /// The limit.
        limit: u64,
        /// The required size.
        needed: u64,
    },
    /// There are too many names for aliases.
    #[error("there are too many names to give each an alias ({0}): ask for one phone (--phone) or one --instance")]
    Names(#[from] aho_corasick::BuildError),
    /// The archive cannot be packed.
    #[error("the bundle cannot be packed: {0}")]
    Archive(#[from] zip::result::ZipError),
}

/// Makes a bundle.
///
/// # Errors
/// See [`DiagnosticsError`].
pub async fn make(sources: &Sources<'_>, options: &BundleOptions) -> Result<DiagnosticsBundle, DiagnosticsError> {
    let Collected { parts, redaction, phones_left_out, unread } = collect::everything(sources, options).await?;
    let at = sources.clock.now();
    let mut room = options.limit.saturating_sub(OVERVIEW);
    loop {
        let kept = sections::fit(&parts, room)
            .map_err(|basics| DiagnosticsError::TooSmall { limit: options.limit, needed: basics + OVERVIEW })?;
        let left_out = left_out(&kept, phones_left_out);
        let overview = redaction.text(&readme::text(sources, options, &kept, (&left_out, &unread)));
        let files: Vec<(&str, &str)> = std::iter::once((OVERVIEW_NAME, overview.as_str()))
            .chain(kept.iter().filter_map(|kept| Some((kept.name.as_str(), kept.text.as_deref()?))))
            .collect();
        let bytes = archive::pack(files.iter().copied(), at)?;
        let over = (bytes.len() as u64).saturating_sub(options.limit);
        if over == 0 {
            let files = files.iter().map(|(name, _)| (*name).to_owned()).collect();
            return Ok(DiagnosticsBundle { bytes, files, left_out, unread });
        }
        // The estimated size was too small.
        room = room.saturating_sub(over + 1024);
    }
}

/// Returns what was omitted for lack of space, as text.
fn left_out(kept: &[Kept], phones: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut of_phones = phones;
    for part in kept.iter().filter(|part| part.text.is_none() || part.kept < part.of) {
        if part.group == Group::Phones {
            of_phones += usize::from(part.text.is_none());
            if part.text.is_none() {
                continue;
            }
        }
        lines.push(match part.kept {
            0 => format!("{}: all of it ({} lines)", part.name, part.of),
            count => format!("{}: all but {count} of {} lines", part.name, part.of),
        });
    }
    if of_phones > 0 {
        lines.push(format!("{of_phones} time lines and files of phones, those first that had no news for longest"));
    }
    lines
}
