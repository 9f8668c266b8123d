//! The configuration view: the file line by line with the origin of each, secrets masked; a single line is shown as it is
//! only when somebody asks for it, and that is written down.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Deps, actions, audit, deeds,
    file::{self, File},
    reply::{Answer, clip, one, read, result},
    text::Text,
};
use crate::{
    apis::admin::Person,
    phone::{instance::InstanceId, record::Phone},
    render::{Stage, mask, secrets_of},
    secret::Secret,
    wire::appws::Envelope,
};

/// Characters of a line.
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
    line: usize,
}

/// The answer to `Config`.
///
/// # Errors
/// When there is no such phone, or no file for it.
pub async fn config(deps: &Deps, instance: InstanceId, message: &Envelope) -> Answer {
    let request: ConfigRequest = read(message)?;
    let phone = actions::find(deps, instance, &request.mac)?;
    let stage = if request.open { Stage::Open } else { Stage::Personal };
    let file = file::explained(deps, &phone, stage)?;
    let secrets = secrets(deps, &phone);
    let rows: Vec<Value> = masked(&file, &secrets)
        .into_iter()
        .zip(&file.lines)
        .enumerate()
        .map(|(place, ((text, secret), line))| {
            json!({ "n": place + 1, "text": clip(&text, LINE), "origins": line.origins, "secret": secret })
        })
        .collect();
    let notes: Vec<String> = file.notes.iter().map(|note| clip(note, LINE)).collect();
    super::reply::list(result(message).field("notes", notes), "lines", &rows)
}

/// The answer to `Reveal`.
///
/// # Errors
/// When there is no such phone, file or line, or it cannot be written down.
pub async fn reveal(deps: &Deps, person: &Person, message: &Envelope) -> Answer {
    let request: RevealRequest = read(message)?;
    let phone = actions::find(deps, person.instance.id, &request.mac)?;
    let file = file::explained(deps, &phone, Stage::Personal)?;
    let line = request.line.checked_sub(1).and_then(|place| file.text.lines().nth(place));
    let Some(line) = line else {
        return Err(Text::new("no-such-line").with("line", request.line).into());
    };
    audit::note(&deps.store, person, phone.id, &deeds::REVEAL.with("line", request.line)).await?;
    one(result(message).field("text", clip(line, LINE)))
}

/// Every line as it may be shown, and whether it hides something.
pub(super) fn masked(file: &File, secrets: &[Secret]) -> Vec<(String, bool)> {
    file.lines
        .iter()
        .zip(file.text.lines())
        .map(|(explained, raw)| {
            let text = mask(&explained.line, file.format, &file.shape, secrets);
            let hides = text != raw;
            (text, hides)
        })
        .collect()
}

/// Everything of a phone that must not be read over a shoulder, wherever it stands in the file.
pub(super) fn secrets(deps: &Deps, phone: &Phone) -> Vec<Secret> {
    secrets_of(&deps.registry.load(), phone, &deps.store.layers(phone.instance))
}
