//! Compares the file that a phone fetched last with the one it would get now. Secrets are masked in both. The current
//! file is rendered without them. In the former file, a value is shown only if its key never contains a secret. A
//! changed secret is reported without its value.

use std::{
    collections::{HashMap, HashSet},
    sync::LazyLock,
};

use regex::Regex;
use similar::{Algorithm, ChangeTag, capture_diff_slices};

use super::{
    ServiceDependencies,
    clip::clip,
    error::ServiceError,
    render_preview::{self, File},
    rendered_config::LINE,
    types::{ConfigDiff, DiffLine, HeldFile},
};
use crate::{
    catalog::format::Format,
    phone::instance::InstanceId,
    render::{ExplainedLine, SecretKeys, Stage},
};

/// User and password in a URL.
static USER_INFO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("://[^/@\\s\"<>]+@").ok());
/// The token in the URL of a phone's file.
static TOKEN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("/phone/[a-z2-7]{20,}").ok());

/// Compares the file that a phone fetched last with the one it would get now.
///
/// # Errors
/// If there is no such phone, nothing to compare, or no current file.
pub async fn diff(deps: &ServiceDependencies, instance: InstanceId, mac: &str) -> Result<ConfigDiff, ServiceError> {
    let phone = super::actions::find(deps, instance, mac)?;
    let delivery = phone.delivery.as_ref().ok_or(ServiceError::NothingDelivered)?;
    let Some(delivered) = deps.store.deliveries().last(phone.id).await? else {
        return Err(ServiceError::DeliveredFileNotKept(delivery.at));
    };
    let now = render_preview::explained(deps, &phone, Stage::Personal)?;
    let before = String::from_utf8_lossy(&delivered.body);
    let lines = compare(&before, &now, &deps.renderer.keys(&phone.vendor, now.format));
    let count = |tag| lines.iter().filter(|line| line.tag == tag).count();
    Ok(ConfigDiff {
        held: HeldFile { at: delivered.at.into(), name: delivered.name, last: delivered.etag == delivery.etag },
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        lines: lines.iter().map(Line::info).collect(),
    })
}

/// A line of one or both files.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    tag: ChangeTag,
    /// Its number in the fetched file, from 1.
    was: Option<usize>,
    /// Its number in the current file, from 1.
    n: Option<usize>,
    text: String,
    secret: Option<&'static str>,
}

impl Line {
    fn info(&self) -> DiffLine {
        let kind = match self.tag {
            ChangeTag::Equal => "same",
            ChangeTag::Insert => "added",
            ChangeTag::Delete => "removed",
        };
        DiffLine {
            kind: kind.to_owned(),
            was: self.was,
            n: self.n,
            text: clip(&self.text, LINE),
            secret: self.secret.map(str::to_owned),
        }
    }
}

