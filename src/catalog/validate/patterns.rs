//! Validates and compiles the patterns of User-Agents and file names.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::line_of;
use crate::catalog::{
    diagnostic::Diagnostic,
    file_pattern::FileKind,
    manifest::Manifest,
    recognise::{AgentPattern, NamePattern, Recogniser},
};

/// Maximum size of a compiled pattern in bytes. Normal patterns need a few kilobytes, exploding ones need megabytes.
const LARGEST: usize = 1 << 20;
/// Maximum nesting of groups and repetitions.
const DEEPEST: u32 = 32;
/// Maximum number of characters in a pattern.
const LONGEST: usize = 1000;

/// Compiles the patterns and adds them to the recogniser; those of files in order.
pub fn compile(
    path: &str,
    text: &str,
    manifest: &Manifest,
    recogniser: &mut Recogniser,
    findings: &mut Vec<Diagnostic>,
) -> Vec<Regex> {
    let vendor: Arc<str> = Arc::from(manifest.name.as_str());
    for agent in &manifest.user_agents {
        if agent.examples.is_empty() {
            let cure = "add at least one User-Agent that was really seen";
            findings.push(Diagnostic::new(path, line_of(text, &agent.pattern), "the pattern has no example", cure));
        }
        if let Some(regex) = compiled(path, text, &agent.pattern, false, &["model", "firmware", "mac"], findings) {
            recogniser.agents.push(AgentPattern::new(Arc::clone(&vendor), regex));
        }
    }
    let mut names = Vec::new();
    for file in &manifest.files {
        // Phones and manually entered URLs use upper case too.
        if let Some(regex) = compiled(path, text, &file.pattern, true, &["mac", "model", "number"], findings) {
            recogniser.names.push(NamePattern::new(Arc::clone(&vendor), file.kind, file.unique, regex.clone()));
            names.push(regex);
        }
        if file.template.is_some() && !matches!(file.kind, FileKind::Personal | FileKind::Common) {
            let reason = format!("a file of kind {} has a template", file.kind.as_str());
            let cure = "only personal and common files are written; remove the template or correct the kind";
            findings.push(Diagnostic::new(path, line_of(text, &file.pattern), reason, cure));
        }
    }
    if !manifest.files.iter().any(|file| file.kind == FileKind::Personal) {
        let cure = "add a [[files]] entry with kind = \"personal\"";
        findings.push(Diagnostic::new(path, line_of(text, "[[files]]"), "no file is personal", cure));
    }
    names
}

fn compiled(
    path: &str,
    text: &str,
    pattern: &str,
    any_case: bool,
    groups: &[&str],
    findings: &mut Vec<Diagnostic>,
) -> Option<Regex> {
    let line = line_of(text, pattern);
    if !pattern.starts_with('^') || !pattern.ends_with('$') {
        let reason = format!("the pattern {pattern} matches anywhere");
        findings.push(Diagnostic::new(path, line, reason, "begin it with ^ and end it with $"));
    }
    if pattern.len() > LONGEST {
        let reason = format!("a pattern of {} characters", pattern.len());
        findings.push(Diagnostic::new(path, line, reason, "split it into several entries"));
        return None;
    }
    let mut builder = RegexBuilder::new(pattern);
    builder.case_insensitive(any_case).size_limit(LARGEST).dfa_size_limit(LARGEST).nest_limit(DEEPEST);
    match builder.build() {
        Ok(regex) => {
            for name in regex.capture_names().flatten().filter(|name| !groups.contains(name)) {
                let reason = format!("the pattern {pattern} has a group '{name}' nobody reads");
                findings.push(Diagnostic::new(path, line, reason, &format!("use {}", groups.join(", "))));
            }
            Some(regex)
        }
        Err(regex::Error::CompiledTooBig(_)) => {
            let reason = format!("the pattern {pattern} would grow beyond {} kB", LARGEST >> 10);
            findings.push(Diagnostic::new(path, line, reason, "make its repetitions {n,m} smaller or use + and *"));
            None
        }
        Err(error) => {
            let message = error.to_string();
            let message = message.lines().last().unwrap_or(&message).trim_start_matches("error: ").to_owned();
            let reason = format!("the pattern {pattern} does not compile: {message}");
            findings.push(Diagnostic::new(path, line, reason, "correct the regular expression"));
            None
        }
    }
}
