//! The configuration view: the file line by line with the origin of each line, secrets masked. The view never shows a
//! password of a user, a directory, or Devices. On demand it shows the passwords that gangway generated for a phone;
//! the audit records this.

use serde::Deserialize;

use super::{
    ServiceDependencies, actions, audit, audit_texts,
    caller::Caller,
    clip::clip,
    error::ServiceError,
    render_preview,
    types::{ConfigInfo, ConfigLine, RevealedLogin},
};
use crate::{phone::instance::InstanceId, render::Stage};

/// Maximum length of a line, in characters.
pub(super) const LINE: usize = 4_096;

/// A password that gangway generated for one phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GeneratedPassword {
    /// The password with which the phone fetches its files.
    Files,
    /// The password of the phone's web page.
    Web,
}

/// Returns a phone's file as the phone would get it now.
///
/// # Errors
/// If there is no such phone, or no file for it.
pub fn config(
    deps: &ServiceDependencies,
    instance: InstanceId,
    mac: &str,
    stage: Stage,
) -> Result<ConfigInfo, ServiceError> {
    let phone = actions::find(deps, instance, mac)?;
    let file = render_preview::explained(deps, &phone, stage)?;
    let lines = (1..).zip(file.lines).map(|(n, line)| ConfigLine {
        n,
        text: clip(&line.line, LINE),
        origins: line.origins,
        secret: line.secret,
    });
    Ok(ConfigInfo { lines: lines.collect(), notes: file.notes.iter().map(|note| clip(note, LINE)).collect() })
}

/// Returns a password that gangway generated for a phone, and records that in the audit.
///
/// # Errors
/// If there is no such phone, gangway did not generate its password, or the audit cannot be written.
pub async fn reveal(
    deps: &ServiceDependencies,
    person: &Caller,
    mac: &str,
    what: GeneratedPassword,
) -> Result<RevealedLogin, ServiceError> {
    let phone = actions::find(deps, person.instance.id, mac)?;
    let generated = render_preview::generated(deps, &phone)?;
    let (login, deed) = match what {
        GeneratedPassword::Files => (generated.files, audit_texts::REVEAL_FILES),
        GeneratedPassword::Web => (generated.web.ok_or(ServiceError::NotGenerated)?, audit_texts::REVEAL_WEB),
    };
    audit::note(&deps.store, person, phone.id, &deed.message()).await?;
    Ok(RevealedLogin { user: login.user, password: login.password.0 })
}
