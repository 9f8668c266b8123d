use std::{fs, path::Path};

use super::*;
use crate::base::config::LogFormat;

const SMALLEST: &str = "[[instances]]\ndomain = \"example.com\"\nname = \"gangway\"\npassword = \"ip411\"\n";

fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("gangway.toml");
    fs::write(&file, text).unwrap();
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::load_with(Some(&file), &variables).map_err(|errors| errors.to_string())
}

#[test]
fn the_smallest_file_takes_every_default() {
    let config = load(SMALLEST, &[]).unwrap();
    assert_eq!(config.http.listen, ["127.0.0.1:8080"]);
    assert_eq!(config.ops.listen, ["127.0.0.1:8081"]);
    assert!(config.https.listen.is_empty());
    assert_eq!((config.net.connects_per_second, config.cache.mib), (50, 64));
    assert_eq!(config.data.dir, Path::new("data"));
    assert_eq!((config.log.level.as_str(), config.log.format), ("info", LogFormat::Text));
}

#[test]
fn the_environment_beats_the_file() {
    let text = format!("[http]\nlisten = [\"0.0.0.0:1\"]\n[net]\nconnects_per_second = 7\n{SMALLEST}");
    let config = load(
        &text,
        &[
            ("GANGWAY__HTTP__LISTEN", "127.0.0.1:2, 127.0.0.1:3"),
            ("GANGWAY__NET__TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8"),
            ("GANGWAY__LOG__FORMAT", "json"),
            ("GANGWAY__HTTPS__LISTEN", ""),
        ],
    )
    .unwrap();
    assert_eq!(config.http.listen, ["127.0.0.1:2", "127.0.0.1:3"]);
    assert_eq!(config.net.trusted_proxies.len(), 2);
    assert_eq!(config.net.connects_per_second, 7);
    assert_eq!(config.log.format, LogFormat::Json);
    assert!(config.https.listen.is_empty());
    let config = load(&text, &[("GANGWAY__NET__CONNECTS_PER_SECOND", "9")]).unwrap();
    assert_eq!(config.net.connects_per_second, 9);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (text, variables, parts) in [
        ("[htpp]\nlisten = \"x\"\n", vec![], vec!["gangway.toml", "htpp"]),
        ("[http]\nlisten = \"x\"\ncolour = 1\n", vec![], vec!["gangway.toml", "colour"]),
        ("[http\n", vec![], vec!["gangway.toml", "line 1"]),
        ("[http]\nlisten = \"nowhere\"\n", vec![], vec!["http.listen", "'nowhere'", "host:port"]),
        ("[[instances]]\ndomain = \"a\"\nname = \"b\"\n", vec![], vec!["instances[0].password", "empty"]),
        (
            "[[instances]]\ndomain = \"a/b\"\nname = \"b\"\npassword=\"x\"\n",
            vec![],
            vec!["instances[0].domain", "'a/b'"],
        ),
        (
            "[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword=\"x\"\npublic_url=\"gw.example.com\"\n",
            vec![],
            vec!["instances[0].public_url", "https://host"],
        ),
        (
            "[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword_file=\"/nonexistent\"\n",
            vec![],
            vec!["password_file", "/nonexistent"],
        ),
        (
            "[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword=\"x\"\nadmin_password_file=\"/dev/null\"\n",
            vec![],
            vec!["instances[0].admin_password_file", "/dev/null is empty"],
        ),
        (
            "[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword=\"x\"\nadmin_password=\"y\"\nadmin_password_file=\"z\"\n",
            vec![],
            vec!["instances[0].admin_password_file", "keep one"],
        ),
        ("", vec![], vec!["no instance is configured"]),
        (
            "[https]\nlisten = \"127.0.0.1:1\"\ncertificate = [\"a.pem\", \"b.pem\"]\nkey = \"a.key\"\n",
            vec![],
            vec!["https.key", "2 certificates", "1 keys"],
        ),
        ("[net]\ntrusted_proxies = [\"10.0.0.0/99\"]\n", vec![], vec!["gangway.toml", "10.0.0.0/99"]),
        ("", vec![("GANGWAY__HTTP__COLOUR", "red")], vec!["GANGWAY__HTTP__COLOUR", "colour"]),
        ("", vec![("GANGWAY__NET__CONNECTS_PER_SECOND", "many")], vec!["GANGWAY__NET__CONNECTS_PER_SECOND"]),
    ] {
        let error = load(text, &variables).unwrap_err();
        for part in parts {
            assert!(error.contains(part), "'{part}' is missing in: {error}");
        }
    }
    let twice = load(&format!("{SMALLEST}{}", SMALLEST.replace("example", "EXAMPLE")), &[]).unwrap_err();
    assert!(twice.contains("configured twice"), "{twice}");
    let missing = Config::load_with(Some(Path::new("/nonexistent/gangway.toml")), &[]).unwrap_err().to_string();
    assert!(missing.contains("/nonexistent/gangway.toml"), "{missing}");
}

