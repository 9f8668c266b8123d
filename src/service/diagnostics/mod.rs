//! The diagnostics bundle: one archive for a support ticket. Everything about the gateway that helps to find out what is
//! wrong, without secrets, with aliases in place of users, phones and hosts, and no larger than asked for.
//!
//! Nothing here asks the network or changes a record: everything comes from the store, the configuration and what the
//! caller brings.

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

/// Room for the overview, which is written last.
const OVERVIEW: u64 = 12 << 10;
/// Its place in the archive.
const OVERVIEW_NAME: &str = "overview.txt";

/// What a bundle is made from.
pub struct Sources<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The records.
    pub store: &'a Store,
    /// The vendors.
    pub registry: SharedRegistry,
    /// The instances it is of.
    pub tenants: Vec<Tenant>,
    /// The build of this program.
    pub build: &'a str,
    /// What `gangway check` finds without asking anybody.
    pub findings: Vec<String>,
    /// What whoever reads the bundle has to know of how it came about.
    pub remarks: Vec<String>,
    /// Time.
    pub clock: SharedClock,
}

/// An instance, and what only its surroundings know.
pub struct Tenant {
    /// Its key in the store.
    pub id: InstanceId,
    /// `DOMAIN/NAME`.
    pub label: String,
    /// Under which URLs phones reach it.
    pub urls: PublicUrls,
    /// Notices and connections as the serving gateway tells them, or why it does not.
    pub live: Result<Value, String>,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct BundleOptions {
    /// Only this phone.
    pub phone: Option<Mac>,
    /// Logs to put in.
    pub logs: Vec<PathBuf>,
    /// The largest size of the archive, in bytes.
    pub limit: u64,
    /// Names as they are, without aliases.
    pub names: bool,
}

/// A finished bundle.
#[derive(Debug)]
pub struct DiagnosticsBundle {
    /// The archive.
    pub bytes: Vec<u8>,
    /// The files in it.
    pub files: Vec<String>,
    /// What had no room, a sentence each.
    pub left_out: Vec<String>,
    /// What could not be read, a sentence each.
    pub unread: Vec<String>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum DiagnosticsError {
    /// A log cannot be read.
    #[error("the log {} cannot be read: {source}", path.display())]
    Log {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not even what is always in it has room.
    #[error("{limit} bytes are not enough for a bundle, this one needs {needed} at least: raise --limit")]
    TooSmall {
        /// What was allowed.
        limit: u64,
        /// What is needed.
        needed: u64,
    },
    /// Aliases cannot be given.
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
pub async fn make(sources: &Sources<'_>, wish: &BundleOptions) -> Result<DiagnosticsBundle, DiagnosticsError> {
    let Collected { parts, redaction, phones_left_out, unread } = collect::everything(sources, wish).await?;
    let at = sources.clock.now();
    let mut room = wish.limit.saturating_sub(OVERVIEW);
    loop {
        let kept = sections::fit(&parts, room)
            .map_err(|basics| DiagnosticsError::TooSmall { limit: wish.limit, needed: basics + OVERVIEW })?;
        let left_out = left_out(&kept, phones_left_out);
        let overview = redaction.text(&readme::text(sources, wish, &kept, (&left_out, &unread)));
        let files: Vec<(&str, &str)> = std::iter::once((OVERVIEW_NAME, overview.as_str()))
            .chain(kept.iter().filter_map(|kept| Some((kept.name.as_str(), kept.text.as_deref()?))))
            .collect();
        let bytes = archive::pack(files.iter().copied(), at)?;
        let over = (bytes.len() as u64).saturating_sub(wish.limit);
        if over == 0 {
            let files = files.iter().map(|(name, _)| (*name).to_owned()).collect();
            return Ok(DiagnosticsBundle { bytes, files, left_out, unread });
        }
        // The estimate was a little too good.
        room = room.saturating_sub(over + 1024);
    }
}

/// What had no room, for people.
fn left_out(kept: &[Kept], phones: usize) -> Vec<String> {
    let mut said = Vec::new();
    let mut of_phones = phones;
    for part in kept.iter().filter(|part| part.text.is_none() || part.kept < part.of) {
        if part.group == Group::Phones {
            of_phones += usize::from(part.text.is_none());
            if part.text.is_none() {
                continue;
            }
        }
        said.push(match part.kept {
            0 => format!("{}: all of it ({} lines)", part.name, part.of),
            count => format!("{}: all but {count} of {} lines", part.name, part.of),
        });
    }
    if of_phones > 0 {
        said.push(format!("{of_phones} time lines and files of phones, those first that had no news for longest"));
    }
    said
}
