//! Broken folders and what is said about them.

use std::{fs, path::Path};

use crate::vendor::Registry;

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
    for (file, a, b, said) in [
        (MANIFEST, "title = \"Yealink\"", "title = \"Yealink\"\ncolour = 1", "unknown field `colour`"),
        (MANIFEST, "\"001577\"", "\"001565\"", "stands there twice"),
        (MANIFEST, "\"001577\"", "\"0015zz\"", "is no OUI"),
        (MANIFEST, "name = \"T19P_E2\"", "name = \"T19P\"", "the model T19P stands there twice"),
        (MANIFEST, "'^SIP-(?<model>", "'^SIP-(?<model>(", "does not compile"),
        (MANIFEST, "model = \"T54W\"", "model = \"T54\"", "is read as"),
        (MANIFEST, "desk/v81/open.cfg", "desk/v81/none.cfg", "is missing"),
        (OPEN, "{{ provisioning.url }}", "{{ accounts }}", "its stage has no 'accounts'"),
        (OPEN, "{{ provisioning.url }}", "{{ provisioning.url", "templates/yealink/desk/v81/open.cfg"),
        (OPEN, "{{ provisioning.url }}", "{{ provisioning.url | safe }}", "past the format's escaper"),
        (OPEN, "{{ provisioning.url }}", "{{ provisioning.nothing }}", "the sample does not render"),
        (OPEN, "static.auto_provision.power_on", "account.1.enable", "must not stand in the open stage"),
        (OPEN, "#!version:1.0.0.1", "#!version:1.0.0.1\n{% include \"other/x.cfg\" %}", "outside its folder"),
    ] {
        let found = findings(file, replaced(a, b));
        assert!(found.contains(said), "{a} -> {b}: {found}");
        assert!(found.contains("; "), "{found}");
    }
    assert_eq!(findings(OPEN, |text| text), "");
}
