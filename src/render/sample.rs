//! `gangway render --vendor V --model M`: renders a file from sample data.

use std::sync::Arc;

use gangway_base::{clock::SharedClock, mac::Mac};
use url::Url;

use super::{
    explain::ExplainedLine,
    renderer::{FileRequest, RenderError, Renderer, Stage},
};
use crate::{
    catalog::{Basis, FileKind, Recognition, SharedRegistry},
    phone::public_url::PublicUrls,
    phone_config::{sample_layers, sample_phone},
    settings::{Layers, SettingRow},
};

/// A sample file.
#[derive(Debug, Clone)]
pub struct SampleFile {
    /// The file as a phone would get it.
    pub text: String,
    /// The same file with origins.
    pub lines: Vec<ExplainedLine>,
    /// Notes about values that could not be written.
    pub notes: Vec<String>,
}

/// Renders sample data. `set` (validated rows, as with `--set`) takes precedence over the sample's own settings.
///
/// # Errors
/// The vendor is unknown, or [`Renderer::file`] fails.
pub fn render_sample(
    registry: &SharedRegistry,
    vendor: &str,
    model: Option<&str>,
    firmware: Option<&str>,
    stage: Stage,
    set: Vec<SettingRow>,
    clock: SharedClock,
) -> Result<SampleFile, RenderError> {
    let loaded = registry.load();
    let known = loaded.vendor(vendor).ok_or(RenderError::NoVendor)?;
    let mac = Mac::new([0x00, 0x15, 0x65, 0xaa, 0xbb, 0xcc]).map_err(|_never| RenderError::NoPhone)?;
    let provider = known.provider_of(model).map_or(vendor, |provider| provider.name.as_str());
    let phone = sample_phone(provider, vendor, model, firmware, mac);
    let mut rows = sample_layers().rows().to_vec();
    rows.extend(set);
    let layers = Layers::new(rows, 1);
    let recognition = Recognition {
        vendor: Some(Arc::clone(&known.name)),
        model: model.map(Arc::from),
        firmware: firmware.map(Arc::from),
        mac: Some(mac),
        agent_mac: None,
        kind: FileKind::Personal,
        name: None,
        file_vendor: None,
        basis: Basis::Agent,
    };
    let urls = PublicUrls::of("/example.com/gangway", sample_url()?);
    let request = FileRequest {
        phone: Some(&phone),
        recognition: &recognition,
        stage,
        urls: &urls,
        token: Some(phone.token.expose()),
        layers: &layers,
    };
    let renderer = Renderer::new(Arc::clone(registry), [0; 32], 0, clock);
    let rendered = renderer.file(&request)?;
    let lines = renderer.explain(&request)?;
    Ok(SampleFile { text: String::from_utf8_lossy(&rendered.body).into_owned(), lines, notes: rendered.notes.clone() })
}

fn sample_url() -> Result<Url, RenderError> {
    Url::parse("https://gangway.example.com").map_err(|error| RenderError::Template(error.to_string()))
}
