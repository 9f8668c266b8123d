//! Tests that user input adds no element, attribute or line, and that values that must be exact are written exactly or
//! rejected.

use gangway::render::{RenderError, Stage};
use gangway_base::secret::Secret;
use proptest::prelude::*;

use crate::{
    sample::{file, layers, phone},
    snom::settings,
    xml,
};

/// A model of each family, and the settings that hold the display name and the user's password.
const FAMILIES: [(&str, &str, &str); 3] = [
    ("D785", "user_realname[1]", "user_pass[1]"),
    ("M400", "user_realname[1]", "user_pass[1]"),
    ("M100KLE", "sip_account/idx[1]/display_name", "sip_account/idx[1]/authentication_access_password"),
];

/// Returns the elements with their attributes, in order.
fn shape(text: &str) -> Vec<(String, Vec<(String, String)>)> {
    xml::elements(text).into_iter().map(|element| (element.path, element.attributes)).collect()
}

/// The expected result of parsing a value: without control characters and surrounding blanks.
fn plain(value: &str) -> String {
    let kept: String = value
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'))
        .collect();
    kept.trim().to_owned()
}

#[test]
fn a_name_that_looks_like_settings_stays_a_name() {
    for (model, place, _) in FAMILIES {
        let normal = file(&phone("snom", model), &layers(false, &[]), Stage::Personal).unwrap();
        for name in [
            "</user_realname><user_pass idx=\"1\">x</user_pass>",
            "Anna\" idx=\"2\" x=\"",
            "<b>Müller</b> & Söhne 'x' ]]>",
            "&amp; &#65; &lt;",
            "<!-- x --><![CDATA[y]]><?z?>",
            "{{ admin.password }}{% if x %}",
            "line\none\r\ntwo",
            "\u{0}\u{b}\u{7f}\u{85}\u{feff}\u{fffe}😀",
        ] {
            let mut hostile = phone("snom", model);
            hostile.accounts[0].cn = name.to_owned();
            let text = file(&hostile, &layers(false, &[]), Stage::Personal).unwrap();
            assert_eq!(shape(&text), shape(&normal), "{model}: {name:?}");
            assert_eq!(text.lines().count(), normal.lines().count(), "{model}: {name:?}");
            let expected = plain(name);
            let expected = if expected.is_empty() { "atlantis".to_owned() } else { expected };
            assert_eq!(settings(&text)[place], expected, "{model}: {name:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_value_changes_the_shape_of_a_file(
        family in 0..FAMILIES.len(),
        name in ".{0,40}",
        login in "[^\u{0}]{0,30}",
        password in "\\PC{1,30}",
    ) {
        let (model, name_at, password_at) = FAMILIES[family];
        let directory = [("ldap_server", "pbx.example.com"), ("ldap_user", login.as_str()), ("ldap_base", name.as_str())];
        let calm = [("ldap_server", "pbx.example.com"), ("ldap_user", "x"), ("ldap_base", "x")];
        let normal = file(&phone("snom", model), &layers(false, &calm), Stage::Personal).unwrap();
        let mut hostile = phone("snom", model);
        hostile.accounts[0].cn.clone_from(&name);
        hostile.accounts[0].password = Secret::new(password.clone());
        match file(&hostile, &layers(false, &directory), Stage::Personal) {
            Ok(text) => {
                prop_assert_eq!(shape(&text), shape(&normal));
                let found = settings(&text);
                prop_assert_eq!(&found[password_at], &password);
                if !plain(&name).is_empty() {
                    prop_assert_eq!(&found[name_at], &plain(&name));
                }
            }
            Err(error) => {
                let refused = matches!(error, RenderError::Unwritable { .. });
                prop_assert!(refused, "{}", error);
                // The last two code points of every plane are noncharacters, which a file cannot hold.
                let is_noncharacter = |c: char| u32::from(c) & 0xfffe == 0xfffe;
                let has_noncharacter = [&password, &login].iter().any(|text| text.contains(is_noncharacter));
                prop_assert!(has_noncharacter || plain(&password) != password || plain(&login) != login);
            }
        }
    }
}
