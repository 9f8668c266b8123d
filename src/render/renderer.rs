//! Renders one file for one request.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use gangway_base::clock::SharedClock;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use sha2::Sha256;

use super::{cache::Cache, rendered_file::Rendered};
use crate::{
    catalog::{
        FileKind, Format, Recognition, Registry, SharedRegistry, Vendor,
        family::{Family, Generation},
        file_pattern::FilePattern,
    },
    phone::{
        public_url::{PublicUrls, Scheme, UrlError},
        record::{DeviceConfig, Phone},
    },
    phone_config::{self, ConfigInputs, Login, PhoneConfig},
    settings::{Defaults, Effective, Layers, Lookup, PhoneCategory},
};

/// How much of a file may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Version line, URL and interval. Contains no secret except the bootstrap URL that the phone requested.
    Open,
    /// The complete file.
    Personal,
}

/// The requested file and its inputs.
#[derive(Debug, Clone, Copy)]
pub struct FileRequest<'a> {
    /// The record, for a personal file.
    pub phone: Option<&'a Phone>,
    /// The recognised request. Its model and firmware take precedence over those of the record.
    pub recognition: &'a Recognition,
    /// How much may be delivered.
    pub stage: Stage,
    /// The public URLs under which the instance's phones reach the gateway.
    pub urls: &'a PublicUrls,
    /// The token of the request. It is part of the URL in an open file and never used in a personal file.
    pub token: Option<&'a str>,
    /// The instance's settings.
    pub layers: &'a Layers,
}

/// Credentials that gangway generated for a phone.
#[derive(Debug, Clone)]
pub struct Generated {
    /// Login with which the phone fetches its files.
    pub files: Login,
    /// Login of the phone's web page; `None` if the password was not generated.
    pub web: Option<Login>,
}

/// Why a file was not rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// Neither the request nor the record names a known vendor.
    #[error("no file is rendered: neither the request nor the record names a known vendor")]
    NoVendor,
    /// The file is not a configuration file.
    #[error("a file of kind {0} is not rendered")]
    Kind(&'static str),
    /// A personal file without a record.
    #[error("a personal file is rendered only for a known phone")]
    NoPhone,
    /// Devices has not configured the phone yet.
    #[error("the personal file of {0} is not rendered before Devices has sent its configuration")]
    NoConfiguration(String),
    /// The format cannot represent a value.
    #[error("the file of {mac} is not rendered: {what} holds what its format cannot carry ({cannot}); change it")]
    Unwritable {
        /// The phone.
        mac: String,
        /// The value.
        what: &'static str,
        /// What the format cannot represent.
        cannot: &'static str,
    },
    /// The template failed, or its output contains something its stage must not.
    #[error("the file is not rendered: {0}; run 'gangway check'")]
    Template(String),
}

/// Renders files and caches them.
pub struct Renderer {
    registry: SharedRegistry,
    etag_key: [u8; 32],
    cache: Cache,
    clock: SharedClock,
}

/// Default size limit of the cache, in bytes.
pub const CACHE_BYTES: usize = 64 << 20;

impl Renderer {
    /// `etag_key` should stay the same across restarts. `cache_bytes` limits the cache ([`CACHE_BYTES`]).
    #[must_use]
    pub fn new(registry: SharedRegistry, etag_key: [u8; 32], cache_bytes: usize, clock: SharedClock) -> Self {
        Self { registry, etag_key, cache: Cache::new(cache_bytes), clock }
    }

    /// Midnight UTC of the day files are rendered for. The day is an input of files because the rules of some time
    /// zones differ from year to year.
    #[must_use]
    pub fn today(&self) -> Timestamp {
        const DAY: i64 = 86_400;
        Timestamp::from_second(self.clock.now().as_second().div_euclid(DAY) * DAY).unwrap_or_default()
    }

