//! The public URL: under which URL a provider's phones reach this gateway. Files, redirect entries, answers to SIP PnP, DHCP
//! texts, the admin page and the commands all ask [`PublicUrls`]. Pure: what app objects have said is the store's matter.

use std::collections::{BTreeMap, BTreeSet};

use gangway_base::secret::Secret;
use url::Url;

use super::{instance::Instance, record::Phone};

/// Longest URL a redirect service takes for one phone.
pub const MOST: usize = 256;

/// Scheme a URL shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain text.
    Http,
    /// TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL and in the setting `provisioning_scheme`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Why a URL cannot be given to a phone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not configured, and the provider's own app object has named none. Another provider's object says nothing about it.
    #[error(
        "it is not known under which URL the phones of gangway-{provider} reach this gateway: create the app object \
         gangway-{provider} at the PBX and connect it, or set public_url or phone_url"
    )]
    Unknown {
        /// The provider.
        provider: String,
    },
    /// The app objects of a provider have named different URLs from the beginning.
    #[error(
        "the app objects gangway-{provider} of the PBXs name different URLs ({named}): correct them, or set public_url or \
         phone_url"
    )]
    Conflict {
        /// The provider.
        provider: String,
        /// The URLs, separated by blanks.
        named: String,
    },
    /// Known with another scheme, on a port of its own: the port under the wanted scheme cannot be known.
    #[error(
        "phones shall come by {wanted}, but {base} is the only URL known: set phone_url to a URL that begins with \
         {wanted}://, or change the setting provisioning_scheme"
    )]
    Scheme {
        /// What `provisioning_scheme` wants.
        wanted: &'static str,
        /// What is known.
        base: String,
    },
    /// More than services take.
    #[error("the phones' URL would have {0} characters, redirect services take at most {MOST}: shorten phone_url")]
    Long(usize),
    /// Something that would need escaping.
    #[error("the phones' URL would hold the character '{0}', which phones do not take in a URL")]
    Character(char),
}

/// What the app objects of one provider have said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Learned {
    /// The URL they agreed on last; phones stay with it while there is a conflict.
    pub url: Option<Url>,
    /// The different URLs they name now, separated by blanks.
    pub conflict: Option<String>,
}

/// Everything that decides under which URL the phones of one instance reach this gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct PublicUrls {
    /// `/<domain>/<instance>`.
    path: String,
    /// `phone_url` of the configuration, else `public_url`. It holds for every provider.
    configured: Option<Url>,
    /// By provider.
    learned: BTreeMap<String, Learned>,
}

impl PublicUrls {
    /// What is configured for an instance, and what its app objects have said.
    #[must_use]
    pub fn new(instance: &Instance, learned: BTreeMap<String, Learned>) -> Self {
        let configured = instance.phone_url.clone().or_else(|| instance.public_url.clone());
        Self { path: instance.path(), configured, learned }
    }

    /// One URL for every provider of the instance with this path (`/<domain>/<instance>`).
    #[must_use]
    pub fn of(path: &str, url: Url) -> Self {
        Self { path: path.to_owned(), configured: Some(url), learned: BTreeMap::new() }
    }

    /// None for any provider of the instance with this path.
    #[must_use]
    pub fn none(path: &str) -> Self {
        Self { path: path.to_owned(), ..Self::default() }
    }

    /// What texts show in place of a base that is not known.
    #[must_use]
    pub fn placeholder(&self) -> String {
        format!("https://GATEWAY{}/phone/", self.path)
    }

    /// `.../phone/` as a provider's phones reach it: what is configured, else what the provider's own app object named.
    ///
    /// # Errors
    /// When no URL is known, when it is not settled which one it is, or when the only one has another scheme on a port of
    /// its own.
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

    /// The base that all these providers share where there can be only one: the server entry of a redirect account, a
    /// vendor's DHCP text. It is the one of the first provider that has one.
    ///
    /// # Errors
    /// The first provider's, when none has one.
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
        // A vendor without a provider has no app object; then only the configuration can tell.
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

    /// Whether a provider's phones reach us at some URL, by whatever scheme.
    #[must_use]
    pub fn is_known(&self, provider: &str) -> bool {
        self.known(provider).is_ok()
    }

    /// [`Self::base`] without the scheme: host, port and path. Another scheme alone is no other place.
    ///
    /// # Errors
    /// As [`Self::base`].
    pub fn place(&self, provider: &str) -> Result<String, UrlError> {
        let base = self.in_full(self.known(provider)?.clone());
        Ok(without_scheme(&base).to_owned())
    }

    /// The different URLs the app objects of a provider name now, separated by blanks.
    #[must_use]
    pub fn conflict(&self, provider: &str) -> Option<&str> {
        self.learned.get(provider)?.conflict.as_deref()
    }

    /// What has to be corrected before a provider's phones can be sent to us, or before they can be moved.
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

    /// Whether a PBX has ever had an app object for this provider: only then users can choose its manufacturer entry.
    #[must_use]
    pub fn has_app(&self, provider: &str) -> bool {
        self.learned.get(provider).is_some_and(|learned| learned.url.is_some())
    }

    /// The providers whose app objects have named a URL or name different ones.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.learned.keys().map(String::as_str)
    }

    /// Every host phones of this instance are sent to.
    #[must_use]
    pub fn hosts(&self) -> BTreeSet<String> {
        self.all_urls().into_iter().filter_map(|url| url.host_str().map(str::to_ascii_lowercase)).collect()
    }

    /// Every base phones of this instance are sent to: as it is known, and by https where that has the same port.
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

    /// With `/<domain>/<instance>` where the URL does not end with it, `/phone/`, and nothing else.
    fn in_full(&self, mut base: Url) -> String {
        base.set_query(None);
        base.set_fragment(None);
        // Cannot fail for http and https, and the configuration takes nothing else.
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

/// A URL from its host on.
#[must_use]
pub fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}

/// The URL that goes to a redirect service for one phone: ends with `/`, at most 256 characters, nothing in it that
/// would need escaping in a URL, a file or XML.
///
/// # Errors
/// When it is too long or holds an odd character.
pub fn token_url(base: &str, token: &str) -> Result<String, UrlError> {
    checked(format!("{base}{token}/"))
}

/// The one URL for all phones of an account at a service that knows no other: `phone/` with the shared bootstrap
/// account as `user:password@`.
///
/// # Errors
/// When it is too long or the account holds a character that would need escaping.
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
