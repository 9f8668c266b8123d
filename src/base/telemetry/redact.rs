//! Redacts secrets in text that is logged or displayed.

/// Redacts the token of a phone's URL in a path below an instance: `/d/i/phone/<token>/f.cfg` becomes
/// `/d/i/phone/***/f.cfg`.
#[must_use]
pub fn path(path: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    for index in 1..parts.len() {
        // The last component after `phone` is a file name. Any component before it is a token.
        if parts[index - 1] == "phone" && index + 1 < parts.len() {
            parts[index] = "***";
        }
    }
    parts.join("/")
}

/// Redacts the credentials of every `scheme://user:password@host` and the token of every phone URL in a text.
#[must_use]
pub fn urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>')).unwrap_or(after.len());
        let (url, behind) = after.split_at(end);
        let authority_end = url.find('/').unwrap_or(url.len());
        let (authority, below) = url.split_at(authority_end);
        match authority.rfind('@') {
            Some(at) => {
                out.push_str("***");
                out.push_str(&authority[at..]);
            }
            None => out.push_str(authority),
        }
        out.push_str(&path(below));
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_leave_paths() {
        assert_eq!(
            path("/example.com/gangway/phone/abc234/805ec0000001.cfg"),
            "/example.com/gangway/phone/***/805ec0000001.cfg"
        );
        assert_eq!(path("/example.com/gangway/phone/805ec0000001.cfg"), "/example.com/gangway/phone/805ec0000001.cfg");
        assert_eq!(path("/example.com/gangway/phone/abc234/"), "/example.com/gangway/phone/***/");
    }

    #[test]
    fn credentials_leave_urls() {
        assert_eq!(
            urls("to https://user:pa@ss@gw.example.com/d/i/phone/tok/ now"),
            "to https://***@gw.example.com/d/i/phone/***/ now"
        );
        assert_eq!(urls("no url: a@b"), "no url: a@b");
    }

    proptest::proptest! {
        #[test]
        fn no_password_survives(user in "[a-z]{1,8}", password in "[A-Za-z0-9:@]{8,20}", host in "[a-z]{1,8}\\.example") {
            let text = format!("x <https://{user}:S3CRET{password}@{host}/phone/T0KEN/f> y");
            let redacted = urls(&text);
            proptest::prop_assert!(!redacted.contains("S3CRET") && !redacted.contains("T0KEN"), "{}", redacted);
            proptest::prop_assert!(redacted.contains(&host));
        }

        #[test]
        fn nothing_panics(text: String) {
            let _ = (path(&text), urls(&text));
        }
    }
}
