//! What would change at a phone: the file it fetched last beside the one it would get now. Secrets are masked on both
//! sides, also those of a time when the record was another; whether one has changed is told without its value.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use regex::Regex;
use serde_json::{Value, json};
use similar::{Algorithm, ChangeTag, capture_diff_slices};

use super::{
    Deps,
    config::{ConfigRequest, LINE, masked, secrets},
    file::{self, File},
    reply::{Answer, clip, read, result},
    row::time,
    text::Text,
};
use crate::{
    phone::instance::InstanceId,
    render::{Stage, mask},
    secret::Secret,
    vendor::format::Format,
    wire::appws::Envelope,
};

/// Users and passwords in a URL.
static USER_INFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("://[^/@\\s\"<>]+@").ok());
/// The token in the URL of a phone's file.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("/phone/[a-z2-7]{20,}").ok());

/// The answer to `Diff`.
///
/// # Errors
/// When there is no such phone, nothing to compare, or no present file.
pub async fn diff(deps: &Deps, instance: InstanceId, message: &Envelope) -> Answer {
    let request: ConfigRequest = read(message)?;
    let phone = super::actions::find(deps, instance, &request.mac)?;
    let Some(delivery) = phone.delivery.as_ref() else {
        return Err(Text::new("nothing-delivered").into());
    };
    let Some(kept) = deps.store.delivered_file(phone.id).await? else {
        return Err(Text::new("delivered-file-not-kept").with("at", time(delivery.at)).into());
    };
    let now = file::explained(deps, &phone, Stage::Personal)?;
    let before = String::from_utf8_lossy(&kept.body);
    let lines = compare(&before, &now, &secrets(deps, &phone));
    let count = |tag| lines.iter().filter(|line| line.tag == tag).count();
    let answer = result(message)
        .field("held", json!({ "at": time(kept.at), "name": kept.name, "last": kept.etag == delivery.etag }))
        .field("added", count(ChangeTag::Insert))
        .field("removed", count(ChangeTag::Delete));
    let rows: Vec<Value> = lines.iter().map(Line::json).collect();
    super::reply::list(answer, "lines", &rows)
}

/// A line of either file or of both.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    tag: ChangeTag,
    /// Its number in the file held, from 1.
    was: Option<usize>,
    /// Its number in the present file, from 1.
    n: Option<usize>,
    text: String,
    secret: Option<&'static str>,
}

impl Line {
    fn json(&self) -> Value {
        let kind = match self.tag {
            ChangeTag::Equal => "same",
            ChangeTag::Insert => "added",
            ChangeTag::Delete => "removed",
        };
        json!({ "kind": kind, "was": self.was, "n": self.n, "text": clip(&self.text, LINE), "secret": self.secret })
    }
}

fn compare(before: &str, now: &File, known: &[Secret]) -> Vec<Line> {
    let shown = masked(now, known);
    let new: Vec<&str> = now.text.lines().collect();
    let old: Vec<&str> = before.lines().collect();
    let hider = Hider::new(now, &new, &shown, known);
    let keys = |lines: &[&str]| -> HashSet<String> { lines.iter().filter_map(|line| hider.key(line)).collect() };
    let (old_keys, new_keys) = (keys(&old), keys(&new));
    let word = |line: &str, other: &HashSet<String>, alone: &'static str| {
        if hider.key(line).is_some_and(|key| other.contains(&key)) { "changed" } else { alone }
    };
    let mut lines = Vec::with_capacity(new.len());
    for change in capture_diff_slices(Algorithm::Patience, &old, &new).iter().flat_map(|op| op.iter_changes(&old, &new))
    {
        let (tag, raw) = (change.tag(), change.value());
        let (text, hides) = match change.new_index().and_then(|place| shown.get(place)) {
            Some((text, hides)) => (text.clone(), *hides),
            None => hider.old(raw),
        };
        let secret = hides.then(|| match tag {
            ChangeTag::Equal => "same",
            ChangeTag::Insert => word(raw, &old_keys, "new"),
            ChangeTag::Delete => word(raw, &new_keys, "gone"),
        });
        let (was, n) = (change.old_index().map(|place| place + 1), change.new_index().map(|place| place + 1));
        lines.push(Line { tag, was, n, text, secret });
    }
    lines
}