    /// Returns the file from the cache, or renders it. The same inputs give the same bytes.
    ///
    /// # Errors
    /// See [`RenderError`]. A partial file is never returned.
    pub fn file(&self, request: &FileRequest<'_>) -> Result<Arc<Rendered>, RenderError> {
        let registry = self.registry.load();
        let cached = request.phone.is_none_or(|phone| phone.id.0 != 0);
        let key = self.cache.key(&(
            request.phone.map(|phone| (phone.id, phone.revision, phone.wanted, phone.device_config.received.is_some())),
            (&request.recognition.vendor, &request.recognition.file_vendor),
            (&request.recognition.model, &request.recognition.firmware),
            (request.recognition.kind, &request.recognition.name, request.stage),
            (request.urls, request.token.filter(|_| request.stage == Stage::Open)),
            (request.layers.revision(), registry.revision(), self.today()),
        ));
        if cached && let Some(found) = self.cache.get(key) {
            return Ok(found);
        }
        let prepared = prepare(&registry, request, Layers::effective, self.today())?;
        let (text, notes) = prepared.render(&registry, request.stage)?;
        let rendered = Arc::new(Rendered {
            etag: self.etag(text.as_bytes()),
            body: Bytes::from(text),
            content_type: prepared.media_type().to_owned(),
            format: prepared.format(),
            notes,
        });
        if cached {
            self.cache.put(key, &rendered);
        }
        Ok(rendered)
    }

    /// The passwords that gangway generated for this phone: the one with which it fetches its files, and the one of its
    /// web page unless an administrator or Devices set it.
    ///
    /// # Errors
    /// See [`Renderer::file`].
    pub fn generated(&self, request: &FileRequest<'_>) -> Result<Generated, RenderError> {
        let registry = self.registry();
        let prepared = prepare(&registry, request, Layers::effective, self.today())?;
        let neutral = prepared.neutral(prepared.phone.ok_or(RenderError::NoPhone)?, &prepared.settings)?;
        let files = Login { user: neutral.provisioning.user, password: neutral.provisioning.password };
        Ok(Generated { files, web: Some(neutral.admin).filter(|_| neutral.admin_is_generated) })
    }

    /// Current size of the cache in bytes.
    #[must_use]
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    pub(super) fn registry(&self) -> arc_swap::Guard<Arc<Registry>> {
        self.registry.load()
    }

    fn etag(&self, body: &[u8]) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.etag_key) else { return String::new() };
        mac.update(body);
        format!("\"{}\"", HEXLOWER.encode(&mac.finalize().into_bytes()[..16]))
    }
}

/// All inputs resolved, nothing rendered yet.
pub(super) struct Prepared<'a> {
    pub vendor: &'a Vendor,
    pub family: &'a Family,
    pub generation: &'a Generation,
    pub file: Option<&'a FilePattern>,
    pub model: Option<String>,
    pub settings: Effective,
    pub phone: Option<&'a Phone>,
    pub url: String,
    /// Why the URL is unknown and therefore empty.
    pub url_problem: Option<UrlError>,
    pub common: bool,
    pub today: Timestamp,
}

/// `resolve` is [`Layers::effective`], or [`Layers::traced`] if the origin of values is needed.
pub(super) fn prepare<'a>(
    registry: &'a Registry,
    request: &FileRequest<'a>,
    resolve: fn(&Layers, &Lookup<'_>, Option<&DeviceConfig>) -> Effective,
    today: Timestamp,
) -> Result<Prepared<'a>, RenderError> {
    let seen = request.recognition;
    let named = match request.phone {
        Some(phone) => registry.vendor(&phone.vendor),
        None => seen.vendor.as_deref().or(seen.file_vendor.as_deref()).and_then(|name| registry.vendor(name)),
    };
    let vendor = named.ok_or(RenderError::NoVendor)?;
    // Vendors use similar file names, so the name is interpreted by the phone's own vendor.
    let file = seen.name.as_deref().and_then(|name| vendor.file(name));
    let common = match if seen.name.is_some() { file.map_or(FileKind::Unknown, |file| file.kind) } else { seen.kind } {
        FileKind::Personal => false,
        FileKind::Common => true,
        other => return Err(RenderError::Kind(other.as_str())),
    };
    let phone = if common { None } else { request.phone };
    if !common && request.stage == Stage::Personal {
        let phone = phone.ok_or(RenderError::NoPhone)?;
        if phone.device_config.received.is_none() && phone.wanted == crate::phone::facet::Wanted::Active {
            return Err(RenderError::NoConfiguration(phone.mac.to_string()));
        }
    }
    // Values of the current request take precedence over recorded ones.
    let own = seen.vendor.as_deref().is_some_and(|name| *name == *vendor.name);
    let said = |now: &Option<Arc<str>>| now.as_deref().filter(|_| own).map(str::to_owned);
    let model = said(&seen.model).or_else(|| phone.and_then(|phone| phone.model.clone()));
    let firmware = said(&seen.firmware).or_else(|| phone.and_then(|phone| phone.firmware.clone()));
    let provider = phone.map(|phone| phone.provider.as_str());
    let (family, generation) = vendor
        .choose(model.as_deref(), provider, firmware.as_deref())
        .ok_or_else(|| RenderError::Template(format!("{} has no generation", vendor.name)))?;
    let lookup = Lookup {
        vendor: Some(&vendor.name),
        model: model.as_deref(),
        category: phone.and_then(PhoneCategory::of),
        mac: phone.map(|phone| phone.mac),
        defaults: Defaults::Family(&family.settings),
    };
    let settings = resolve(request.layers, &lookup, phone.map(|phone| &phone.device_config));
    // A file shared by all phones contains no URL.
    let (url, url_problem) = match (common, base(request, vendor, settings.scheme())) {
        (true, _) => (String::new(), None),
        (false, Ok(base)) => match request.token.filter(|_| request.stage == Stage::Open) {
            Some(token) => (format!("{base}{token}/"), None),
            None => (base, None),
        },
        (false, Err(problem)) => (String::new(), Some(problem)),
    };
    Ok(Prepared { vendor, family, generation, file, model, settings, phone, url, url_problem, common, today })
}