#[test]
fn all_errors_are_reported_at_once_with_their_places() {
    let text = "[http]\ncolour = 1\nlisten = \"nowhere\"\n[net]\nconnects_per_second = \"many\"\ntrusted_proxies = [\"x\"]\n\
                [nett]\n[[instances]]\ndomain = \"a\"\nname = \"b\"\npasswort = \"x\"\n[[instances]]\nname = \"c/d\"\npassword = \"x\"\n";
    let errors = load(text, &[("GANGWAY__CACHE__MIB", "0"), ("GANGWAY__LOG__FORMAT", "xml")]).unwrap_err();
    for parts in [
        ["gangway.toml", "http.colour", "unknown field"],
        ["gangway.toml", "http.listen", "'nowhere'"],
        ["gangway.toml", "net.connects_per_second", "many"],
        ["gangway.toml", "net.trusted_proxies", "'x'"],
        ["gangway.toml", "unknown section", "'nett'"],
        ["gangway.toml", "instances[0].passwort", "unknown field"],
        ["gangway.toml", "instances[0].password", "is empty"],
        ["gangway.toml", "instances[1].domain", "is missing"],
        ["gangway.toml", "instances[1].name", "'c/d'"],
        ["environment GANGWAY__CACHE__MIB", "cache.mib", "at least 1"],
        ["environment GANGWAY__LOG__FORMAT", "xml", ""],
    ] {
        let line = errors.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        assert!(line.is_some(), "no line with {parts:?} in:\n{errors}");
    }
    assert_eq!(errors.lines().count(), 11, "{errors}");
}

#[test]
fn instances_come_from_the_environment_too() {
    let config = load(
        SMALLEST,
        &[
            ("GANGWAY__INSTANCES__0__PASSWORD", "other"),
            ("GANGWAY__INSTANCES__0__ADMIN_PASSWORD_LOGIN", "true"),
            ("GANGWAY__INSTANCES__0__ADMIN_FROM", "10.0.0.0/8, fd00::/8"),
            ("GANGWAY__INSTANCES__1__DOMAIN", "example.org"),
            ("GANGWAY__INSTANCES__1__NAME", "gw"),
            ("GANGWAY__INSTANCES__1__PASSWORD", "0815"),
        ],
    )
    .unwrap();
    let [first, second] = config.instances.as_slice() else { panic!("two instances") };
    assert_eq!((first.label().as_str(), first.admin_password_login), ("example.com/gangway", true));
    assert!(first.password.matches("other") && first.admin_from.len() == 2);
    assert_eq!(second.label(), "example.org/gw");
    assert!(second.password.matches("0815"));
    let twelve: Vec<(String, String)> = (0..12)
        .flat_map(|n| {
            [("DOMAIN", format!("d{n}")), ("NAME", "gw".to_owned()), ("PASSWORD", "x".to_owned())]
                .map(|(key, value)| (format!("GANGWAY__INSTANCES__{n}__{key}"), value))
        })
        .rev()
        .collect();
    let config = Config::load_with(None, &twelve).unwrap();
    assert_eq!(config.instances.len(), 12);
    assert_eq!(config.instances[10].domain, "d10");
}

#[test]
fn pins_and_origins_in_every_accepted_form() {
    let hex = "ab".repeat(32);
    let base64 = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
    for pin in [format!("sha256:{hex}"), format!("SHA256:{base64}"), format!("sha256//{base64}")] {
        let text =
            format!("{SMALLEST}devices_pin = \"{pin}\"\nframe_ancestors = \"https://a.example.com,http://b:8080\"\n");
        assert_eq!(load(&text, &[]).unwrap().instances[0].frame_ancestors.len(), 2, "{pin}");
    }
}

