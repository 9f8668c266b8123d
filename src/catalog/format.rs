//! File formats of phones. Each format has a file with three parts: an escaper that keeps every value a single value, a
//! validation of the rendered file (`finish`), and the position of the values in a line, so that files can be displayed
//! without their secrets. The manifest selects the format; templates cannot choose another.

mod lines;
mod xml;
mod yealink_cfg;

use std::ops::Range;

use gangway_base::characters::is_unwritable as dropped;
pub use lines::Shape;
use serde::{Deserialize, Serialize};
use tera::EscapeFn;

/// A file format with its escaper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Format {
    /// `key = value` lines below a version line.
    #[serde(rename = "yealink-cfg")]
    YealinkCfg,
    /// XML: settings are elements, one per line.
    #[serde(rename = "xml")]
    Xml,
    /// Any other line-based format with a key and a value; the manifest contains its [`Shape`].
    #[serde(rename = "lines")]
    Lines,
}

/// An error in a rendered file, with line and reason. Never contains a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line number, from 1.
    pub line: usize,
    /// The error.
    pub reason: String,
}

/// Returns whether a key is allowed in a file.
pub type KeyFilter<'a> = Option<&'a dyn Fn(&str) -> bool>;

/// The name of a setting and the position of its values in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePlace<'a> {
    /// Name of the parameter or element.
    pub key: &'a str,
    /// Byte ranges of the values in the line, in order. Empty values are omitted.
    pub values: Vec<Range<usize>>,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::YealinkCfg, Self::Xml, Self::Lines];

    /// The escaper, which writes a value so that it remains a single value.
    pub(super) fn escaper(self) -> EscapeFn {
        match self {
            Self::YealinkCfg => yealink_cfg::escape,
            Self::Xml => xml::escape,
            Self::Lines => lines::escape,
        }
    }

    /// The value as written by the format.
    #[must_use]
    pub fn escaped(self, value: &str) -> String {
        match self {
            Self::YealinkCfg => yealink_cfg::escaped(value),
            Self::Xml => xml::escaped(value),
            Self::Lines => lines::escaped(value),
        }
    }

    /// Whether the format can represent the value exactly.
    #[must_use]
    pub fn is_exact(self, value: &str) -> bool {
        match self {
            Self::YealinkCfg => yealink_cfg::is_exact(value),
            Self::Xml => xml::is_exact(value),
            Self::Lines => lines::is_exact(value),
        }
    }

    /// What the format cannot represent, as a message for users.
    #[must_use]
    pub fn cannot_carry(self) -> &'static str {
        match self {
            Self::YealinkCfg => {
                "'#' after a blank or at the start, control characters and noncharacters, blanks around it"
            }
            Self::Xml => "control characters and noncharacters, blanks around it",
            Self::Lines => {
                "'#', ';' or '//' after a blank or at the start, '\\' at the end, quotes around it, control \
                 characters and noncharacters, blanks around it"
            }
        }
    }

    /// Tidies and validates a rendered file. `shape` is used only by [`Format::Lines`].
    ///
    /// # Errors
    /// Line and reason.
    pub fn finish(self, text: &str, shape: &Shape, allowed: KeyFilter<'_>) -> Result<String, Fault> {
        match self {
            Self::YealinkCfg => yealink_cfg::finish(text, allowed),
            Self::Xml => xml::finish(text, allowed),
            Self::Lines => lines::finish(text, shape, allowed),
        }
    }

    /// Key and values of a line of a finished file; `None` if it contains no setting.
    #[must_use]
    pub fn place<'a>(self, line: &'a str, shape: &Shape) -> Option<ValuePlace<'a>> {
        match self {
            Self::YealinkCfg => yealink_cfg::place(line),
            Self::Xml => xml::place(line),
            Self::Lines => lines::place(line, shape),
        }
    }

    /// The line with its values replaced by `***`.
    #[must_use]
    pub fn hidden(self, line: &str, shape: &Shape) -> String {
        let Some(place) = self.place(line, shape) else { return line.to_owned() };
        let mut text = line.to_owned();
        for range in place.values.into_iter().rev() {
            text.replace_range(range, "***");
        }
        text
    }
}

/// The single value of a line after its separator.
fn rest_of<'a>(line: &'a str, separator: &str) -> Option<ValuePlace<'a>> {
    let (key, rest) = line.split_once(separator)?;
    let value = rest.trim();
    let start = line.len() - rest.trim_start().len();
    let values = std::iter::once(start..start + value.len()).filter(|range| !range.is_empty()).collect();
    Some(ValuePlace { key: key.trim(), values })
}
