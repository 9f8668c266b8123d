//! Tests that no built-in template disables a phone's certificate checks. A phone that does not check the server's
//! certificate reveals the passwords in its configuration to a man in the middle.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Parameters for certificate checks on phones, and the value that enables the check.
const CHECKS: &[(&str, &str)] = &[
    ("security.trust_certificates", "1"),
    ("security.cn_validation", "1"),
    ("check_fqdn_against_server_cert", "on"),
    ("check_trusted_certificate", "1"),
];

fn templates(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => templates(&path, found),
            false => found.push(path),
        }
    }
}

/// Lines that set a check to any other value, including computed values.
fn switched_off(text: &str) -> Vec<&str> {
    let is_off = |line: &&str| {
        CHECKS.iter().any(|(name, on)| {
            line.split_once(name).is_some_and(|(_, rest)| {
                let value = rest.split_once('>').or_else(|| rest.split_once('='));
                let rest = value.map_or(rest, |(_, value)| value);
                rest.split('<').next().unwrap_or_default().trim() != *on
            })
        })
    };
    text.lines().filter(is_off).collect()
}

#[test]
fn templates_that_switch_off_checks_are_found() {
    for bad in [
        "static.security.trust_certificates = 0",
        "security.cn_validation = {{ x }}",
        "  <check_fqdn_against_server_cert perm=\"R\">off</check_fqdn_against_server_cert>",
    ] {
        assert_eq!(switched_off(bad), [bad]);
    }
    for good in [
        "static.security.trust_certificates = 1",
        "<check_fqdn_against_server_cert perm=\"R\">on</check_fqdn_against_server_cert>",
        "static.security.ca_cert = 2",
    ] {
        assert!(switched_off(good).is_empty(), "{good}");
    }
}

#[test]
fn no_template_switches_a_phones_checks_off() {
    let mut files = Vec::new();
    templates(Path::new("templates"), &mut files);
    files.retain(|path| !path.starts_with("templates/admin"));
    assert!(files.len() > 20, "the templates were not found");
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        assert!(switched_off(&text).is_empty(), "{}: {:?}", path.display(), switched_off(&text));
    }
}
