//! Tests with broken folders and the expected diagnostics.

use std::{fs, path::Path};

use crate::catalog::{Diagnostic, Registry};

fn findings(file: &str, change: impl Fn(String) -> String) -> String {
    let dir = tempfile::tempdir().unwrap();
    let original = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
    let path = dir.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, change(original)).unwrap();
    match Registry::load(Some(dir.path())) {
        Ok(_) => String::new(),
        Err(found) => found.iter().map(|finding| format!("{finding}\n")).collect(),
    }
}

#[test]
fn a_broken_folder_is_refused_with_file_and_cure() {
    const MANIFEST: &str = "vendors/yealink/vendor.toml";
    const OPEN: &str = "templates/yealink/desk/v81/open.cfg";
    let replaced = |a: &'static str, b: &'static str| move |text: String| text.replacen(a, b, 1);
    for (file, a, b, expected_text) in [
        (MANIFEST, "title = \"Yealink\"", "title = \"Yealink\"\ncolour = 1", "unknown field `colour`"),
        (MANIFEST, "\"001577\"", "\"001565\"", "stands there twice"),
        (MANIFEST, "\"001577\"", "\"0015zz\"", "is no OUI"),
        (MANIFEST, "name = \"T19P_E2\"", "name = \"T19P\"", "the model T19P stands there twice"),
        (MANIFEST, "'^SIP-(?<model>", "'^SIP-(?<model>(", "does not compile"),
        (MANIFEST, "model = \"T54W\"", "model = \"T54\"", "is read as"),
        (MANIFEST, "desk/v81/open.cfg", "desk/v81/none.cfg", "is missing"),
        (MANIFEST, "\"yealink-ymcs\"", "\"fanvil-fdps\"", "speaks no redirect protocol 'fanvil-fdps'"),
        (OPEN, "{{ provisioning.url }}", "{{ accounts }}", "its stage has no 'accounts'"),
        (OPEN, "{{ provisioning.url }}", "{{ provisioning.url", "templates/yealink/desk/v81/open.cfg"),
        (OPEN, "{{ provisioning.url }}", "{{ provisioning.url | safe }}", "past the format's escaper"),
        (OPEN, "{{ provisioning.url }}", "{{ provisioning.nothing }}", "the sample does not render"),
        (OPEN, "static.auto_provision.power_on", "account.1.enable", "must not stand in the open stage"),
        (OPEN, "#!version:1.0.0.1", "#!version:1.0.0.1\n{% include \"other/x.cfg\" %}", "outside its folder"),
    ] {
        let found = findings(file, replaced(a, b));
        assert!(found.contains(expected_text), "{a} -> {b}: {found}");
        assert!(found.contains("; "), "{found}");
    }
    assert_eq!(findings(OPEN, |text| text), "");
}

/// Validates a copy of the tutorial's vendor folder with one mistake in it.
fn mistaken(file: &str, a: &str, b: &str) -> (Vec<Diagnostic>, String) {
    let dir = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/vendor-folder");
    for folder in ["vendors/kestrel", "templates/kestrel"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), dir.path().join(folder).join(entry.file_name())).unwrap();
        }
    }
    let path = dir.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = text.replacen(a, b, 1);
    assert!(changed != text || a.is_empty(), "{a:?} is not in {file}");
    fs::write(path, &changed).unwrap();
    (Registry::load(Some(dir.path())).err().unwrap_or_default(), changed)
}

#[test]
fn every_mistake_has_its_line_reason_and_cure() {
    const MANIFEST: &str = "vendors/kestrel/vendor.toml";
    const DESK: &str = "templates/kestrel/desk.conf";
    let explodes = "pattern = '^kestrel-(?:[a-z]{1,500}){1,500}(?<mac>[0-9a-f]{12})";
    for (file, a, b, at, expected_text) in [
        (MANIFEST, "", "", "", ""),
        (MANIFEST, "ouis = [", "colour = 1\nouis = [", "colour = 1", "unknown field `colour`"),
        (MANIFEST, "accounts = 2", "accounts = \"two\"", "\"two\"", "invalid type"),
        (MANIFEST, "format = \"lines\"", "format = \"ini\"", "\"ini\"", "unknown variant `ini`"),
        (MANIFEST, "separator = \":\"", "separator = \" \"", "[lines]", "no sign such as"),
        (MANIFEST, "text = \"{url}\"", "text = \"https://gw/\"", "https://gw/", "no place {url}"),
        (MANIFEST, "name = \"D1\"", "name = \"k5\"", "\"k5\"", "the model k5 stands there twice"),
        (MANIFEST, "date = \"2026-11\"", "date = \"lately\"", "name = \"K5\"", "no date"),
        (MANIFEST, "name = \"K5\"\n", "name = \"K5\"\nfamily = \"deks\"\n", "deks", "unknown family deks"),
        (
            MANIFEST,
            "default = true",
            "default = false",
            "[[generations]]",
            "not exactly one generation of the family desk",
        ),
        (MANIFEST, "pattern = '^kestrel-(?<mac>[0-9a-f]{12})", explodes, "{1,500}", "would grow beyond"),
        (MANIFEST, "pattern = '^kestrel-(?<mac>", "pattern = '^kestrel-(?<max>", "?<max>", "'max' nobody reads"),
        (
            MANIFEST,
            "kind = \"common\"\n",
            "kind = \"firmware\"\ntemplate = \"common.conf\"\n",
            "'^kestrel\\.conf$'",
            "has a template",
        ),
        (MANIFEST, "personal = \"door.conf\"", "personal = \"gate.conf\"", "gate.conf", "is missing"),
        (DESK, "{% endif %}", "{% endfi %}", "endfi", "correct the template"),
        (DESK, "{{ language }}", "{{ langauge }}", "langauge", "no 'langauge'"),
        (DESK, "{{ language }}", "{{ language | upperr }}", "upperr", "Unknown filter"),
        (DESK, "{{ language }}", "{{ phone.colour }}", "phone.colour", "does not render"),
        (DESK, "\"kestrel/server.conf\"", "\"yealink/v80/open.cfg\"", "{% include", "outside its folder"),
        (DESK, "\"kestrel/server.conf\"", "\"kestrel/../yealink/v80/open.cfg\"", "{% include", "outside its folder"),
        (DESK, "\"kestrel/server.conf\"", "\"kestrel/sever.conf\"", "{% include", "which is missing"),
        (DESK, "Shown Name: {{ account.display_name }}", "{{ account.display_name }}: on", "", "does not render"),
        (
            "templates/kestrel/open.conf",
            "<<END>>",
            "Admin Password: 1\n<<END>>",
            "",
            "must not stand in the open stage",
        ),
    ] {
        let (found, changed) = mistaken(file, a, b);
        if expected_text.is_empty() && a == b {
            assert_eq!(found, Vec::new());
            continue;
        }
        let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
        let finding = found.iter().zip(&texts).find(|(_, text)| text.contains(expected_text));
        let (finding, text) = finding.unwrap_or_else(|| panic!("{a} -> {b}: {texts:#?}"));
        assert!(!finding.cure.is_empty(), "{text}");
        let line = changed.lines().position(|line| line.contains(at)).map(|index| index + 1);
        assert_eq!(finding.line, line.filter(|_| !at.is_empty()), "{text}");
        assert!(finding.file.starts_with("vendors/kestrel") || finding.file.starts_with("templates/kestrel"), "{text}");
    }
}
