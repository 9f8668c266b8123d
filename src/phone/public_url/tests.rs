//! One row per rule: the configuration, the URLs reported by app objects, and the resulting base.

use super::*;
use crate::phone::instance::InstanceId;

fn instance(public: &str, phone: &str) -> Instance {
    Instance {
        id: InstanceId(1),
        domain: "example.com".to_owned(),
        name: "gangway".to_owned(),
        password: Secret::new("x"),
        public_url: Url::parse(public).ok(),
        phone_url: Url::parse(phone).ok(),
        devices_ca: None,
        devices_url: None,
        devices_pin: None,
        misspelt_service_info: false,
        admin_password: None,
        admin_password_login: false,
        pbx_apply: false,
        admin_from: Vec::new(),
        frame_ancestors: Vec::new(),
    }
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn learned(learned_urls: &[(&str, &str, &str)]) -> BTreeMap<String, Learned> {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let row = |(provider, url, conflict): &(&str, &str, &str)| {
        ((*provider).to_owned(), Learned { url: Url::parse(url).ok(), conflict: text(conflict) })
    };
    learned_urls.iter().map(row).collect()
}

const A: &str = "https://a.example.com/example.com/gangway";
const B: &str = "https://b.example.com/example.com/gangway";
const A_PHONE: &str = "https://a.example.com/example.com/gangway/phone/";
const B_PHONE: &str = "https://b.example.com/example.com/gangway/phone/";

/// A row: the configured URLs, the learned URLs, the provider, and the resulting base with https.
#[test]
fn the_base_is_what_is_configured_else_what_the_own_app_object_named() {
    let unknown = |provider: &str| Err(UrlError::Unknown { provider: provider.into() });
    let conflict = |named: &str| Err(UrlError::Conflict { provider: "yealink".into(), named: named.into() });
    let both: &[(&str, &str, &str)] = &[("snom", B, ""), ("yealink", A, "")];
    for (place, (public, phone, learned_urls, provider, expected)) in [
        ("", "", both, "yealink", Ok(A_PHONE)),
        ("", "", both, "snom", Ok(B_PHONE)),
        // A provider without its own app object does not use another provider's.
        ("", "", both, "yealink-dect", unknown("yealink-dect")),
        ("", "", &[], "yealink", unknown("yealink")),
        ("", "", &[("yealink", A, "")], "snom", unknown("snom")),
        // During a conflict phones keep their URL. Without an earlier URL, none is chosen.
        ("", "", &[("yealink", A, "A B")], "yealink", Ok(A_PHONE)),
        ("", "", &[("yealink", "", "A B")], "yealink", conflict("A B")),
        ("", "", &[("yealink", "", "A B"), ("snom", B, "")], "snom", Ok(B_PHONE)),
        // The configured URL applies to all providers.
        (A, "", &[("snom", B, "")], "snom", Ok(A_PHONE)),
        (A, "", &[("snom", "", "A B")], "snom", Ok(A_PHONE)),
        (A, B, both, "yealink", Ok(B_PHONE)),
        ("", B, &[], "yealink", Ok(B_PHONE)),
    ]
    .into_iter()
    .enumerate()
    {
        let urls = PublicUrls::new(&instance(public, phone), learned(learned_urls));
        let found = urls.base(provider, Scheme::Https);
        assert_eq!(found, expected.map(str::to_owned), "row {place}");
        assert_eq!(urls.is_known(provider), found.is_ok(), "row {place}");
        let place_of = urls.place(provider);
        assert_eq!(place_of, found.map(|base| without_scheme(&base).to_owned()), "row {place}");
    }
}

#[test]
fn the_scheme_is_changed_only_where_that_needs_no_port() {
    let urls = |url: &str| PublicUrls::new(&instance(url, ""), BTreeMap::new());
    let base = |url: &str, scheme| urls(url).base("yealink", scheme).ok();
    assert_eq!(base(A, Scheme::Http).as_deref(), Some("http://a.example.com/example.com/gangway/phone/"));
    assert_eq!(base("http://a.example.com", Scheme::Https).as_deref(), Some(A_PHONE));
    let port = "http://10.0.0.1:8080";
    assert_eq!(base(port, Scheme::Http).as_deref(), Some("http://10.0.0.1:8080/example.com/gangway/phone/"));
    let why = urls(port).base("yealink", Scheme::Https).unwrap_err().to_string();
    assert!(why.contains("come by https") && why.contains("http://10.0.0.1:8080/"), "{why}");
}

#[test]
fn the_path_of_the_instance_is_there_once_and_nothing_else_is_left() {
    let base = |url: &str| PublicUrls::new(&instance(url, ""), BTreeMap::new()).base("yealink", Scheme::Https);
    for (given, path) in [
        ("https://u:p@pub.example.com/x/", "/x/example.com/gangway/phone/"),
        ("https://pub.example.com/Example.com/Gangway/?a#b", "/Example.com/Gangway/phone/"),
        ("https://pub.example.com", "/example.com/gangway/phone/"),
        ("https://pub.example.com/ü", "/%C3%BC/example.com/gangway/phone/"),
    ] {
        assert_eq!(base(given).unwrap(), format!("https://pub.example.com{path}"));
    }
}

#[test]
fn what_providers_share_is_that_of_the_first_that_has_one() {
    let urls = |learned_urls| PublicUrls::new(&instance("", ""), learned(learned_urls));
    let shared = |urls: &PublicUrls| urls.shared_base(["yealink", "yealink-dect"], Scheme::Https);
    assert_eq!(shared(&urls(&[("yealink", A, ""), ("yealink-dect", B, "")])).unwrap(), A_PHONE);
    assert_eq!(shared(&urls(&[("yealink-dect", B, "")])).unwrap(), B_PHONE);
    let none = urls(&[("snom", B, "")]);
    assert_eq!(shared(&none), Err(UrlError::Unknown { provider: "yealink".into() }));
    assert!(none.shared_base([], Scheme::Https).is_err());
    let configured = PublicUrls::of("/example.com/gangway", url(A));
    assert_eq!(configured.shared_base([], Scheme::Https).unwrap(), A_PHONE);
}

#[test]
fn hosts_are_those_phones_are_sent_to() {
    let learned_urls = learned(&[("yealink", A, ""), ("snom", B, ""), ("x", "", "C D")]);
    let hosts = |public: &str| PublicUrls::new(&instance(public, ""), learned_urls.clone()).hosts();
    assert_eq!(hosts("").into_iter().collect::<Vec<_>>(), ["a.example.com", "b.example.com"]);
    assert_eq!(hosts("https://C.example.com").into_iter().collect::<Vec<_>>(), ["c.example.com"]);
}

#[test]
fn the_sentences_name_the_app_object() {
    let unknown = PublicUrls::default().base("snom-dect", Scheme::Https).unwrap_err().to_string();
    assert!(unknown.contains("create the app object gangway-snom-dect") && unknown.contains("phone_url"), "{unknown}");
    let urls = PublicUrls::new(&instance("", ""), learned(&[("snom", "", "https://a/ https://b/")]));
    let conflict = urls.base("snom", Scheme::Http).unwrap_err().to_string();
    assert!(conflict.contains("gangway-snom") && conflict.contains("https://a/ https://b/"), "{conflict}");
}

#[test]
fn a_token_url_ends_with_a_slash_and_has_bounds() {
    assert_eq!(token_url("https://x/phone/", "abc").unwrap(), "https://x/phone/abc/");
    assert!(matches!(token_url(&"x".repeat(250), "abcdefg"), Err(UrlError::Long(258))));
    assert!(token_url("https://x/a&b/", "abc").is_err());
}

#[test]
fn the_shared_account_stands_in_the_url() {
    assert_eq!(shared_bootstrap_url("https://x/phone/", "boot", "pw").unwrap(), "https://boot:pw@x/phone/");
    assert!(shared_bootstrap_url("https://x/phone/", "boot", "p@w").is_err());
}