/// Hides what was secret in a file whose secrets nobody knows any more.
struct Hider<'a> {
    now: &'a File,
    known: &'a [Secret],
    /// Lines of the present file as they are shown.
    same: HashMap<&'a str, &'a (String, bool)>,
    /// Keys with a secret in the present file; whatever account or key they are of.
    keys: HashSet<String>,
}

impl<'a> Hider<'a> {
    fn new(now: &'a File, new: &[&'a str], shown: &'a [(String, bool)], known: &'a [Secret]) -> Self {
        let mut hider = Self { now, known, same: HashMap::new(), keys: HashSet::new() };
        hider.same = new.iter().copied().zip(shown).collect();
        hider.keys = new
            .iter()
            .zip(shown)
            .filter(|(_, (_, hides))| *hides)
            .filter_map(|(line, _)| hider.key(line))
            .map(|key| without_numbers(&key))
            .collect();
        hider
    }

    /// What a line sets: in XML also for which index.
    fn key(&self, line: &str) -> Option<String> {
        let place = self.now.format.place(line, &self.now.shape)?;
        match (self.now.format, place.values.first()) {
            (Format::Xml, Some(value)) => line.get(..value.start).map(|head| head.trim().to_owned()),
            _ => Some(place.key.to_owned()),
        }
    }

    fn old(&self, line: &str) -> (String, bool) {
        if let Some((text, hides)) = self.same.get(line) {
            return (text.clone(), *hides);
        }
        let File { format, shape, .. } = self.now;
        let by_key = self.key(line).is_some_and(|key| self.keys.contains(&without_numbers(&key)));
        let mut text = match by_key {
            true => format.hidden(line, shape),
            false => mask(line, *format, shape, self.known),
        };
        for (pattern, shown) in [(&USER_INFO, "://***@"), (&TOKEN, "/phone/***")] {
            if let Some(pattern) = pattern.as_ref() {
                text = pattern.replace_all(&text, shown).into_owned();
            }
        }
        let hides = text != line;
        (text, hides)
    }
}

fn without_numbers(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::ExplainedLine;

    fn file(text: &str) -> File {
        let lines = text.lines().map(|line| ExplainedLine { line: line.to_owned(), origins: Vec::new() }).collect();
        let (notes, shape) = (Vec::new(), Default::default());
        File { text: text.to_owned(), lines, notes, format: Format::YealinkCfg, shape }
    }

    fn told(before: &str, now: &str, known: &[&str]) -> Vec<(char, String, Option<&'static str>)> {
        let known: Vec<Secret> = known.iter().map(|secret| Secret::new(*secret)).collect();
        let sign = |tag| match tag {
            ChangeTag::Equal => ' ',
            ChangeTag::Insert => '+',
            ChangeTag::Delete => '-',
        };
        compare(before, &file(now), &known).into_iter().map(|line| (sign(line.tag), line.text, line.secret)).collect()
    }

    #[test]
    fn lines_are_told_apart_and_secrets_never_shown() {
        let before = "a = 1\naccount.1.password = old-one\naccount.2.password = second\nkey.2.value = former-token\n\
                      url = https://u:p4ss@h/phone/abcdefghijklmnopqrstuvwxyz/\nb = 2\n";
        let now = "a = 1\naccount.1.password = new-one\nkey.1.value = token-of-now\nb = 3\nc = 4\n";
        let lines = told(before, now, &["new-one", "token-of-now"]);
        let line = |sign, text: &str, secret| (sign, text.to_owned(), secret);
        for expected in [
            line(' ', "a = 1", None),
            line('-', "account.1.password = ***", Some("changed")),
            line('+', "account.1.password = ***", Some("changed")),
            line('-', "account.2.password = ***", Some("gone")),
            line('-', "key.2.value = ***", Some("gone")),
            line('+', "key.1.value = ***", Some("new")),
            line('-', "url = https://***@h/phone/***/", Some("gone")),
            line('-', "b = 2", None),
            line('+', "b = 3", None),
            line('+', "c = 4", None),
        ] {
            assert!(lines.contains(&expected), "{expected:?} in {lines:#?}");
        }
        assert_eq!(lines.len(), 10);
    }

    #[test]
    fn the_same_secret_is_told_to_be_the_same() {
        let text = "account.1.password = hunter22\nb = 1\n";
        let lines = told(text, text, &["hunter22"]);
        assert_eq!(lines[0], (' ', "account.1.password = ***".to_owned(), Some("same")));
        assert_eq!(lines[1].2, None);
    }
}
