//! A file shown to people: as the phone gets it, but without its secrets.

use crate::{
    secret::Secret,
    vendor::format::{Format, Shape},
};

/// Shorter secrets would hide half the file wherever they occur by chance; their lines are hidden by name.
const SHORTEST: usize = 4;

/// The text with every known secret, and the value of every key that names a password, replaced by `***`.
#[must_use]
pub fn mask(text: &str, format: Format, shape: &Shape, secrets: &[Secret]) -> String {
    let known: Vec<String> = secrets
        .iter()
        .map(Secret::expose)
        .filter(|secret| secret.len() >= SHORTEST)
        .flat_map(|secret| [format.escaped(secret), secret.to_owned()])
        .collect();
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let mut line = line.to_owned();
        for secret in &known {
            line = line.replace(secret.as_str(), "***");
        }
        if !secrets.is_empty() && format.place(&line, shape).is_some_and(|place| names_a_secret(place.key)) {
            line = format.hidden(&line, shape);
        }
        lines.push(line);
    }
    lines.join("\n")
}

fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "secret", "_pass", ".pin", "_pin", "ac_code"].iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_by_value_and_by_name() {
        let text = "#!version:1.0.0.1\naccount.1.password = hunter22\nstatic.security.user_password = admin:x9\nurl = http://h/phone/tok3n/\naccount.1.label = Anna\nldap.password = %NULL%\n";
        let shown = mask(text, Format::YealinkCfg, &Shape::default(), &[Secret::new("hunter22"), Secret::new("tok3n")]);
        assert_eq!(
            shown,
            "#!version:1.0.0.1\naccount.1.password = ***\nstatic.security.user_password = ***\nurl = http://h/phone/***/\naccount.1.label = Anna\nldap.password = %NULL%\n"
        );
    }

    #[test]
    fn a_secret_is_hidden_in_the_form_its_format_writes() {
        let text = "<s>\n  <user_name idx=\"1\" perm=\"R\">anna</user_name>\n  <user_pass idx=\"1\" perm=\"R\">a&lt;b&amp;c</user_pass>\n  <url>https://h/a&lt;b&amp;c/</url>\n  <http_pass></http_pass>\n</s>\n";
        let shown = mask(text, Format::Xml, &Shape::default(), &[Secret::new("a<b&c")]);
        assert_eq!(
            shown,
            "<s>\n  <user_name idx=\"1\" perm=\"R\">anna</user_name>\n  <user_pass idx=\"1\" perm=\"R\">***</user_pass>\n  <url>https://h/***/</url>\n  <http_pass></http_pass>\n</s>\n"
        );
    }
}
