//! Output of commands: tables for users, JSON for programs, errors as sentences.

use std::{borrow::Cow, io::Write};

use crate::base::telemetry::escape_control;

/// Prints one line. Control characters in it are escaped, so that foreign text cannot move the cursor or start a line.
/// A closed pipe (`| head`) ends the output, not the command.
pub fn line(text: &str) {
    print(&escape_control::line(text));
}

/// Prints a text of several lines.
pub fn document(text: &str) {
    print(&escape_control::lines(text));
}

fn print(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a line to standard error for the user.
pub fn note(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", escape_control::line(text));
}

/// Prints data as indented JSON.
pub fn json(value: &serde_json::Value) {
    print(&escape_control::json(&serde_json::to_string_pretty(value).unwrap_or_default()));
}

/// Prints rows in columns as wide as their widest cell. The last column is not padded.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    // Escape before measuring the columns: escaping makes text longer.
    let rows: Vec<Vec<Cow<'_, str>>> =
        rows.iter().map(|row| row.iter().map(|cell| escape_control::line(cell)).collect()).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).chain([head[column].len()]).max()
    };
    let widths: Vec<usize> = (0..head.len()).map(|column| width(column).unwrap_or(0)).collect();
    let print_row = |cells: &mut dyn Iterator<Item = &str>| {
        let mut text = String::new();
        for (cell, width) in cells.zip(&widths) {
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
        }
        line(text.trim_end());
    };
    print_row(&mut head.iter().copied());
    for row in &rows {
        print_row(&mut row.iter().map(AsRef::as_ref));
    }
}

/// Prints an error with its causes, one per line, starting with the outermost. An error with several findings gets one
/// line for each.
pub fn print_error(error: &anyhow::Error) {
    let tell = |text: &str| {
        let _ = writeln!(std::io::stderr().lock(), "{}", escape_control::lines(text));
    };
    tell(&format!("gangway: {error}"));
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !last.contains(&text) {
            tell(&format!("  because: {text}"));
        }
        last = text;
    }
}

/// A member of a row, as text; empty if it has none.
pub fn text(row: &serde_json::Value, name: &str) -> String {
    match &row[name] {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    }
}
