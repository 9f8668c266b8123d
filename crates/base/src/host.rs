//! Validates and normalizes hosts entered by users or sent by PBXs: an RFC 1123 name or an IP address, optionally with
//! a port.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Which host names are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostNameRules {
    /// Letters, digits and hyphens (RFC 1123, 2.1).
    Strict,
    /// Also underscores: PBXs at real sites have such names, and DNS servers resolve them.
    OfPbxs,
}

/// Why a text is not a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Neither a name nor an address.
    #[error("'{0}' is no host: write a name such as pbx.example.com or an address, and :port behind it if need be")]
    Shape(String),
    /// Longer than the maximum length of a name.
    #[error("it has {0} characters: the name of a host has at most 253")]
    Long(usize),
    /// A label (part between dots) is invalid.
    #[error("'{0}' is no host: between its dots stand 1 to 63 letters, digits and hyphens, no hyphen first or last")]
    Label(String),
    /// The port is invalid.
    #[error("'{0}' names no port: it is a number from 1 to 65535")]
    Port(String),
    /// An IPv6 address with a port, but without brackets.
    #[error("'{0}' is no host: an IPv6 address stands in brackets where a port follows it, [2001:db8::1]:5061")]
    Brackets(String),
}

/// Validates a host and normalizes it: lower case, without the trailing dot of a name.
///
/// # Errors
/// Returns a [`HostError`] that describes what is wrong.
pub fn host(text: &str, names: HostNameRules) -> Result<String, HostError> {
    const LONGEST: usize = 253 + ":65535".len() + 1;
    let shape = || HostError::Shape(text.chars().take(80).collect());
    if text.len() > LONGEST {
        return Err(HostError::Long(text.chars().count()));
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(address.to_string());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or_else(shape)?;
        let address: Ipv6Addr = address.parse().map_err(|_no_address| shape())?;
        return match after {
            "" => Ok(format!("[{address}]")),
            after => Ok(format!("[{address}]:{}", port(text, after.strip_prefix(':').ok_or_else(shape)?)?)),
        };
    }
    let (name, after) = match text.split_once(':') {
        Some((_, after)) if after.contains(':') => return Err(HostError::Brackets(text.to_owned())),
        Some((name, after)) => (name, format!(":{}", port(text, after)?)),
        None => (text, String::new()),
    };
    Ok(format!("{}{after}", self::name(name, names, &shape)?))
}

/// Checks that the host name in a URL is a valid host name.
///
/// # Errors
/// Returns a [`HostError`] that describes what is wrong.
pub fn host_in_url(name: &str) -> Result<(), HostError> {
    let shape = || HostError::Shape(name.chars().take(80).collect());
    self::name(name, HostNameRules::Strict, &shape).map(drop)
}

fn port(text: &str, digits: &str) -> Result<u16, HostError> {
    let number = digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()));
    number.filter(|number| *number > 0).ok_or_else(|| HostError::Port(text.to_owned()))
}

fn name(name: &str, names: HostNameRules, shape: &impl Fn() -> HostError) -> Result<String, HostError> {
    if name.parse::<Ipv4Addr>().is_ok() {
        return Ok(name.to_owned());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.is_empty() {
        return Err(shape());
    }
    if name.len() > 253 {
        return Err(HostError::Long(name.chars().count()));
    }
    let inside = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || (c == b'_' && names == HostNameRules::OfPbxs);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    if !name.split('.').all(is_label) {
        return Err(HostError::Label(name.chars().take(80).collect()));
    }
    // A name whose last label is a number would be parsed as an address (RFC 1123, 2.1): 256.1.1.1, 1.2.3.
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|c| c.is_ascii_digit()) {
        return Err(shape());
    }
    Ok(name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_and_brought_into_form() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        for (text, form) in [
            ("PBX.example.com", "pbx.example.com"),
            ("pbx.example.com.", "pbx.example.com"),
            ("pbx", "pbx"),
            ("3com.example.com:5061", "3com.example.com:5061"),
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1:65535", "10.0.0.1:65535"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "[2001:db8::1]"),
            ("[2001:db8::1]:5061", "[2001:db8::1]:5061"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(host(text, HostNameRules::Strict).as_deref(), Ok(form), "{text}");
        }
        assert_eq!(host("pbx_1.example.com", HostNameRules::OfPbxs).as_deref(), Ok("pbx_1.example.com"));
    }

    #[test]
    fn everything_else_is_refused() {
        let long = "a".repeat(64);
        let longer = "a.".repeat(130);
        for text in [
            "",
            ".",
            "a..b",
            ".a",
            "a..",
            "-a",
            "a-",
            "a-.b",
            "$(id)",
            "`id`",
            "\"a\"",
            "'a'",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "a@b",
            "a\\b",
            "a;b",
            "pbx_1",
            "münchen.example",
            "256.1.1.1",
            "1.2.3",
            "10.0.0.1.",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1x",
            ":5061",
            "2001:db8::1:x",
            "[::1",
            "[::1]5061",
            "[::1]:",
            "[::g]",
            "[10.0.0.1]",
            "a\u{ffff}",
            long.as_str(),
            longer.as_str(),
        ] {
            assert!(host(text, HostNameRules::Strict).is_err(), "{text}");
        }
        let error = host(&"x".repeat(5000), HostNameRules::Strict).unwrap_err().to_string();
        assert!(error.len() < 200 && error.contains("5000"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn accepted_hosts_contain_no_shell_or_path_characters(text in "[ -~]{0,20}|[a-z0-9.:_-]{1,20}") {
            if let Ok(form) = host(&text, HostNameRules::OfPbxs) {
                proptest::prop_assert!(form.bytes().all(|c| c.is_ascii_alphanumeric() || b".:-_[]".contains(&c)), "{}", form);
                let again = host(&form, HostNameRules::OfPbxs);
                proptest::prop_assert_eq!(again.as_deref(), Ok(form.as_str()));
            }
        }
    }
}
