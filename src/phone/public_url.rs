//! Determines the public URL under which a provider's phones reach this gateway. Files, redirect entries, SIP PnP
//! responses, DHCP texts, the admin page and the commands all use [`PublicUrls`]. This module does no I/O; the store
//! keeps the URLs learned from app objects.

use std::collections::{BTreeMap, BTreeSet};

use gangway_base::secret::Secret;
use url::Url;

use super::{instance::Instance, record::Phone};

/// Maximum length of the URL that a redirect service accepts for one phone.
pub const MOST: usize = 256;

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The scheme as written in a URL and in the setting `provisioning_scheme`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Why there is no URL for a phone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not configured, and the provider's app object has not reported a URL. The app objects of other providers do not
    /// count.
    #[error(
        "it is not known under which URL the phones of gangway-{provider} reach this gateway: create the app object \
         gangway-{provider} at the PBX and connect it, or set public_url or phone_url"
    )]
    Unknown {
        /// The provider.
        provider: String,
    },
    /// The app objects of a provider have always reported different URLs.
    #[error(
        "the app objects gangway-{provider} of the PBXs name different URLs ({named}): correct them, or set public_url or \
         phone_url"
    )]
    Conflict {
        /// The provider.
        provider: String,
        /// The URLs, separated by spaces.
        named: String,
    },
    /// The known URL has another scheme and an explicit port. The port for the wanted scheme is unknown.
    #[error(
        "phones shall come by {wanted}, but {base} is the only URL known: set phone_url to a URL that begins with \
         {wanted}://, or change the setting provisioning_scheme"
    )]
    Scheme {
        /// The scheme that `provisioning_scheme` requires.
        wanted: &'static str,
        /// The known URL.
        base: String,
    },
    /// The URL is longer than redirect services accept.
    #[error("the phones' URL would have {0} characters, redirect services take at most {MOST}: shorten phone_url")]
    Long(usize),
    /// The URL contains a character that would need escaping.
    #[error("the phones' URL would hold the character '{0}', which phones do not take in a URL")]
    Character(char),
}

/// The URLs reported by the app objects of one provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Learned {
    /// The URL they last agreed on. Phones keep using it during a conflict.
    pub url: Option<Url>,
    /// The different URLs they currently report, separated by spaces.
    pub conflict: Option<String>,
}

/// All inputs that determine the public URLs of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PublicUrls {
    /// `/<domain>/<instance>`.
    path: String,
    /// `phone_url` of the configuration, else `public_url`. Applies to all providers.
    configured: Option<Url>,
    /// Learned URLs by provider.
    learned: BTreeMap<String, Learned>,
}

impl PublicUrls {
    /// Combines the configuration of an instance with the URLs learned from its app objects.
    #[must_use]
    pub fn new(instance: &Instance, learned: BTreeMap<String, Learned>) -> Self {
        let configured = instance.phone_url.clone().or_else(|| instance.public_url.clone());
        Self { path: instance.path(), configured, learned }
    }

    /// Uses one URL for all providers of the instance with this path (`/<domain>/<instance>`).
    #[must_use]
    pub fn of(path: &str, url: Url) -> Self {
        Self { path: path.to_owned(), configured: Some(url), learned: BTreeMap::new() }
    }

    /// Has no URL for any provider of the instance with this path.
    #[must_use]
    pub fn none(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// Placeholder shown in texts while the base is unknown.
    #[must_use]
    pub fn placeholder(&self) -> String {
        format!("https://GATEWAY{}/phone/", self.path)
    }

    /// The base `.../phone/` for a provider's phones: the configured URL, else the one reported by the provider's app
    /// object.
    ///
    /// # Errors
    /// When no URL is known, when the app objects report different URLs, or when the only URL has another scheme and an
    /// explicit port.
    pub fn base(&self, provider: &str, scheme: Scheme) -> Result<String, UrlError> {
        let mut base = self.known(provider)?.clone();
        if base.scheme() != scheme.as_str() {
            let other = |base: &Url| UrlError::Scheme { wanted: scheme.as_str(), base: base.to_string() };
            if base.port().is_some() {
                return Err(other(&base));
            }
            base.set_scheme(scheme.as_str()).map_err(|()| other(&base))?;
        }
        Ok(self.in_full(base))
    }

    /// The common base of these providers where only one is possible: the server entry of a redirect account, or a
    /// vendor's DHCP text. It is the base of the first provider that has one.
    ///
    /// # Errors
    /// The error of the first provider, when no provider has a base.
    pub fn shared_base<'a>(
        &self,
        providers: impl IntoIterator<Item = &'a str>,
        scheme: Scheme,
    ) -> Result<String, UrlError> {
        let mut first = None;
        for provider in providers {
            match self.base(provider, scheme) {
                Ok(base) => return Ok(base),
                Err(error) => first = first.or(Some(error)),
            }
        }
        // A vendor without a provider has no app object, so only the configuration can provide a URL.
        first.map_or_else(|| self.base("<provider>", scheme), Err)
    }

    /// The URL of one phone, with its token.
    ///
    /// # Errors
    /// See [`Self::base`] and [`token_url`].
    pub fn of_phone(&self, phone: &Phone, scheme: Scheme) -> Result<Secret, UrlError> {
        let base = self.base(&phone.provider, scheme)?;
        token_url(&base, phone.token.expose()).map(Secret::new)
    }

