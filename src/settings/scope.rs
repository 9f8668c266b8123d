//! The scope in which a value is set.

use std::{fmt, str::FromStr};

use gangway_base::mac::{Mac, MacError};

/// The scope of a value. Later variants override earlier ones.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The whole instance.
    Instance,
    /// A vendor.
    Vendor(String),
    /// A model, `vendor/model`.
    Model(String),
    /// A Devices category.
    Category(String),
    /// One phone.
    Phone(Mac),
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
