//! The scope in which a value is set.

use std::{fmt, str::FromStr};

use gangway_base::mac::{Mac, MacError};

use crate::phone::record::Phone;

/// The scope of a value. Later variants override earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole instance.
    Instance,
    /// A vendor.
    Vendor(String),
    /// A model, `vendor/model`.
    Model(String),
    /// A Devices category: its name, for every domain that has such a category, or `DOMAIN/NAME`.
    Category(String),
    /// One phone.
    Phone(Mac),
}

/// The Devices category of a phone. Its name is unique only within its domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneCategory<'a> {
    /// The name of the domain, if known.
    pub domain: Option<&'a str>,
    /// The name of the category.
    pub name: &'a str,
}

impl<'a> PhoneCategory<'a> {
    /// The category of a phone, if known.
    #[must_use]
    pub fn of(phone: &'a Phone) -> Option<Self> {
        Some(Self { domain: phone.devices_domain.as_deref(), name: phone.category.as_deref()? })
    }

    /// Reads `NAME` or `DOMAIN/NAME`.
    #[must_use]
    pub fn parse(text: &'a str) -> Self {
        match text.split_once('/') {
            Some((domain, name)) if !domain.is_empty() && !name.is_empty() => Self { domain: Some(domain), name },
            _ => Self { domain: None, name: text },
        }
    }

    /// The scopes that apply to it, widest first.
    pub fn scopes(self) -> impl Iterator<Item = Scope> {
        let qualified = self.domain.map(|domain| Scope::Category(format!("{domain}/{}", self.name)));
        std::iter::once(Scope::Category(self.name.to_owned())).chain(qualified)
    }

    /// Whether the scope of a category applies to it.
    #[must_use]
    pub fn is_in(self, scope: &str) -> bool {
        scope == self.name
            || self.domain.is_some_and(|domain| {
                scope.strip_prefix(domain).and_then(|rest| rest.strip_prefix('/')) == Some(self.name)
            })
    }
}

impl fmt::Display for PhoneCategory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain {
            Some(domain) => write!(f, "{domain}/{}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// Why a text is not a scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Neither `instance` nor one of the four prefixes.
    #[error("'{0}' names no scope: write instance, vendor:NAME, model:VENDOR/MODEL, category:NAME or phone:MAC")]
    Unknown(String),
    /// The part after the colon is missing or malformed.
    #[error("the scope '{0}' lacks its name: write vendor:NAME, model:VENDOR/MODEL, category:NAME or phone:MAC")]
    Name(String),
    /// The MAC address of the phone is invalid.
    #[error("the scope names no phone: {0}")]
    Mac(#[from] MacError),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance => f.write_str("instance"),
            Self::Vendor(name) => write!(f, "vendor:{name}"),
            Self::Model(name) => write!(f, "model:{name}"),
            Self::Category(name) => write!(f, "category:{name}"),
            Self::Phone(mac) => write!(f, "phone:{mac}"),
        }
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let text = text.trim();
        if text == "instance" {
            return Ok(Self::Instance);
        }
        let (word, name) = text.split_once(':').ok_or_else(|| ScopeError::Unknown(text.to_owned()))?;
        let bad_name = || ScopeError::Name(text.to_owned());
        if name.is_empty() || gangway_base::characters::unwritable(name).is_some() {
            return Err(bad_name());
        }
        match word {
            "vendor" => Ok(Self::Vendor(name.to_owned())),
            "model" => match name.split_once('/') {
                Some((vendor, model)) if !vendor.is_empty() && !model.is_empty() => Ok(Self::Model(name.to_owned())),
                _ => Err(bad_name()),
            },
            "category" => Ok(Self::Category(name.to_owned())),
            "phone" => Ok(Self::Phone(name.parse()?)),
            _ => Err(ScopeError::Unknown(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for text in ["instance", "vendor:yealink", "model:yealink/T46U", "category:Head office", "phone:805ec0aabbcc"] {
            assert_eq!(text.parse::<Scope>().unwrap().to_string(), text);
        }
        assert_eq!("phone:80-5E-C0-AA-BB-CC".parse::<Scope>().unwrap().to_string(), "phone:805ec0aabbcc");
    }

    #[test]
    fn an_unknown_scope_is_rejected() {
        for text in ["", "global", "vendor:", "model:T46U", "model:/T46U", "phone:123", "planet:earth"] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
