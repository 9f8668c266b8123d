//! Formats of phones' files. Each is one file with three duties: an escaper that keeps every value one value, a last
//! look at what a template wrote (`finish`), and the place of the value in a line, so that people can be shown a
//! file without its secrets. A manifest names the format; templates cannot choose another.

mod lines;
mod xml;
mod yealink_cfg;

use std::ops::Range;

use gangway_base::characters::is_unwritable as dropped;
pub use lines::Shape;
use serde::{Deserialize, Serialize};
use tera::EscapeFn;

/// A format of files, with its escaper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Format {
    /// `key = value` lines below a version line.
    #[serde(rename = "yealink-cfg")]
    YealinkCfg,
    /// XML: settings are elements, one per line.
    #[serde(rename = "xml")]
    Xml,
    /// Any other format of lines with a key and a value; its [`Shape`] stands in the manifest.
    #[serde(rename = "lines")]
    Lines,
}

/// What is wrong with a written file: line and reason. Never holds a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From 1.
    pub line: usize,
    /// Why.
    pub reason: String,
}

/// Tells whether a key may stand in a file.
pub type KeyFilter<'a> = Option<&'a dyn Fn(&str) -> bool>;

/// The name of a setting and where its value stands in a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuePlace<'a> {
    /// The parameter's or element's name.
    pub key: &'a str,
    /// Byte ranges of the values in the line, in order; empty ones are left out.
    pub values: Vec<Range<usize>>,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::YealinkCfg, Self::Xml, Self::Lines];

    /// Writes a value so that it stays one value.
    pub(super) fn escaper(self) -> EscapeFn {
        match self {
            Self::YealinkCfg => yealink_cfg::escape,
            Self::Xml => xml::escape,
            Self::Lines => lines::escape,
        }
    }

    /// The value as the format writes it.
    #[must_use]
    pub fn escaped(self, value: &str) -> String {
        match self {
            Self::YealinkCfg => yealink_cfg::escaped(value),
            Self::Xml => xml::escaped(value),
            Self::Lines => lines::escaped(value),
        }
    }

    /// Whether the format carries the value to the letter.
    #[must_use]
    pub fn is_exact(self, value: &str) -> bool {
        match self {
            Self::YealinkCfg => yealink_cfg::is_exact(value),
            Self::Xml => xml::is_exact(value),
            Self::Lines => lines::is_exact(value),
        }
    }

    /// What it cannot carry, for people.
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

    /// Tidies and checks what was rendered; `shape` is used by [`Format::Lines`] only.
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

    /// Key and values of a line of a finished file; none where it holds no setting.
    #[must_use]
    pub fn place<'a>(self, line: &'a str, shape: &Shape) -> Option<ValuePlace<'a>> {
        match self {
            Self::YealinkCfg => yealink_cfg::place(line),
            Self::Xml => xml::place(line),
            Self::Lines => lines::place(line, shape),
        }
    }

    /// The line with `***` in place of its values.
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

/// The one value of a line after its separator.
fn rest_of<'a>(line: &'a str, separator: &str) -> Option<ValuePlace<'a>> {
    let (key, rest) = line.split_once(separator)?;
    let value = rest.trim();
    let start = line.len() - rest.trim_start().len();
    let values = std::iter::once(start..start + value.len()).filter(|range| !range.is_empty()).collect();
    Some(ValuePlace { key: key.trim(), values })
}