    /// Whether a URL is known for a provider's phones, with any scheme.
    #[must_use]
    pub fn is_known(&self, provider: &str) -> bool {
        self.known(provider).is_ok()
    }

    /// [`Self::base`] without the scheme: host, port and path. Two URLs that differ only in the scheme are equal here.
    ///
    /// # Errors
    /// See [`Self::base`].
    pub fn place(&self, provider: &str) -> Result<String, UrlError> {
        let base = self.in_full(self.known(provider)?.clone());
        Ok(without_scheme(&base).to_owned())
    }

    /// The different URLs that the app objects of a provider currently report, separated by spaces.
    #[must_use]
    pub fn conflict(&self, provider: &str) -> Option<&str> {
        self.learned.get(provider)?.conflict.as_deref()
    }

    /// What has to be corrected before a provider's phones can be redirected to this gateway, or before they can be
    /// moved.
    #[must_use]
    pub fn problem(&self, provider: &str, scheme: Scheme) -> Option<String> {
        if let Err(error) = self.base(provider, scheme) {
            return Some(error.to_string());
        }
        let named = self.conflict(provider).filter(|_| self.configured.is_none())?;
        Some(format!(
            "the app objects gangway-{provider} of the PBXs name different URLs ({named}): phones stay with the URL known \
             before until they agree"
        ))
    }

    /// Whether a PBX has ever had an app object for this provider. Only then can users choose its manufacturer entry.
    #[must_use]
    pub fn has_app(&self, provider: &str) -> bool {
        self.learned.get(provider).is_some_and(|learned| learned.url.is_some())
    }

    /// The providers whose app objects have reported one URL or different ones.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.learned.keys().map(String::as_str)
    }

    /// All hosts that phones of this instance are sent to.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<String> {
        self.all_urls().into_iter().filter_map(|url| url.host_str().map(str::to_ascii_lowercase)).collect()
    }

    /// All bases that phones of this instance are sent to: as known, and with https if that has the same port.
    #[must_use]
    pub fn bases(&self) -> BTreeSet<String> {
        let both = |url: &Url| {
            let mut https = url.clone();
            let has_https = https.port().is_none() && https.set_scheme(Scheme::Https.as_str()).is_ok();
            [Some(url.clone()), has_https.then_some(https)].into_iter().flatten()
        };
        self.all_urls().into_iter().flat_map(both).map(|url| self.in_full(url)).collect()
    }

    fn all_urls(&self) -> Vec<&Url> {
        match &self.configured {
            Some(configured) => vec![configured],
            None => self.learned.values().filter_map(|learned| learned.url.as_ref()).collect(),
        }
    }

    fn known(&self, provider: &str) -> Result<&Url, UrlError> {
        if let Some(configured) = &self.configured {
            return Ok(configured);
        }
        let provider_name = || provider.to_owned();
        match self.learned.get(provider) {
            Some(Learned { url: Some(url), .. }) => Ok(url),
            Some(Learned { url: None, conflict: Some(named) }) => {
                Err(UrlError::Conflict { provider: provider_name(), named: named.clone() })
            }
            _ => Err(UrlError::Unknown { provider: provider_name() }),
        }
    }

    /// Appends `/<domain>/<instance>` unless the URL ends with it, then `/phone/`. Removes everything else.
    fn in_full(&self, mut base: Url) -> String {
        base.set_query(None);
        base.set_fragment(None);
        // Cannot fail for http and https, and the configuration accepts no other scheme.
        let _ = base.set_username("");
        let _ = base.set_password(None);
        let path = base.path().trim_end_matches('/').to_owned();
        let own = &self.path;
        let tail = path.len().checked_sub(own.len()).and_then(|start| path.get(start..));
        let ends = tail.is_some_and(|tail| tail.eq_ignore_ascii_case(own));
        base.set_path(&if ends { format!("{path}/phone/") } else { format!("{path}{own}/phone/") });
        base.into()
    }
}

/// A URL without its scheme, starting with the host.
#[must_use]
pub fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The URL registered with a redirect service for one phone. It ends with `/`, has at most 256 characters, and contains
/// nothing that would need escaping in a URL, a file or XML.
///
/// # Errors
/// When it is too long or contains such a character.
pub fn token_url(base: &str, token: &str) -> Result<String, UrlError> {
    checked(format!("{base}{token}/"))
}

/// The common URL for all phones of an account, for services that support only one: `phone/` with the shared bootstrap
/// account as `user:password@`.
///
/// # Errors
/// When it is too long, or the account contains a character that would need escaping.
pub fn shared_bootstrap_url(base: &str, user: &str, password: &str) -> Result<String, UrlError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    if let Some(odd) = user.chars().chain(password.chars()).find(|c| !plain(*c)) {
        return Err(UrlError::Character(odd));
    }
    match base.split_once("://") {
        Some((scheme, rest)) => checked(format!("{scheme}://{user}:{password}@{rest}")),
        None => checked(base.to_owned()),
    }
}

fn checked(url: String) -> Result<String, UrlError> {
    if url.len() > MOST {
        return Err(UrlError::Long(url.len()));
    }
    if let Some(odd) =
        url.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '&' | '<' | '>' | '"' | '\'' | '#' | '%'))
    {
        return Err(UrlError::Character(odd));
    }
    Ok(url)
}

#[cfg(test)]
mod tests;