#[test]
fn trust_of_single_hosts_is_complete_or_refused() {
    let with = |peer: &str| load(&format!("[[net.trust]]\n{peer}\n{SMALLEST}"), &[]);
    let pin = format!("sha256:{}", "ab".repeat(32));
    for peer in [
        "host = \"dm.example.com\"\nca = \"/etc/ca.pem\"".to_owned(),
        format!("host = \"10.0.0.7\"\npin = \"{pin}\""),
        format!("host = \"[fd00::1]\"\npin = \"{pin}\""),
    ] {
        assert_eq!(with(&peer).unwrap().net.trust.len(), 1, "{peer}");
    }
    for (peer, key) in [
        ("host = \"dm.example.com\"".to_owned(), "net.trust[0].ca"),
        (format!("pin = \"{pin}\""), "net.trust[0].host"),
        (format!("host = \"https://dm.example.com\"\npin = \"{pin}\""), "net.trust[0].host"),
        (format!("host = \"dm.example.com:8443\"\npin = \"{pin}\""), "net.trust[0].host"),
        ("host = \"dm.example.com\"\npin = \"sha1:00\"".to_owned(), "net.trust[0].pin"),
        (format!("host = \"a\"\npin = \"{pin}\"\n[[net.trust]]\nhost = \"A\"\npin = \"{pin}\""), "net.trust[1].host"),
        (format!("host = \"a\"\npin = \"{pin}\"\nverify = false"), "net.trust"),
    ] {
        let found = with(&peer).unwrap_err().to_string();
        assert!(found.contains(key), "{peer}: {found}");
    }
}

#[test]
fn a_password_may_come_from_a_file_and_is_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("password");
    fs::write(&secret, "hunter2\n").unwrap();
    let text = format!("[[instances]]\ndomain = \"a\"\nname = \"b\"\npassword_file = {secret:?}\n");
    let config = load(&text, &[]).unwrap();
    assert!(config.instances[0].password.matches("hunter2"));
    assert!(!format!("{config:?}").contains("hunter2"));
    let config = load(&format!("{SMALLEST}admin_password_file = {secret:?}\n"), &[]).unwrap();
    assert!(config.instances[0].admin_password.matches("hunter2") && config.instances[0].password.matches("ip411"));
    assert!(!format!("{config:?}{}", toml::to_string(&config).unwrap()).contains("hunter2"));
}

#[test]
fn equal_passwords_are_remarked() {
    let instance = |name: &str, more: &str| format!("[[instances]]\ndomain = \"a\"\nname = \"{name}\"\n{more}\n");
    let remarks = |text: String| -> Vec<String> {
        load(&text, &[]).unwrap().remarks().into_iter().map(|(what, _)| what).collect()
    };
    let (one, two) = ("password = \"0123456789ab\"", "password = \"ab0123456789\"");
    assert_eq!(remarks(instance("b", one) + &instance("c", two)), Vec::<String>::new());
    let found = remarks(instance("b", one) + &instance("c", one));
    assert!(found.len() == 1 && found[0].contains("a/b") && found[0].contains("a/c"), "{found:?}");
    let found = remarks(instance("b", &format!("{one}\nadmin_{one}")));
    assert!(found.len() == 1 && found[0].contains("admin_password of a/b equals its password"), "{found:?}");
    let found = remarks(instance("b", one) + &instance("c", &format!("{two}\nadmin_{one}")));
    assert!(
        found.len() == 1 && found[0].contains("admin_password of a/c") && found[0].contains("password of a/b"),
        "{found:?}"
    );
    let found = remarks(instance("b", &format!("{one}\nadmin_password = \"short\"")));
    assert!(found.len() == 1 && found[0].contains("the admin_password of a/b has less than 10"), "{found:?}");
    assert!(found.iter().all(|found| !found.contains("short")), "{found:?}");
}

#[test]
fn a_password_no_pbx_can_hold_is_remarked() {
    let config = load(&SMALLEST.replace("ip411", "0123456789abcdef"), &[]).unwrap();
    assert!(config.remarks()[0].0.contains("15 characters"));
    let remarks = |password| load(&SMALLEST.replace("ip411", password), &[]).unwrap().remarks();
    assert!(remarks("ip411")[0].0.contains("less than 10 characters"));
    assert!(remarks("0123456789abcde").is_empty());
}
