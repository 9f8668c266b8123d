//! A file shown to people: as the phone gets it, but without its secrets.

use crate::secret::Secret;

/// Shorter secrets would hide half the file wherever they occur by chance; their lines are hidden by name.
const SHORTEST: usize = 4;

/// The text with every known secret, and the value of every key that names a password, replaced by `***`.
#[must_use]
pub fn mask(text: &str, secrets: &[Secret]) -> String {
    let mut lines = Vec::new();
    for line in text.split('\n') {
        let mut line = line.to_owned();
        for secret in secrets.iter().filter(|secret| secret.expose().len() >= SHORTEST) {
            line = line.replace(secret.expose(), "***");
        }
        if !secrets.is_empty()
            && let Some((key, value)) = line.split_once('=')
            && names_a_secret(key)
            && !matches!(value.trim(), "" | "%NULL%")
        {
            line = format!("{key}= ***");
        }
        lines.push(line);
    }
    lines.join("\n")
}

fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    !key.trim_start().starts_with('#')
        && ["password", "passwd", "secret", "_pass", ".pin"].iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_by_value_and_by_name() {
        let text = "#!version:1.0.0.1\naccount.1.password = hunter22\nstatic.security.user_password = admin:x9\nurl = http://h/phone/tok3n/\naccount.1.label = Anna\nldap.password = %NULL%\n";
        let shown = mask(text, &[Secret::new("hunter22"), Secret::new("tok3n")]);
        assert_eq!(
            shown,
            "#!version:1.0.0.1\naccount.1.password = ***\nstatic.security.user_password = ***\nurl = http://h/phone/***/\naccount.1.label = Anna\nldap.password = %NULL%\n"
        );
    }
}