fn compare(before: &str, now: &File, keys: &SecretKeys) -> Vec<Line> {
    let new: Vec<&str> = now.text.lines().collect();
    let old: Vec<&str> = before.lines().collect();
    let hider = Hider::new(now, &new, keys);
    let keys = |lines: &[&str]| -> HashSet<String> { lines.iter().filter_map(|line| hider.key(line)).collect() };
    let (old_keys, new_keys) = (keys(&old), keys(&new));
    let word = |line: &str, other: &HashSet<String>, alone: &'static str| {
        if hider.key(line).is_some_and(|key| other.contains(&key)) { "changed" } else { alone }
    };
    let mut lines = Vec::with_capacity(new.len());
    for change in capture_diff_slices(Algorithm::Patience, &old, &new).iter().flat_map(|op| op.iter_changes(&old, &new))
    {
        let (tag, raw) = (change.tag(), change.value());
        let (text, hides) = match change.new_index() {
            Some(place) => hider.new_line(place),
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

/// Masks the secrets in both files.
struct Hider<'a> {
    now: &'a File,
    keys: &'a SecretKeys,
    /// Lines of the current file as displayed. Empty if the masked and the actual file do not match line by line.
    masked: &'a [ExplainedLine],
    /// The same lines by their actual text.
    same: HashMap<&'a str, &'a ExplainedLine>,
    /// Keys in the current file and whether they contain a secret.
    present: HashMap<String, bool>,
}

impl<'a> Hider<'a> {
    fn new(now: &'a File, new: &[&'a str], keys: &'a SecretKeys) -> Self {
        let masked: &[ExplainedLine] = if now.lines.len() == new.len() { &now.lines } else { &[] };
        let same: HashMap<&str, &ExplainedLine> = new.iter().copied().zip(masked).collect();
        let mut present = HashMap::new();
        for (line, explained) in new.iter().zip(masked) {
            if let Some(place) = now.format.place(line, &now.shape) {
                *present.entry(SecretKeys::spelling(place.key)).or_default() |= explained.secret;
            }
        }
        Self { now, keys, masked, same, present }
    }

    fn new_line(&self, place: usize) -> (String, bool) {
        self.masked.get(place).map_or_else(|| ("***".to_owned(), true), |line| (line.line.clone(), line.secret))
    }

    /// Whether a value with this key may be shown, according to the current file and the keys the vendor's templates
    /// can write.
    fn may_show(&self, key: &str) -> bool {
        match self.present.get(&SecretKeys::spelling(key)) {
            Some(true) => false,
            Some(false) => !self.keys.secret.contains(&SecretKeys::spelling(key)),
            None => self.keys.may_show(key),
        }
    }

    /// Returns what a line sets. For XML this includes the index.
    fn key(&self, line: &str) -> Option<String> {
        let place = self.now.format.place(line, &self.now.shape)?;
        match (self.now.format, place.values.first()) {
            (Format::Xml, Some(value)) => line.get(..value.start).map(|head| head.trim().to_owned()),
            _ => Some(place.key.to_owned()),
        }
    }

    fn old(&self, line: &str) -> (String, bool) {
        if let Some(masked) = self.same.get(line) {
            return (masked.line.clone(), masked.secret);
        }
        let File { format, shape, .. } = self.now;
        let is_hidden = format.place(line, shape).is_some_and(|place| !self.may_show(place.key));
        let mut text = if is_hidden { format.hidden(line, shape) } else { line.to_owned() };
        for (pattern, masked) in [(&USER_INFO, "://***@"), (&TOKEN, "/phone/***")] {
            if let Some(pattern) = pattern.as_ref() {
                text = pattern.replace_all(&text, masked).into_owned();
            }
        }
        let hides = text != line;
        (text, hides)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines whose value ends with `!` contain a secret.
    fn file(text: &str) -> File {
        let line = |line: &str| ExplainedLine {
            line: match line.strip_suffix('!').and_then(|line| line.split_once(" = ")) {
                Some((key, _)) => format!("{key} = ***"),
                None => line.to_owned(),
            },
            secret: line.ends_with('!'),
            origins: Vec::new(),
        };
        let (notes, shape) = (Vec::new(), Default::default());
        let lines = text.lines().map(line).collect();
        File { text: text.to_owned(), lines, notes, format: Format::YealinkCfg, shape }
    }

    fn told(before: &str, now: &str) -> Vec<(char, String, Option<&'static str>)> {
        let mut keys = SecretKeys::default();
        keys.plain.extend(["url", "b", "old.plain"].map(str::to_owned));
        keys.secret.insert("old.secret".to_owned());
        let sign = |tag| match tag {
            ChangeTag::Equal => ' ',
            ChangeTag::Insert => '+',
            ChangeTag::Delete => '-',
        };
        compare(before, &file(now), &keys).into_iter().map(|line| (sign(line.tag), line.text, line.secret)).collect()
    }

    #[test]
    fn lines_are_told_apart_and_secrets_never_shown() {
        let before = "a = 1\naccount.1.password = old-one\naccount.2.password = second\nkey.2.value = former-token\n\
                      url = https://u:p4ss@h/phone/abcdefghijklmnopqrstuvwxyz/\nb = 2\nold.plain = new-one\n\
                      old.secret = s\nunknown = who knows\n";
        let now = "a = 1\naccount.1.password = new-one!\nkey.1.value = token-of-now!\nb = 3\nc = 4\n";
        let lines = told(before, now);
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
            // A value is shown if it is not a secret at its key, even if it is a secret elsewhere. Unknown keys are
            // hidden.
            line('-', "old.plain = new-one", None),
            line('-', "old.secret = ***", Some("gone")),
            line('-', "unknown = ***", Some("gone")),
            line('+', "b = 3", None),
            line('+', "c = 4", None),
        ] {
            assert!(lines.contains(&expected), "{expected:?} in {lines:#?}");
        }
        assert_eq!(lines.len(), 13);
    }

    #[test]
    fn an_unchanged_secret_is_reported_as_the_same() {
        let text = "account.1.password = hunter22!\nb = 1\n";
        let lines = told(text, text);
        assert_eq!(lines[0], (' ', "account.1.password = ***".to_owned(), Some("same")));
        assert_eq!(lines[1].2, None);
    }
}
