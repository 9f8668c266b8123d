//! Renders the current file of a phone for display.

use super::ServiceDependencies;
use crate::{
    catalog::format::{Format, Shape},
    phone::record::Phone,
    render::{ExplainedLine, FileRequest, Generated, RenderError, Stage, recognition_of},
};

/// A file and its lines.
pub struct File {
    /// As delivered, including secrets. For comparison only, not for display.
    pub text: String,
    /// Line by line with origins; secrets are masked.
    pub lines: Vec<ExplainedLine>,
    /// Values that could not be written.
    pub notes: Vec<String>,
    /// Its format.
    pub format: Format,
    /// The form of its lines.
    pub shape: Shape,
}

fn with_request<R>(
    deps: &ServiceDependencies,
    phone: &Phone,
    stage: Stage,
    then: impl FnOnce(&FileRequest<'_>) -> R,
) -> R {
    let last = deps.store.requests().last(phone.id);
    let recognition = recognition_of(&deps.registry.load(), phone, last.as_ref());
    let urls = (deps.urls)(phone.instance);
    let layers = deps.store.settings().layers(phone.instance);
    then(&FileRequest {
        phone: Some(phone),
        recognition: &recognition,
        stage,
        urls: &urls,
        token: Some(phone.token.expose()),
        layers: &layers,
    })
}

/// Renders the file with the origin of every line. Slow: several hundred renderings.
///
/// # Errors
/// Why it cannot be rendered.
pub fn explained(deps: &ServiceDependencies, phone: &Phone, stage: Stage) -> Result<File, RenderError> {
    with_request(deps, phone, stage, |request| {
        let rendered = deps.renderer.file(request)?;
        let lines = deps.renderer.explain(request)?;
        let text = String::from_utf8_lossy(&rendered.body).into_owned();
        let shape = deps.registry.load().vendor(&phone.vendor).map(|vendor| vendor.manifest.lines.clone());
        let (notes, format) = (rendered.notes.clone(), rendered.format);
        Ok(File { text, lines, notes, format, shape: shape.unwrap_or_default() })
    })
}

/// Returns the values that gangway generated for the phone.
///
/// # Errors
/// Why the file cannot be rendered.
pub fn generated(deps: &ServiceDependencies, phone: &Phone) -> Result<Generated, RenderError> {
    with_request(deps, phone, Stage::Personal, |request| deps.renderer.generated(request))
}

/// Whether the file that the phone fetched last is current, or `None` before its first delivery.
#[must_use]
pub fn holds_current(deps: &ServiceDependencies, phone: &Phone) -> Option<bool> {
    let delivery = phone.delivery.as_ref()?;
    with_request(deps, phone, Stage::Personal, |request| {
        deps.renderer.file(request).ok().map(|rendered| rendered.etag == delivery.etag)
    })
}
