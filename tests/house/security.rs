//! Tests rules about certificates and secrets that apply to all source files.

use std::fs;

use super::sources::sources;

/// Files that verify certificates with their own code, and by what rule. Verification cannot be disabled.
const OWN_JUDGEMENT: &[(&str, &str)] = &[
    ("src/net/tls.rs", "the pinned key of a peer, else a trusted issuer"),
    ("src/net/tls/per_host_trust.rs", "whom tls.rs trusts, chosen by the host's name"),
    (
        "src/net/tls/server_probe.rs",
        "not at all: it reads what a port asks phones for, and says nothing over the connection",
    ),
    ("src/http/tests/handshakes.rs", "a phone that refuses ours, played by a test"),
];

#[test]
fn nothing_connects_without_verifying() {
    let mut wrong = Vec::new();
    for source in sources() {
        let (name, text) = (source.name(), &source.text);
        let judges = text.contains(".dangerous()") || text.contains("ServerCertVerifier for");
        if judges && !OWN_JUDGEMENT.iter().any(|(known, _)| *known == name) {
            wrong.push(format!("{name}: judges server certificates itself; enter what it judges by in OWN_JUDGEMENT"));
        }
        let lower = text.to_lowercase();
        for word in ["danger_accept", "accept_invalid", "insecure_skip", "verify_none", "skip_verif", "no_verify"] {
            if lower.contains(word) {
                wrong.push(format!("{name}: {word}"));
            }
        }
    }
    let tls = fs::read_to_string("src/net/tls.rs").unwrap();
    let assertions = tls.matches("ServerCertVerified::assertion()").count();
    assert_eq!(assertions, 1, "a server's certificate passes by its pinned key alone without an issuer");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A comparison with `==` stops at the first difference, so its duration reveals the position. Values that an unknown
/// client can guess are compared by `Secret` or by `subtle`. The files below compare only values that clients cannot
/// control.
#[test]
fn secrets_are_compared_in_constant_time() {
    let harmless = [
        // An entry reported by a redirect service and the expected one. Both are the gateway's own values.
        "src/redirect/protocols/snom_sraps.rs",
        "src/redirect/protocols/snom_xmlrpc.rs",
        // Whether a setting changed.
        "src/store/sqlite/setting.rs",
        // The format of a key, by its length.
        "crates/wire/src/appws/session_key.rs",
    ];
    let comparison = regex::Regex::new(r"expose\(\)[^;{|]{0,60}[=!]=[^>]|[=!]=[^>;{)]{0,60}expose\(\)").unwrap();
    let mut found = Vec::new();
    for source in sources() {
        let name = source.name();
        if source.is_test() || source.module[0] == "gangway_sim" || harmless.contains(&name.as_str()) {
            continue;
        }
        let own = source.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        found.extend(
            own.lines().filter(|line| comparison.is_match(line)).map(|line| format!("{name}: {}", line.trim())),
        );
    }
    assert!(found.is_empty(), "compare with Secret's own ==:\n{}", found.join("\n"));
}
