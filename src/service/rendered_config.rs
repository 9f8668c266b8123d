//! The configuration view: the file line by line with the origin of each line, secrets masked. The view never shows a
//! password of a user, a directory, or Devices. On demand it shows the passwords that gangway generated for a phone;
//! the audit records this.

use gangway_wire::appws::Envelope;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ServiceDependencies, actions, audit, audit_texts, render_preview,
    response::{MessageResult, clip, one, read, result},
    text::Text,
};
use crate::{phone::instance::InstanceId, render::Stage, service::caller::Caller};

/// Maximum length of a line, in characters.
pub(super) const LINE: usize = 4_096;

#[derive(Deserialize)]
pub(super) struct ConfigRequest {
    pub(super) mac: String,
    #[serde(default)]
    open: bool,
}

#[derive(Deserialize)]
struct RevealRequest {
    mac: String,
    what: Revealed,
}

/// The values that can be revealed: passwords that gangway generated for one phone.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Revealed {
    /// The password with which the phone fetches its files.
    Files,
    /// The password of the phone's web page.
    Web,
}

/// Answers `Config`.
///
/// # Errors
/// If there is no such phone, or no file for it.
pub async fn config(deps: &ServiceDependencies, instance: InstanceId, message: &Envelope) -> MessageResult {
    let request: ConfigRequest = read(message)?;
    let phone = actions::find(deps, instance, &request.mac)?;
    let stage = if request.open { Stage::Open } else { Stage::Personal };
    let file = render_preview::explained(deps, &phone, stage)?;
    let rows: Vec<Value> = file
        .lines
        .iter()
        .enumerate()
        .map(|(place, line)| {
            let text = clip(&line.line, LINE);
            json!({ "n": place + 1, "text": text, "origins": line.origins, "secret": line.secret })
        })
        .collect();
    let notes: Vec<String> = file.notes.iter().map(|note| clip(note, LINE)).collect();
    super::response::list(result(message).field("notes", notes), "lines", &rows)
}

/// Answers `Reveal`.
///
/// # Errors
/// If there is no such phone, gangway did not generate its password, or the audit cannot be written.
pub async fn reveal(deps: &ServiceDependencies, person: &Caller, message: &Envelope) -> MessageResult {
    let request: RevealRequest = read(message)?;
    let phone = actions::find(deps, person.instance.id, &request.mac)?;
    let generated = render_preview::generated(deps, &phone)?;
    let (login, deed) = match request.what {
        Revealed::Files => (generated.files, audit_texts::REVEAL_FILES),
        Revealed::Web => (generated.web.ok_or_else(|| Text::new("not-generated"))?, audit_texts::REVEAL_WEB),
    };
    audit::note(&deps.store, person, phone.id, &deed.message()).await?;
    one(result(message).field("user", login.user).field("password", login.password.0.expose()))
}
