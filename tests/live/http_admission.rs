//! Tests over the wire that clients other than the phone get nothing and learn nothing. The individual rules are tested
//! next to the listeners; these tests use the whole gateway.

use gangway::phone::facet::RedirectState;
use gangway_sim::{LoginForm, session::AppSession, yealink_phone::model};
use serde_json::json;

use crate::support::{
    bench::{Bench, simulation},
    http, mac,
    options::{Options, PASSWORD},
};

const AGENT: &str = "Yealink SIP-T46U 108.86.0.20 80:5e:c0:12:34:01";

#[actix_rt::test]
async fn without_a_token_every_mac_is_answered_alike() {
    let bench = Bench::start().await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let phones = format!("{}/phone", bench.gateway.instance_url());

    let known = http::get(&format!("{phones}/{}.cfg", mac(1)), AGENT);
    let unknown = http::get(&format!("{phones}/805ec0999999.cfg"), AGENT);

    assert_eq!(known.status, 401);
    assert_eq!(known.shape(), unknown.shape());
    for name in ["805ec0123401.boot", "805ec0999999.boot", "y000000000000.boot", "index.html", "../../etc/passwd", ""] {
        let answer = http::get(&format!("{phones}/{name}"), AGENT);
        assert_eq!(answer.status, 404, "{name}");
        assert!(answer.header("etag").is_none());
    }
}

#[actix_rt::test]
async fn a_common_file_is_for_everyone_and_holds_no_secret() {
    let bench = Bench::start().await;
    bench.installed(mac(1), model::T46U, "user1").await;
    let record = bench.records().phone(mac(1)).unwrap();
    let common = http::get(&format!("{}/phone/y000000000108.cfg", bench.gateway.instance_url()), AGENT);
    assert_eq!(common.status, 200);
    let text = common.text();
    assert!(text.starts_with("#!version:1.0.0.1\n"), "{text}");
    for secret in ["secret-1", record.token.expose(), record.own.password.expose(), "account.1.password"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[actix_rt::test]
async fn with_a_token_whatever_is_wrong_is_the_same_empty_404() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let url = bench.phone_url(mac);
    let wrong_token = format!("{}/phone/aaaaaaaaaaaaaaaaaaaaaaaaaa/{mac}.cfg", bench.gateway.instance_url());
    let refused = http::get(&wrong_token, AGENT);
    assert_eq!((refused.status, refused.body.len()), (404, 0));
    for name in ["805ec0123402.cfg", "805ec0123401.boot", "secret.txt"] {
        let answer = http::get(&format!("{url}{name}"), AGENT);
        assert_eq!(answer.shape(), refused.shape(), "{name}");
    }
    // File names are served in either case.
    let upper = http::get(&format!("{url}{}.cfg", mac.to_string().to_uppercase()), AGENT);
    assert_eq!(upper.status, 200);
    assert_eq!(upper.header("cache-control"), Some("private, no-store"));
}

#[actix_rt::test]
async fn uploads_are_taken_from_the_phone_up_to_a_limit() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    let url = format!("{}{mac}-local.cfg", bench.phone_url(mac));
    let agent = [("User-Agent", AGENT)];

    let stored = http::request("PUT", &url, &agent, &[b'a'; 1000]);
    let too_long = http::request("PUT", &url, &agent, &[b'a'; 64 * 1024 + 1]);

    assert!((200..300).contains(&stored.status), "{}", stored.status);
    assert_eq!(too_long.status, 413);
    let uploads = bench.records().store.uploaded_files().of(bench.records().phone(mac).unwrap().id).await.unwrap();
    assert_eq!(uploads.len(), 1);
    assert_eq!(uploads[0].name, format!("{mac}-local.cfg"));
    let stranger =
        http::request("PUT", &format!("{}/phone/{mac}-local.cfg", bench.gateway.instance_url()), &agent, b"x");
    assert!(matches!(stranger.status, 401 | 404), "{}", stranger.status);
}

/// The token is valid only for the first delivery. Later requests need the phone's own credentials.
#[actix_rt::test]
async fn once_the_phone_has_proven_itself_the_token_opens_nothing() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);
    bench.records().wait_phone(mac, "the window closed", |phone| phone.window.closed.is_some()).await;

    let late = http::get(&format!("{}{mac}.cfg", bench.phone_url(mac)), AGENT);

    assert_eq!(late.status, 401);
    assert!(late.header("etag").is_none());
    assert!(!late.text().contains("secret-1"));
    assert!(phone.poll_once().await.unwrap().unchanged, "the phone itself still gets its file");
}

#[actix_rt::test]
async fn the_operators_port_is_not_the_phones_port() {
    let bench = Bench::start().await;
    let health = http::get(&format!("{}/healthz", bench.gateway.base()), "curl");
    assert_eq!(health.status, 200);
    for path in ["/metrics", "/readyz", "/debug", "/", "/example.com", "/other.example/gangway/phone/y000000000108.cfg"]
    {
        assert_eq!(http::get(&format!("{}{path}", bench.gateway.base()), "curl").status, 404, "{path}");
    }
}

/// One process serves many tenants. Credentials of one instance are invalid in another.
#[actix_rt::test]
async fn nothing_crosses_between_instances() {
    let other = "[[instances]]\ndomain = \"other.example\"\nname = \"gangway\"\npassword = \"another password\"";
    let options = Options { instance: other.into(), ..Options::default() };
    let bench = Bench::start_in(simulation().start().await.unwrap(), options).await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;

    let elsewhere = bench.phone_url(mac).replace("/example.com/", "/other.example/");
    assert_eq!(http::get(&format!("{elsewhere}{mac}.cfg"), AGENT).status, 404);
    let url = bench.gateway.socket_url().replace("/example.com/", "/other.example/");
    for (domain, password, accepted) in [
        ("example.com", PASSWORD, false),
        ("other.example", PASSWORD, false),
        ("example.com", "another password", false),
        ("other.example", "another password", true),
    ] {
        let form = LoginForm {
            app: "gangway-yealink".into(),
            domain: domain.into(),
            sip: "gangway-yealink".into(),
            info: Some(json!({ "appobj": "gangway-yealink" })),
            password: password.into(),
            ..LoginForm::default()
        };
        let opened = AppSession::open(&bench.simulation.host(), &url, form).await;
        assert_eq!(opened.is_ok(), accepted, "{domain} {password}: {:?}", opened.err());
    }
    let listed = bench.gateway.command(&["phones", "list", "--json", "--instance", "other.example/gangway"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "[]");
    assert!(!bench.gateway.command(&["phones", "list"]).status.success(), "which of the two has to be said");
}
