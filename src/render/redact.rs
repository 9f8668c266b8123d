//! Renders a file without its secrets, for display. The template is rendered with a placeholder in place of every
//! secret, so the text never contains one. Escapers, filters and concatenations treat the placeholder like the value.

use std::collections::HashSet;

use super::renderer::{FileRequest, Prepared, RenderError, Renderer, Stage, prepare};
use crate::{
    catalog::{Registry, format::Format},
    phone_config::{sample_layers, sample_phone},
    settings::{Defaults, Layers, Lookup},
};

/// The placeholder shown instead of a secret.
pub(super) const SIGN: &str = "***";
/// A second placeholder: a line contains a secret if it differs between the two files.
const OTHER: &str = "+++";

/// A line for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedLine {
    /// The text without secrets.
    pub text: String,
    /// Whether the line contains a secret.
    pub secret: bool,
}

/// A file for display.
#[derive(Debug, Clone)]
pub struct Masked {
    /// The lines.
    pub lines: Vec<MaskedLine>,
    /// Notes about values that could not be written.
    pub notes: Vec<String>,
}

/// The keys of a vendor's files, classified by their values. Digits count as `#`, so keys of different accounts are
/// equal.
#[derive(Debug, Clone, Default)]
pub struct SecretKeys {
    /// Keys whose values are or contain a secret.
    pub secret: HashSet<String>,
    /// Keys whose values never contain a secret.
    pub plain: HashSet<String>,
}

impl SecretKeys {
    /// The normalised spelling of a key.
    #[must_use]
    pub fn spelling(key: &str) -> String {
        key.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
    }

    /// Whether the value of this key may be shown in a file of unknown age.
    #[must_use]
    pub fn may_show(&self, key: &str) -> bool {
        let key = Self::spelling(key);
        self.plain.contains(&key) && !self.secret.contains(&key)
    }

    fn note(&mut self, key: &str, secret: bool) {
        let key = Self::spelling(key);
        if secret {
            self.secret.insert(key)
        } else {
            self.plain.insert(key)
        };
    }
}

impl Renderer {
    /// Renders the file of [`Renderer::file`] without its secrets.
    ///
    /// # Errors
    /// See [`Renderer::file`].
    pub fn masked(&self, request: &FileRequest<'_>) -> Result<Masked, RenderError> {
        let registry = self.registry();
        let render = |sign: &'static str| {
            let request = FileRequest { token: request.token.map(|_| sign), ..*request };
            let prepared = prepare(&registry, &request, Layers::effective, self.today())?;
            let written = prepared.masked(&registry, request.stage, sign)?;
            Ok::<_, RenderError>((written, prepared.format(), prepared.vendor.manifest.lines.clone()))
        };
        let ((text, notes), format, shape) = render(SIGN)?;
        let ((other, _), ..) = render(OTHER)?;
        let lines = lines(&text, &other).map(|(line, secret)| {
            // A template may contain a literal password.
            let named = format.place(line, &shape).is_some_and(|place| names_a_secret(place.key));
            let text = if named { format.hidden(line, &shape) } else { line.to_owned() };
            MaskedLine { secret: secret || text != line, text }
        });
        Ok(Masked { lines: lines.collect(), notes })
    }

    /// Which keys of this vendor's files in this format have secret values, over all families and generations.
    #[must_use]
    pub fn keys(&self, vendor: &str, format: Format) -> SecretKeys {
        let mut keys = SecretKeys::default();
        let registry = self.registry();
        let Some(vendor) = registry.vendor(vendor) else { return keys };
        let layers = sample_layers();
        for family in vendor.manifest.families.iter().filter(|family| vendor.manifest.format_of(family) == format) {
            for generation in vendor.manifest.generations_of(family) {
                let Ok(mac) = "02cafe000001".parse() else { continue };
                let phone = sample_phone(&vendor.name, &vendor.name, None, None, mac);
                let lookup = Lookup {
                    vendor: Some(&vendor.name),
                    model: None,
                    category: None,
                    mac: None,
                    defaults: Defaults::Family(&family.settings),
                };
                let prepared = Prepared {
                    vendor,
                    family,
                    generation,
                    file: None,
                    model: None,
                    settings: layers.effective(&lookup, Some(&phone.device_config)),
                    phone: Some(&phone),
                    url: "https://gateway.example.com/phone/".to_owned(),
                    url_problem: None,
                    common: false,
                    today: self.today(),
                };
                let render = |sign| prepared.masked(&registry, Stage::Personal, sign);
                let (Ok((text, _)), Ok((other, _))) = (render(SIGN), render(OTHER)) else { continue };
                for (line, secret) in lines(&text, &other) {
                    if let Some(place) = format.place(line, &vendor.manifest.lines) {
                        keys.note(place.key, secret || names_a_secret(place.key));
                    }
                }
            }
        }
        keys
    }
}

impl Prepared<'_> {
    /// Same as [`Prepared::render`] with `sign` in place of every secret. The caller replaces the token in the request.
    fn masked(&self, registry: &Registry, stage: Stage, sign: &str) -> Result<(String, Vec<String>), RenderError> {
        if self.common || stage == Stage::Open {
            return self.render(registry, stage);
        }
        let neutral = self.neutral(self.phone.ok_or(RenderError::NoPhone)?, &self.settings)?;
        self.written(registry, &neutral.masked(sign))
    }
}

/// The lines of the first text, each with whether the other text differs there.
fn lines<'a>(text: &'a str, other: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
    let mut others = other.lines();
    text.lines().map(move |line| (line, others.next() != Some(line)))
}

fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "secret", "_pass", ".pin", "_pin", "ac_code"].iter().any(|word| key.contains(word))
}
