//! The MAC address type. A MAC address identifies a phone within an instance.

use std::{fmt, str::FromStr};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A unicast EUI-48 address, displayed as 12 lower-case hex digits: the form used on the wire and in files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac([u8; 6]);

/// Why a text is not the MAC address of a phone. The messages are shown to the user who entered the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MacError {
    /// The text is empty.
    #[error("the MAC address is empty: type the 12 hex digits printed on the back of the phone")]
    Empty,
    /// The text contains a character that no common notation uses.
    #[error(
        "'{0}' does not belong into a MAC address: it holds only 0-9 and A-F, with ':', '-', '.' or blanks between"
    )]
    Character(char),
    /// The text does not contain exactly 12 digits.
    #[error("a MAC address has 12 hex digits, this one has {0}")]
    Length(usize),
    /// The separators are in unusual places.
    #[error("the separators of this MAC address stand at unusual places: type 12 hex digits without separators")]
    Grouping,
    /// The group bit is set (includes ff:ff:ff:ff:ff:ff).
    #[error("this is a multicast or broadcast address, not the address of one phone")]
    Multicast,
    /// The address is 00:00:00:00:00:00.
    #[error("an address of only zeros is not the address of a phone")]
    Zero,
}

impl Mac {
    /// Creates an address from six bytes. Fails if they are not the address of a single device.
    pub fn new(bytes: [u8; 6]) -> Result<Self, MacError> {
        if bytes == [0; 6] {
            return Err(MacError::Zero);
        }
        if bytes[0] & 1 == 1 {
            return Err(MacError::Multicast);
        }
        Ok(Self(bytes))
    }

    /// The six bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 6] {
        self.0
    }

    /// The first three bytes (OUI) as six lower-case hex digits. They hint at the manufacturer.
    #[must_use]
    pub fn oui(self) -> String {
        HEXLOWER.encode(&self.0[..3])
    }

    /// Parses exactly 12 hex digits in any case, the only form allowed in file names.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 12 {
            return None;
        }
        let mut bytes = [0; 6];
        HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes).ok()?;
        Self::new(bytes).ok()
    }

    /// Upper-case digits in pairs, joined by `separator`, as users and some vendors write the address.
    #[must_use]
    pub fn spelled(self, separator: &str) -> String {
        self.0.map(|byte| format!("{byte:02X}")).join(separator)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    /// Accepts all common notations: plain, `aa:bb:..`, `aa-bb-..`, `aabb.ccdd.eeff`, `aabbcc-ddeeff`, blanks.
    fn from_str(text: &str) -> Result<Self, MacError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(MacError::Empty);
        }
        let is_separator = |c: char| matches!(c, ':' | '-' | '.' | ' ');
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_hexdigit() && !is_separator(*c)) {
            return Err(MacError::Character(odd));
        }
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
        if digits.len() != 12 {
            return Err(MacError::Length(digits.len()));
        }
        if let Some(separator) = text.chars().find(|c| is_separator(*c)) {
            let groups: Vec<&str> = text.split(separator).collect();
            let size = groups[0].len();
            if !matches!(size, 2 | 4 | 6)
                || groups.iter().any(|group| group.len() != size || group.contains(is_separator))
            {
                return Err(MacError::Grouping);
            }
        }
        let mut bytes = [0; 6];
        HEXLOWER_PERMISSIVE
            .decode_mut(digits.as_bytes(), &mut bytes)
            .map_err(|_checked_above| MacError::Length(digits.len()))?;
        Self::new(bytes)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", HEXLOWER.encode_display(&self.0))
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_means_the_same_phone() {
        for text in [
            "805EC0AABBCC",
            "80:5e:c0:aa:bb:cc",
            "80-5E-C0-AA-BB-CC",
            "805e.c0aa.bbcc",
            "80 5e c0 aa bb cc",
            " 805ec0-aabbcc ",
        ] {
            assert_eq!(text.parse::<Mac>().unwrap().to_string(), "805ec0aabbcc", "{text}");
        }
    }

    #[test]
    fn a_device_that_is_no_phone_is_rejected_with_the_reason() {
        for (text, reason) in [
            ("", MacError::Empty),
            ("805EC0AABBC", MacError::Length(11)),
            ("805EC0AABBCC0", MacError::Length(13)),
            ("805EC0AABBCG", MacError::Character('G')),
            ("8:05ec0aabbcc", MacError::Grouping),
            ("80:5e-c0:aa:bb:cc", MacError::Grouping),
            ("ffffffffffff", MacError::Multicast),
            ("01005e000001", MacError::Multicast),
            ("000000000000", MacError::Zero),
        ] {
            assert_eq!(text.parse::<Mac>().unwrap_err(), reason, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(text in ".{0,40}") {
            let _ = text.parse::<Mac>();
            let _ = Mac::from_hex(&text);
        }

        #[test]
        fn what_is_written_is_read(mut bytes: [u8; 6]) {
            bytes[0] &= 0xfe;
            bytes[5] |= 1;
            let mac = Mac::new(bytes).unwrap();
            proptest::prop_assert_eq!(mac.to_string().parse::<Mac>().unwrap(), mac);
            proptest::prop_assert_eq!(mac.spelled(":").parse::<Mac>().unwrap(), mac);
            proptest::prop_assert_eq!(Mac::from_hex(&mac.spelled("")), Some(mac));
        }
    }
}
