//! The URLs phones are given. Pure: who learned which base is the store's matter.

use url::Url;

use super::instance::Instance;

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
    /// Neither configured nor learned.
    #[error(
        "it is not known under which URL phones reach this gateway: connect the provider's app object to the PBX, or set \
         public_url or phone_url"
    )]
    Unknown,
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

/// `.../phone/` of an instance: `phone_url` of the configuration, else `public_url`, else what was learned from
/// the PBX. `/<domain>/<instance>` is appended where the base does not end with it.
///
/// # Errors
/// When there is no base, or when it has another scheme on a port of its own.
pub fn phone_base(instance: &Instance, learned: Option<&Url>, scheme: Scheme) -> Result<String, UrlError> {
    let known = instance.phone_url.as_ref().or(instance.public_url.as_ref()).or(learned);
    let mut base = known.ok_or(UrlError::Unknown)?.clone();
    base.set_query(None);
    base.set_fragment(None);
    base.set_username("").map_err(|()| UrlError::Unknown)?;
    base.set_password(None).map_err(|()| UrlError::Unknown)?;
    if base.scheme() != scheme.as_str() {
        let other = |base: &Url| UrlError::Scheme { wanted: scheme.as_str(), base: base.to_string() };
        if base.port().is_some() {
            return Err(other(&base));
        }
        base.set_scheme(scheme.as_str()).map_err(|()| other(&base))?;
    }
    let path = base.path().trim_end_matches('/').to_owned();
    let own = instance.path();
    let ends = path.len() >= own.len()
        && path.get(path.len() - own.len()..).is_some_and(|tail| tail.eq_ignore_ascii_case(&own));
    base.set_path(&if ends { format!("{path}/phone/") } else { format!("{path}{own}/phone/") });
    Ok(base.into())
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
mod tests {
    use super::*;
    use crate::{phone::instance::InstanceId, secret::Secret};

    fn instance(public: &str, phone: &str) -> Instance {
        Instance {
            id: InstanceId(1),
            domain: "example.com".to_owned(),
            name: "gangway".to_owned(),
            password: Secret::new("x"),
            public_url: Url::parse(public).ok(),
            phone_url: Url::parse(phone).ok(),
            devices_ca: None,
            devices_pin: None,
            admin_password_login: false,
            admin_from: Vec::new(),
            frame_ancestors: Vec::new(),
        }
    }

    #[test]
    fn the_base_is_phone_url_then_public_url_then_learned() {
        let learned = Url::parse("https://apps.example.com/example.com/gangway").unwrap();
        let base = |instance: &Instance, scheme| phone_base(instance, Some(&learned), scheme).ok();
        let bare = instance("", "");
        assert_eq!(base(&bare, Scheme::Https).as_deref(), Some("https://apps.example.com/example.com/gangway/phone/"));
        assert_eq!(base(&bare, Scheme::Http).as_deref(), Some("http://apps.example.com/example.com/gangway/phone/"));
        let public = instance("https://u:p@pub.example.com/x/", "");
        assert_eq!(
            base(&public, Scheme::Https).as_deref(),
            Some("https://pub.example.com/x/example.com/gangway/phone/")
        );
        let phone = instance("https://pub.example.com", "http://10.0.0.1:8080");
        assert_eq!(base(&phone, Scheme::Http).as_deref(), Some("http://10.0.0.1:8080/example.com/gangway/phone/"));
        assert_eq!(base(&phone, Scheme::Https), None);
        assert_eq!(phone_base(&bare, None, Scheme::Https), Err(UrlError::Unknown));
        let why = phone_base(&phone, None, Scheme::Https).unwrap_err().to_string();
        assert!(why.contains("come by https") && why.contains("http://10.0.0.1:8080/"), "{why}");
    }

    #[test]
    fn a_token_url_ends_with_a_slash_and_has_bounds() {
        assert_eq!(token_url("https://x/phone/", "abc").unwrap(), "https://x/phone/abc/");
        assert!(matches!(token_url(&"x".repeat(250), "abcdefg"), Err(UrlError::Long(258))));
        assert!(token_url("https://x/a&b/", "abc").is_err());
    }

    #[test]
    fn the_shared_account_stands_in_the_url() {
        assert_eq!(shared_bootstrap_url("https://x/phone/", "boot", "pw").unwrap(), "https://boot:pw@x/phone/");
        assert!(shared_bootstrap_url("https://x/phone/", "boot", "p@w").is_err());
    }
}
