//! Tests forged logins: members that no digest covers, fields split differently from how the PBX signed them, guesses,
//! and wrong domains. Also tests their traces in log, notices and audit.

use std::time::Instant;

use data_encoding::HEXLOWER;
use gangway::store::TokenScope;
use gangway_sim::{
    LoginForm,
    session::{AppSession, OpenError},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{
    bench::{Bench, simulation},
    gateway::Gateway,
    http,
    options::{DOMAIN, Options, PASSWORD},
    page::{Page, person, typed},
    process::Site,
    records::TIMEOUT,
    script::Script,
    socket::challenged,
};

const GUID: &str = "5cb0d3a8c5a84f4b9e0c0f8c7a6b5d4e";
const ADMIN: &str = "gangway-admin";
const PROVIDER: &str = "gangway-yealink";
/// Terminal control characters, and a forged log line.
const FORGED: &str = "anna\n2026-11-30T000000Z  INFO all is well\u{1b}[31m\u{9b}2J\u{202e}";

/// A login of an app object itself.
fn object(app: &str) -> LoginForm {
    LoginForm {
        sip: app.into(),
        info: Some(json!({ "appobj": app, "appdn": app, "pbx": "pbx", "apps": [] })),
        pbx_obj: None,
        ..person(app)
    }
}

/// A login of another service.
fn service(app: &str) -> LoginForm {
    LoginForm { sip: "users".into(), info: Some(json!({ "appobj": app, "pbx": "pbx", "cn": "users" })), ..person(app) }
}

/// A login by password, without a PBX.
fn by_password(app: &str, guid: &str) -> LoginForm {
    LoginForm { app: app.into(), guid: guid.into(), ..typed(PASSWORD) }
}

/// Returns whether the login succeeds. A rejected login keeps its place for two seconds and a source has only a few, so
/// this waits for one.
async fn opens(bench: &Bench, form: LoginForm) -> bool {
    let began = Instant::now();
    loop {
        match AppSession::open(&bench.simulation.host(), &bench.gateway.socket_url(), form.clone()).await {
            Ok(_) => return true,
            Err(OpenError::Refused) => return false,
            Err(error) => assert!(began.elapsed() < TIMEOUT, "no answer to the login: {error}"),
        }
    }
}

async fn bench_with(instance: &str) -> Bench {
    let options = Options { instance: instance.into(), ..Options::default() };
    Bench::start_in(simulation().start().await.unwrap(), options).await
}

/// No digest covers `pbxObj`, so a login that invents or omits it is the same login.
#[actix_rt::test]
async fn an_object_made_up_opens_nothing() {
    let bench = bench_with("").await;
    let zeros = "0".repeat(32);
    for (form, expected) in [
        (by_password(ADMIN, ""), false),
        (by_password(ADMIN, &zeros), false),
        (by_password(ADMIN, GUID), false),
        (LoginForm { domain: DOMAIN.into(), ..by_password(ADMIN, GUID) }, false),
        (by_password(PROVIDER, ""), false),
        (by_password(PROVIDER, &zeros), false),
        (by_password(PROVIDER, GUID), false),
        (person(ADMIN), true),
        (service(ADMIN), true),
        (person(PROVIDER), true),
        (service(PROVIDER), true),
    ] {
        for object in [None, Some(""), Some("x"), Some(ADMIN), Some(PROVIDER)] {
            let form = LoginForm { pbx_obj: object.map(str::to_owned), ..form.clone() };
            let text = format!("{form:?}");
            assert_eq!(opens(&bench, form).await, expected, "{text}");
        }
    }
    // An app object's own login with `pbxObj` is neither a PBX session nor anything else.
    for app in [ADMIN, PROVIDER] {
        assert!(opens(&bench, object(app)).await);
        assert!(!opens(&bench, LoginForm { pbx_obj: Some(app.into()), ..object(app) }).await);
    }
}

#[actix_rt::test]
async fn admin_logins_are_limited_to_admin_from_in_every_form() {
    let bench = bench_with("admin_password_login = true\nadmin_from = [\"10.99.0.0/16\"]").await;
    for form in [person(ADMIN), service(ADMIN), typed(PASSWORD), by_password(ADMIN, "")] {
        for object in [None, Some("x")] {
            let form = LoginForm { pbx_obj: object.map(str::to_owned), ..form.clone() };
            let text = format!("{form:?}");
            assert!(!opens(&bench, form).await, "{text}");
        }
    }
    // `admin_from` does not restrict the PBX's own connections and services.
    assert!(opens(&bench, object(ADMIN)).await);
    assert!(opens(&bench, service(PROVIDER)).await);
    let script = Script::new(&bench.gateway, "far", TokenScope::Write).await;
    assert_eq!(script.get("/phones").await.status, 403);
}

/// Every form of a guess counts, and no form succeeds while its source is throttled.
#[actix_rt::test]
async fn guesses_are_throttled_whatever_they_look_like() {
    let bench = bench_with("admin_password_login = true").await;
    let wrong = |form: LoginForm| LoginForm { password: "guess".into(), ..form };
    for form in [
        LoginForm { pbx_obj: Some("x".into()), ..by_password(ADMIN, "") },
        person(ADMIN),
        service("Gangway-Admin.htm"),
        typed(PASSWORD),
        LoginForm { pbx_obj: Some("x".into()), ..object(ADMIN) },
    ] {
        assert!(!opens(&bench, wrong(form)).await);
    }
    for form in [person(ADMIN), service(ADMIN), typed(PASSWORD), service("GANGWAY-ADMIN.HTM")] {
        let text = format!("{form:?}");
        assert!(!opens(&bench, form).await, "{text}");
    }
    // AppCheckLogin does not check the password either.
    let digest = Sha256::digest(format!("{ADMIN}:::::1234:{PASSWORD}"));
    let digest = HEXLOWER.encode(&digest);
    let (mut socket, _) = challenged(&bench.simulation, &bench.gateway.socket_url()).await;
    assert!(socket.send(&json!({ "mt": "AppCheckLogin", "app": ADMIN, "challenge": "1234", "digest": digest })).await);
    assert_eq!(socket.next_of("AppCheckLoginResult").await.unwrap()["ok"], false);
    // The PBX and services are still accepted.
    assert!(opens(&bench, object(ADMIN)).await);
    assert!(opens(&bench, service(PROVIDER)).await);
    let lines = metrics(&bench.gateway);
    assert!(lines.contains("gangway_logins_failed_total{reason=\"wrong-passwords-before\"} 4"), "{lines}");
}

fn metrics(gateway: &Gateway) -> String {
    let text = http::get(&gateway.ops_url("metrics"), "curl").text();
    text.lines().filter(|line| line.starts_with("gangway_logins")).collect::<Vec<_>>().join("\n")
}

/// Signs `fields` with the challenge as a PBX would and sends `sent` with that digest; returns whether the login
/// succeeded.
async fn cut_anew(bench: &Bench, fields: &str, mut sent: Value) -> bool {
    let (mut socket, challenge) = challenged(&bench.simulation, &bench.gateway.socket_url()).await;
    let digest = Sha256::digest(format!("{fields}:{challenge}:{PASSWORD}"));
    sent["mt"] = "AppLogin".into();
    sent["digest"] = HEXLOWER.encode(&digest).into();
    assert!(socket.send(&sent).await);
    let answer = socket.next_of("AppLoginResult").await.expect("an answer");
    answer.get("ok") == Some(&json!(true))
}

/// The digest has no escaping. What a PBX signed as a display name must not be parsed as a name, a GUID or `info`.
#[actix_rt::test]
async fn what_a_pbx_signed_is_read_in_one_way_only() {
    let bench = bench_with("admin_password_login = true").await;
    let info = json!({ "appobj": ADMIN, "cn": "Anna", "groups": [], "pbx": "pbx" });
    let before = format!("{ADMIN}:{DOMAIN}:anna:{GUID}");
    let own = json!({ "app": ADMIN, "domain": DOMAIN, "sip": "anna", "guid": GUID, "dn": "Anna: B", "info": info });
    assert!(cut_anew(&bench, &format!("{before}:Anna: B:{info}"), own).await, "the reading that was meant");
    let moved = format!("{DOMAIN}:anna:{GUID}:x");
    let zeros = "0".repeat(32);
    let false_info = json!({ "appobj": "anna", "appurl": "https://evil.example/a/b/gangway-admin" });
    for (dn, sent) in [
        // Another user's name in the audit.
        (
            "x:alice:0:Alice Boss".to_owned(),
            json!({ "domain": moved, "sip": "alice", "guid": "0", "dn": "Alice Boss", "info": info, "pbxObj": ADMIN }),
        ),
        (
            format!("x:alice:{GUID}:Alice Boss"),
            json!({ "domain": moved, "sip": "alice", "guid": GUID, "dn": "Alice Boss", "info": info }),
        ),
        // A forged PBX.
        (format!("x:{ADMIN}:0:d"), json!({ "domain": moved, "sip": ADMIN, "guid": "0", "dn": "d", "info": info })),
        (
            format!("x:{ADMIN}:{GUID}:d"),
            json!({ "domain": DOMAIN, "sip": format!("anna:{GUID}:x:{ADMIN}"), "guid": GUID, "dn": "d", "info": info }),
        ),
        (
            format!("{DOMAIN}:{ADMIN}:{GUID}:d"),
            json!({ "app": before, "domain": DOMAIN, "sip": ADMIN, "guid": GUID, "dn": "d", "info": info }),
        ),
        // A user without a PBX.
        (
            format!("x:anna:{zeros}:d"),
            json!({ "domain": moved, "sip": "anna", "guid": zeros, "dn": format!("d:{info}") }),
        ),
        ("d".to_owned(), json!({ "domain": DOMAIN, "sip": "anna", "guid": GUID, "dn": format!("d:{info}") })),
        (
            "d".to_owned(),
            json!({ "domain": DOMAIN, "sip": "anna", "guid": GUID, "dn": format!("d:{info}"), "pbxObj": "x" }),
        ),
    ] {
        let mut sent = sent;
        if sent.get("app").is_none() {
            sent["app"] = ADMIN.into();
        }
        let text = sent.to_string();
        assert!(!cut_anew(&bench, &format!("{before}:{dn}:{info}"), sent).await, "{text}");
    }
    // A page can have the PBX sign a challenge of its choice, which might contain an `info` before the PBX's own.
    let sent = json!({
        "app": ADMIN, "domain": DOMAIN, "sip": "anna", "guid": GUID, "dn": format!("d:{info}:x"), "info": false_info,
    });
    assert!(!cut_anew(&bench, &format!("{before}:d:{info}:x:{false_info}"), sent).await);
    // A plugin of the PBX Manager gets digests over empty fields.
    let sent = json!({ "app": ADMIN, "domain": "", "sip": "", "guid": "", "dn": "" });
    assert!(!cut_anew(&bench, &format!("{ADMIN}::::"), sent).await);
    let sent = json!({ "app": ADMIN, "domain": "", "sip": "", "guid": "", "dn": "", "info": false_info });
    assert!(!cut_anew(&bench, &format!("{ADMIN}:::::{false_info}"), sent).await);

    let (store, instance) = (&bench.records().store, bench.records().instance);
    assert!(store.audit_log().entries(instance, None, 10).await.unwrap().is_empty());
    assert!(store.learned().frame_hosts(instance).iter().all(|host| !host.contains("evil")));
}

/// Two tenants may share a password by mistake. A PBX can still log in only to its own domain.
#[actix_rt::test]
async fn a_login_is_of_one_domain() {
    let bench = bench_with("").await;
    for domain in ["other.example", "", "example.com.", "example.com:x", "xexample.com"] {
        for form in [person(ADMIN), service(PROVIDER), object(PROVIDER), object(ADMIN)] {
            let form = LoginForm { domain: domain.into(), ..form };
            let text = format!("{form:?}");
            assert!(!opens(&bench, form).await, "{text}");
        }
    }
    assert!(opens(&bench, LoginForm { domain: "Example.COM".into(), ..person(ADMIN) }).await);
}

async fn notices(page: &mut Page) -> Vec<String> {
    let answer = page.ask("Notices", json!({})).await;
    let all = answer["notices"].as_array().unwrap().iter().filter(|notice| notice["key"] == "login-refused");
    all.map(|notice| notice["text"]["text"].as_str().unwrap().to_owned()).collect()
}

/// Waits for notices that meet a condition; notices are updated once a second.
async fn notices_with(page: &mut Page, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
    let waiting = async {
        loop {
            let seen = notices(page).await;
            if wanted(&seen) {
                return seen;
            }
        }
    };
    tokio::time::timeout(TIMEOUT, waiting).await.expect(what)
}

/// If the admin app has a separate password, the instance's password does not open it, and vice versa.
#[actix_rt::test]
async fn the_admin_app_has_a_password_of_its_own() {
    const OWN: &str = "another secret";
    let simulation = simulation().start().await.unwrap();
    let options =
        Options { instance: format!("admin_password = \"{OWN}\"\nadmin_password_login = true"), ..Options::default() };
    let gateway = Gateway::start(&simulation, options).await;
    simulation.connect_gateway(&gateway.base());
    // The admin app object still has the instance's password.
    simulation.pbx.wait_connected(PROVIDER).await.unwrap();
    let bench = Bench { gateway, simulation };
    let with = |form: LoginForm, password: &str| LoginForm { password: password.into(), ..form };
    for (form, own, shared) in [
        (person(ADMIN), true, false),
        (service(ADMIN), true, false),
        (object(ADMIN), true, false),
        (typed(""), true, false),
        (person(PROVIDER), false, true),
        (service(PROVIDER), false, true),
        (object(PROVIDER), false, true),
    ] {
        for (password, expected) in [(OWN, own), (PASSWORD, shared)] {
            let form = with(form.clone(), password);
            let text = format!("{form:?}");
            assert_eq!(opens(&bench, form).await, expected, "{text}");
        }
    }
    let mut page =
        Page::open_as(&bench.simulation, &bench.gateway.socket_url(), with(person(ADMIN), OWN)).await.unwrap();
    let texts = notices_with(&mut page, "the notice of the other password", |seen| !seen.is_empty()).await;
    assert!(texts.iter().any(|texts| texts.contains("gangway-admin has admin_password")), "{texts:?}");

    bench.simulation.pbx.edit_app(ADMIN, |app| app.password = OWN.into());
    bench.simulation.pbx.drop_link(ADMIN);
    bench.simulation.pbx.wait_connected(ADMIN).await.unwrap();
    let of_admin = |texts: &String| texts.contains("app gangway-admin, name gangway-admin,");
    notices_with(&mut page, "the end of that notice", |seen| !seen.iter().any(of_admin)).await;
}

/// The URL of an app object may end in the name of the page, in any case. The login works as with the bare name.
#[actix_rt::test]
async fn names_with_htm_serve_as_without() {
    let bench = bench_with("").await;
    for (name, page) in [(ADMIN, "gangway-admin.htm"), (PROVIDER, "Gangway-Yealink.HTM")] {
        let base = bench.gateway.instance_url();
        bench.simulation.pbx.edit_app(name, |app| {
            app.url = format!("{base}/{page}");
            app.name_as_configured = true;
            app.service_info = None;
        });
        bench.simulation.pbx.drop_link(name);
        bench.simulation.pbx.wait_connected(name).await.unwrap();
    }
    let board = bench.simulation.pbx.board();
    let info = board.wait("the manufacturer", |pbx| pbx.apps[PROVIDER].service_info.clone()).await.unwrap();
    assert_eq!(info["apis"]["com.innovaphone.provisioning"]["title"], "Yealink");
    bench.provisioned(crate::support::mac(1), "user1").await;
    let mut page =
        Page::open_as(&bench.simulation, &bench.gateway.socket_url(), person("gangway-admin.htm")).await.unwrap();
    assert_eq!(page.ask("Hello", json!({})).await["person"]["login"], "pbx");
    assert!(notices(&mut page).await.is_empty());
}

/// Administrators need this to set up the connection to a PBX: one log line with all details, a notice with the
/// solution, and a counter. No name can create a second line, in either log format.
#[actix_rt::test]
async fn a_refused_login_can_be_understood_and_forges_nothing() {
    for format in ["text", "json"] {
        let options = Options::default();
        let site = Site::new(&options);
        let records = site.records(&options).await;
        let gateway = site.serve_with(&[("GANGWAY__LOG__FORMAT", format)]);
        let simulation = simulation().start().await.unwrap();
        let url = format!("ws://{}/{DOMAIN}/gangway", site.http);
        let refused = async |form: LoginForm| {
            assert_eq!(AppSession::open(&simulation.host(), &url, form).await.err(), Some(OpenError::Refused));
        };
        refused(LoginForm { sip: FORGED.into(), password: "wrong".into(), ..service(PROVIDER) }).await;
        refused(LoginForm { sip: FORGED.into(), dn: FORGED.into(), ..object("gangway-toaster") }).await;
        refused(LoginForm { domain: "other.example".into(), ..object(PROVIDER) }).await;
        let form = LoginForm { sip: FORGED.into(), dn: FORGED.into(), ..person(ADMIN) };
        let mut page = Page::open_as(&simulation, &url, form).await.unwrap();
        let texts = notices_with(&mut page, "two notices", |seen| seen.len() == 2).await;
        assert!(texts[0].contains("domain other.example") && texts[0].contains("domain in gangway.toml"), "{texts:?}");
        assert!(texts[1].contains("gangway-toaster") && texts[1].contains("gangway vendors"), "{texts:?}");
        page.ask("SettingsSet", json!({ "scope": "instance", "values": { "language": "de" } })).await;

        let log = gateway.log();
        let acts = |text: &str| text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
        assert!(!acts(&log), "{log:?}");
        assert!(log.lines().all(|line| !line.starts_with("2026-11-30T000000Z")), "{log}");
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("a login was refused")).collect();
        assert_eq!(lines.len(), 3, "{log}");
        for (line, parts) in lines.iter().zip([
            ["WARN", "gangway-yealink", "service-login", "wrong-password"],
            ["WARN", "gangway-toaster", "service-login", "unknown-app"],
            ["WARN", "other.example", "pbx-session", "other-domain"],
        ]) {
            let also = ["example.com/gangway", "127.0.0.1", "password"];
            assert!(parts.iter().chain(&also).all(|part| line.contains(part)), "{parts:?}: {line}");
        }
        assert!(lines[1].contains("right") && !lines[0].contains("right"), "{lines:?}");

        // After the login succeeds, its notice disappears.
        let open = AppSession::open(&simulation.host(), &url, object(PROVIDER)).await;
        assert!(open.is_ok());
        let texts = notices_with(&mut page, "one notice", |seen| seen.len() == 1).await;
        assert!(texts[0].contains("gangway-toaster"), "{texts:?}");

        let row = &records.store.audit_log().entries(records.instance, None, 10).await.unwrap()[0];
        assert!(row.who.contains("\\u{1b}") && !acts(&row.who) && !row.who.contains('\n'), "{row:?}");
        let audit = String::from_utf8(site.run(&["audit"]).stdout).unwrap();
        assert!(!acts(&audit) && audit.lines().count() == 2, "{audit:?}");
        drop(page);
        gateway.terminate();
    }
}

/// Names from the PBX may contain characters that change the reading direction, even on a terminal.
#[actix_rt::test]
async fn a_name_does_not_turn_the_terminal() {
    let bench = bench_with("").await;
    let mac = crate::support::mac(1);
    let request = gangway_sim::users::ProvisionRequest::new(&mac.to_string(), "user1", crate::support::bench::TITLE);
    let answer = bench.ask(request.with("cn", json!("Anna \u{202e}gpj.exe\u{2066}"))).await;
    assert!(answer.ok, "{:?}", answer.error);
    for arguments in [
        ["phones", "list", "", ""],
        ["phones", "show", "805ec0123401", ""],
        ["--json", "phones", "show", "805ec0123401"],
    ] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
        let output = bench.gateway.command(&arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("Anna") || arguments.contains(&"list"), "{text}");
        assert!(!text.contains(['\u{202e}', '\u{2066}', '\u{1b}']), "{arguments:?}: {text:?}");
    }
}
