//! A file as people may see it. The template is rendered with a sign in the place of every secret, so the text never
//! held one: whatever an escaper, a filter or a concatenation makes of a value, it makes of the sign.

use std::collections::HashSet;

use super::renderer::{FileRequest, Prepared, RenderError, Renderer, Stage, prepare};
use crate::{
    catalog::{Registry, format::Format},
    phone_config::{sample_layers, sample_phone},
    settings::{Defaults, Layers, Lookup},
};

/// What people see instead of a secret.
pub(super) const SIGN: &str = "***";
/// A second sign: where the two files differ, a line holds a secret.
const OTHER: &str = "+++";

/// A line as people may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskedLine {
    /// Without its secrets.
    pub text: String,
    /// Whether it holds one.
    pub secret: bool,
}

/// A file as people may see it.
#[derive(Debug, Clone)]
pub struct Masked {
    /// Line by line.
    pub lines: Vec<MaskedLine>,
    /// What could not be written.
    pub notes: Vec<String>,
}

/// The keys of a vendor's files by what stands behind them. Digits count as `#`: an account's number is no other key.
#[derive(Debug, Clone, Default)]
pub struct SecretKeys {
    /// Their values are or hold a secret.
    pub secret: HashSet<String>,
    /// Their values never do.
    pub plain: HashSet<String>,
}

impl SecretKeys {
    /// The spelling in which a key is kept.
    #[must_use]
    pub fn spelling(key: &str) -> String {
        key.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
    }

    /// Whether the value behind this key may be shown although nobody knows of which time the file is.
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
    /// The file of [`Renderer::file`] without its secrets.
    ///
    /// # Errors
    /// As [`Renderer::file`].
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
            // A template may hold a password of its own.
            let named = format.place(line, &shape).is_some_and(|place| names_a_secret(place.key));
            let text = if named { format.hidden(line, &shape) } else { line.to_owned() };
            MaskedLine { secret: secret || text != line, text }
        });
        Ok(Masked { lines: lines.collect(), notes })
    }

    /// Which keys of files of this vendor and format hold secrets, in any family and generation.
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
    /// What [`Prepared::render`] writes, with `sign` in the place of every secret. The token is the request's.
    fn masked(&self, registry: &Registry, stage: Stage, sign: &str) -> Result<(String, Vec<String>), RenderError> {
        if self.common || stage == Stage::Open {
            return self.render(registry, stage);
        }
        let neutral = self.neutral(self.phone.ok_or(RenderError::NoPhone)?, &self.settings)?;
        self.written(registry, &neutral.masked(sign))
    }
}

/// The lines of the first text, and whether the other one differs there.
fn lines<'a>(text: &'a str, other: &'a str) -> impl Iterator<Item = (&'a str, bool)> {
    let mut others = other.lines();
    text.lines().map(move |line| (line, others.next() != Some(line)))
}

fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "secret", "_pass", ".pin", "_pin", "ac_code"].iter().any(|word| key.contains(word))
}