/// The base URL under which the phone reaches the gateway from now on.
fn base(request: &FileRequest<'_>, vendor: &Vendor, scheme: Scheme) -> Result<String, UrlError> {
    match request.phone {
        Some(phone) => request.urls.base(&phone.provider, scheme),
        None => request.urls.shared_base(vendor.providers.iter().map(|provider| provider.name.as_str()), scheme),
    }
}

impl Prepared<'_> {
    pub fn format(&self) -> Format {
        self.vendor.manifest.format_of(self.family)
    }

    pub fn media_type(&self) -> &str {
        self.vendor.manifest.media_type_of(self.family, self.file)
    }

    pub fn render(&self, registry: &Registry, stage: Stage) -> Result<(String, Vec<String>), RenderError> {
        let bare = |template: &str| {
            let nothing: BTreeMap<String, String> = BTreeMap::new();
            registry.render(self.vendor, self.family, template, &nothing, true)
        };
        let text = match (self.common, stage) {
            (true, _) => {
                bare(self.own_template().or(self.generation.common.as_deref()).ok_or(RenderError::Kind("common"))?)
            }
            (false, Stage::Open) => {
                let values = phone_config::open(&self.url);
                registry.render(self.vendor, self.family, &self.generation.open, &values, true)
            }
            (false, Stage::Personal) => {
                return self.personal(registry, self.phone.ok_or(RenderError::NoPhone)?, &self.settings);
            }
        };
        Ok((text.map_err(|fault| RenderError::Template(fault.to_string()))?, Vec::new()))
    }

    /// Renders the personal file of this phone with these settings.
    pub fn personal(
        &self,
        registry: &Registry,
        phone: &Phone,
        settings: &Effective,
    ) -> Result<(String, Vec<String>), RenderError> {
        self.written(registry, &self.neutral(phone, settings)?)
    }

    /// The vendor-neutral configuration in the personal file of this phone.
    pub fn neutral(&self, phone: &Phone, settings: &Effective) -> Result<PhoneConfig, RenderError> {
        let mut facts = self.vendor.facts(self.model.as_deref(), self.family);
        facts.has_handsets = self.vendor.has_handsets(&phone.provider);
        let mut neutral =
            phone_config::build(&ConfigInputs { phone, settings, facts: &facts, url: &self.url, today: self.today });
        let format = self.format();
        neutral.check_turn(|value| format.is_exact(value));
        if let Some(problem) = &self.url_problem {
            neutral
                .notes
                .push(format!("the file names no URL of the gateway, and the phone keeps the one it has: {problem}"));
        }
        if let Some((what, _)) = neutral.exact().find(|(_, value)| !format.is_exact(value)) {
            return Err(RenderError::Unwritable { mac: phone.mac.to_string(), what, cannot: format.cannot_carry() });
        }
        Ok(neutral)
    }

    /// Renders the personal file for this configuration. Also returns notes about values that could not be written.
    pub fn written(&self, registry: &Registry, neutral: &PhoneConfig) -> Result<(String, Vec<String>), RenderError> {
        let template = self.own_template().unwrap_or(&self.generation.personal);
        let text = registry
            .render(self.vendor, self.family, template, neutral, false)
            .map_err(|fault| RenderError::Template(fault.to_string()))?;
        Ok((text, neutral.notes.clone()))
    }

    fn own_template(&self) -> Option<&str> {
        self.file.and_then(|file| file.template.as_deref())
    }
}
