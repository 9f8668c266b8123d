//! Diagnostics for problems in a vendor folder.

use std::fmt;

use serde::Serialize;

/// A problem and its remedy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Path below the vendors or templates folder.
    pub file: String,
    /// Line, if known.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
    /// How to fix it.
    pub cure: String,
}

impl Diagnostic {
    pub(crate) fn new(file: &str, line: Option<usize>, reason: impl Into<String>, cure: &str) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into(), cure: cure.to_owned() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.reason, self.cure)
    }
}
