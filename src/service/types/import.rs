//! An import of phones.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::TextInfo;

/// What is wrong with a line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LineProblem {
    /// The line; 0 for the whole file.
    pub line: u64,
    /// The column; may be empty.
    pub field: String,
    /// Why.
    pub text: TextInfo,
}

/// A checked file; nothing is done yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportCheck {
    /// Lines with something in them.
    pub lines: u64,
    /// Lines that can be imported.
    pub good: u64,
    /// Of these, lines that would change nothing.
    pub known: u64,
    /// Lines that cannot.
    pub wrong: u64,
    /// The first 500 reasons.
    pub errors: Vec<LineProblem>,
    /// Whether there are more.
    pub truncated: bool,
    /// Columns nobody knows.
    pub ignored: Vec<String>,
}

/// An import that has begun with the good lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ImportStarted {
    /// How many lines.
    pub started: u64,
    /// What the check said.
    pub check: ImportCheck,
}

/// How far an import is; the last one while none is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Import)]
pub struct ImportInfo {
    /// Lines in all; 0 when there was no import since the start.
    pub of: u64,
    /// Lines that are done.
    pub done: u64,
    /// Of these, lines that changed something.
    #[serde(default)]
    pub changed: u64,
    /// Lines that changed nothing.
    #[serde(default)]
    pub unchanged: u64,
    /// Lines that failed.
    #[serde(default)]
    pub failed: u64,
    /// The first 100 reasons.
    #[serde(default)]
    pub errors: Vec<LineProblem>,
    /// Whether it has ended.
    #[serde(default = "yes")]
    pub finished: bool,
}

fn yes() -> bool {
    true
}

/// With which an import provisions phones.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ImportOptions {
    /// Id or name of the category in Devices for lines that name none.
    pub category: Option<String>,
    /// Each code is valid for 7 days instead of 15 minutes.
    pub rollout: bool,
}
