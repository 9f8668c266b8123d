use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Two apps: `gangway-snom` for PBXs, with the shared password, and `gangway-admin` for administrators, with a separate
/// one.
struct Two;

impl Apps for Two {
    fn find(&self, name: &str) -> Option<App> {
        let password = match name {
            "gangway-snom" => "pwd",
            "gangway-admin" => "other",
            _ => return None,
        };
        Some(App { name: name.into(), password: password.into() })
    }

    fn attempt(&self, _: Option<&App>, _: LoginKind, _: bool) -> Result<(), LoginRejection> {
        Ok(())
    }

    fn admit(&self, app: &App, kind: LoginKind) -> Result<(), LoginRejection> {
        let wanted = if app.name == "gangway-snom" { LoginKind::PbxSession } else { LoginKind::UserLogin };
        if kind == wanted { Ok(()) } else { Err(LoginRejection::NotByPassword) }
    }
}

fn instance() -> Arc<Instance> {
    Arc::new(Instance {
        domain: "example.com".into(),
        passwords: vec!["pwd".into(), "other".into()],
        build: Some("12".into()),
        apps: Box::new(Two),
    })
}

fn open() -> Session {
    Session::new(instance(), Challenge::from_text("1234567890123456"), at(0))
}

fn login(app: &str, password: &str) -> String {
    let login = Login {
        app: app.into(),
        domain: "example.com".into(),
        sip: "gw".into(),
        info_raw: Some(r#"{"appobj":"gw","appurl":"https://h/?a=<&>","apps":[]}"#.into()),
        ..Login::default()
    };
    login.signed("1234567890123456", &password.into()).to_message()
}

fn sent(actions: &[Action]) -> Value {
    let Some(Action::Send(text)) = actions.first() else { panic!("{actions:?}") };
    serde_json::from_str(text).unwrap()
}

fn logged_in() -> Session {
    let mut session = open();
    session.on_text(r#"{"mt":"AppChallenge"}"#, at(1));
    session.on_text(&login("gangway-snom", "pwd"), at(1));
    assert!(session.is_logged_in());
    session
}

#[test]
fn a_pbx_logs_in_and_its_messages_are_answered() {
    let mut session = open();
    assert_eq!((session.limit(), session.timer()), (PRE_LOGIN_LIMIT, Some(at(10))));
    let challenge = sent(&session.on_text(r#"{"mt":"AppChallenge"}"#, at(1)));
    assert_eq!(challenge, json!({"mt":"AppChallengeResult","challenge":"1234567890123456"}));
    let actions = session.on_text(&login("gangway-snom", "pwd"), at(2));
    assert_eq!(sent(&actions), json!({"mt":"AppLoginResult","app":"gangway-snom","domain":"example.com","ok":true}));
    let Some(Action::LoggedIn(identity)) = actions.get(1) else { panic!("{actions:?}") };
    assert_eq!((identity.kind, identity.appobj()), (LoginKind::PbxSession, Some("gw")));
    assert_eq!(identity.key, SessionKey::derive("1234567890123456", &"pwd".into()));
    assert_eq!((session.limit(), session.timer()), (IN_LIMIT, None));
    let actions = session.on_text(r#"{"mt":"PbxInfo","domain":"d"}"#, at(100));
    assert!(matches!(&actions[..], [Action::Deliver(message)] if message.mt == "PbxInfo"));
    assert_eq!(sent(&session.on_text(r#"{"mt":"KeepAlive"}"#, at(100))), json!({"mt":"KeepAlive"}));
    for text in [r#"{"mt":"AppChallenge"}"#, &login("gangway-snom", "pwd")] {
        assert!(matches!(session.on_text(text, at(100))[..], [Action::Ignored(Ignored::AfterLogin)]));
    }
    let other_api = session.on_text(r#"{"mt":"AppLogin","api":"X"}"#, at(100));
    assert!(matches!(&other_api[..], [Action::Deliver(_)]));
}

#[test]
fn a_failed_login_is_answered_without_ok_and_ends_the_socket() {
    let unasked = login("gangway-snom", "pwd");
    for (asks, text) in [
        (true, login("gangway-snom", "wrong")),
        (true, login("unknown", "pwd")),
        (true, r#"{"mt":"AppLogin"}"#.to_owned()),
        (true, r#"{"mt":"AppLogin","info":{},"info":{}}"#.to_owned()),
        (false, unasked),
    ] {
        let mut session = open();
        if asks {
            session.on_text(r#"{"mt":"AppChallenge"}"#, at(1));
        }
        let actions = session.on_text(&text, at(1));
        assert_eq!((sent(&actions)["mt"].as_str(), sent(&actions).get("ok")), (Some("AppLoginResult"), None), "{text}");
        assert!(matches!(actions[1..], [Action::Refused(_), Action::CloseAfter(FAILED_LOGIN_PAUSE)]));
        let again = session.on_text(&login("gangway-snom", "pwd"), at(1));
        assert!(matches!(again[..], [Action::Ignored(Ignored::Closing)]));
    }
}

#[test]
fn an_empty_instance_password_admits_nobody() {
    let instance = Instance {
        domain: "example.com".into(),
        passwords: vec![Secret::default()],
        build: None,
        apps: Box::new(Empty),
    };
    let mut session = Session::new(Arc::new(instance), Challenge::from_text("1234567890123456"), at(0));
    session.on_text(r#"{"mt":"AppChallenge"}"#, at(1));
    session.on_text(&login("gangway-snom", ""), at(1));
    assert!(!session.is_logged_in());
}

/// An app with an empty password.
struct Empty;

impl Apps for Empty {
    fn find(&self, name: &str) -> Option<App> {
        Some(App { name: name.into(), password: Secret::default() })
    }

    fn attempt(&self, _: Option<&App>, _: LoginKind, _: bool) -> Result<(), LoginRejection> {
        Ok(())
    }

    fn admit(&self, _: &App, _: LoginKind) -> Result<(), LoginRejection> {
        Ok(())
    }
}

/// Returns why a modified login to `app` with this password is rejected, and whether the password was right.
fn refused(app: &str, password: &str, change: impl FnOnce(&mut Login)) -> (LoginRejection, bool) {
    let mut session = open();
    session.on_text(r#"{"mt":"AppChallenge"}"#, at(1));
    let mut form = Login {
        app: app.into(),
        domain: "example.com".into(),
        sip: "gw".into(),
        info_raw: Some(r#"{"appobj":"gw"}"#.into()),
        ..Login::default()
    };
    change(&mut form);
    let actions = session.on_text(&form.signed("1234567890123456", &password.into()).to_message(), at(1));
    let Some(Action::Refused(refused)) = actions.get(1) else { panic!("{actions:?}") };
    (refused.refusal, refused.is_proven)
}

#[test]
fn a_refused_login_says_why_and_whether_the_password_was_right() {
    assert_eq!(refused("gangway-snom", "wrong", |_| ()), (LoginRejection::Password, false));
    assert_eq!(refused("gangway-snom", "other", |_| ()), (LoginRejection::OtherPassword, false));
    assert_eq!(refused("gangway-admin", "pwd", |_| ()), (LoginRejection::OtherPassword, false));
    assert_eq!(refused("gangway-toaster", "pwd", |_| ()), (LoginRejection::App, true));
    assert_eq!(refused("gangway-snom", "pwd", |login| login.domain = "x".into()), (LoginRejection::Domain, true));
    assert_eq!(refused("gangway-snom", "pwd", |login| login.sip = "gw:x".into()), (LoginRejection::ColonInSip, true));
    assert_eq!(refused("gangway-snom", "pwd", |login| login.info_raw = None), (LoginRejection::NoInfo, true));
    assert_eq!(
        refused("gangway-snom", "pwd", |login| login.info_raw = Some("[]".into())),
        (LoginRejection::NoInfo, true)
    );
    assert_eq!(
        refused("gangway-snom", "pwd", |login| login.pbx_obj = Some("gw".into())),
        (LoginRejection::Object, true)
    );
    assert_eq!(refused("gangway-admin", "other", |_| ()), (LoginRejection::NotByPassword, true));
}

#[test]
fn the_session_key_is_of_the_password_that_proved_the_login() {
    let mut session = open();
    session.on_text(r#"{"mt":"AppChallenge"}"#, at(1));
    let form = Login {
        app: "gangway-admin".into(),
        domain: "example.com".into(),
        sip: "anna".into(),
        info_raw: Some(r#"{"appobj":"gw","groups":[]}"#.into()),
        ..Login::default()
    };
    let actions = session.on_text(&form.signed("1234567890123456", &"other".into()).to_message(), at(1));
    let Some(Action::LoggedIn(identity)) = actions.get(1) else { panic!("{actions:?}") };
    assert_eq!(identity.key, SessionKey::derive("1234567890123456", &"other".into()));
}

#[test]
fn before_login_messages_are_limited() {
    let mut session = open();
    for text in [r#"{"mt":"PbxInfo"}"#, r#"{"mt":"KeepAlive"}"#, r#"{"mt":"AppChallenge","api":"X"}"#] {
        assert!(matches!(session.on_text(text, at(1))[..], [Action::Ignored(Ignored::BeforeLogin)]));
    }
    assert!(matches!(session.on_text("nonsense", at(1))[..], [Action::Ignored(Ignored::Malformed)]));
    for _ in 4..PRE_LOGIN_MESSAGES {
        session.on_text("x", at(1));
    }
    assert!(matches!(session.on_text("x", at(1))[..], [Action::Close(CloseReason::TooMany)]));
    let long = format!(r#"{{"mt":"AppLogin","dn":"{}"}}"#, "x".repeat(PRE_LOGIN_LIMIT));
    assert!(matches!(open().on_text(&long, at(1))[..], [Action::Close(CloseReason::TooLarge)]));
    assert!(matches!(logged_in().on_text(&long, at(1))[..], [Action::Deliver(_)] | [Action::Ignored(_)]));
}

#[test]
fn ten_seconds_are_enough() {
    let mut session = open();
    assert!(session.on_timer(at(9)).is_empty());
    assert!(matches!(session.on_timer(at(10))[..], [Action::Close(CloseReason::LoginTime)]));
    let mut session = open();
    // Even if the timer did not fire, the next message detects the timeout.
    assert!(matches!(session.on_text("x", at(11))[..], [Action::Close(CloseReason::LoginTime)]));
    assert!(logged_in().on_timer(at(100)).is_empty());
}

#[test]
fn plugins_check_the_password_before_and_after_login() {
    let check = |domain: &str, password: &str| {
        let login =
            Login { app: "a".into(), domain: domain.into(), ..Login::default() }.signed("1234", &password.into());
        json!({"mt":"AppCheckLogin","src":"5","app":"a","domain":"d","challenge":"1234","digest":login.digest})
            .to_string()
    };
    for mut session in [open(), logged_in()] {
        for domain in ["", "d"] {
            let answer = sent(&session.on_text(&check(domain, "pwd"), at(1)));
            assert_eq!(answer, json!({"mt":"AppCheckLoginResult","src":"5","ok":true}));
        }
        // AppCheckLogin must not allow guessing passwords.
        for wrong in ["x", "y"] {
            let actions = session.on_text(&check("", wrong), at(1));
            assert_eq!(sent(&actions)["ok"], json!(false));
            assert!(matches!(actions[1..], [Action::Pause(FAILED_LOGIN_PAUSE)]));
        }
        let actions = session.on_text(&check("", "z"), at(1));
        assert!(matches!(actions[..], [Action::Send(_), Action::Pause(_), Action::Close(CloseReason::WrongChecks)]));
    }
}

#[test]
fn pages_check_their_build() {
    let ask = |url: &str| sent(&open().on_text(&json!({"mt":"CheckBuild","url":url}).to_string(), at(1)));
    assert_eq!(ask("https://h/d/i/12/a.htm"), json!({"mt":"CheckBuildResult"}));
    assert_eq!(ask("https://h/d/i/a.htm"), json!({"mt":"CheckBuildResult","url":"https://h/d/i/12/a.htm"}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]
    #[test]
    fn no_login_succeeds_without_the_password(
        texts in prop::collection::vec(prop_oneof![
            any::<String>(),
            Just(r#"{"mt":"AppChallenge"}"#.to_owned()),
            Just(login("gangway-snom", "wrong")),
            Just(r#"{"mt":"PbxInfo"}"#.to_owned()),
            "[{}\":,a-z]{0,20}".prop_map(|inner| format!(r#"{{"mt":"AppLogin",{inner}}}"#)),
        ], 0..12),
    ) {
        let mut session = open();
        for text in texts {
            for action in session.on_text(&text, at(1)) {
                let through = matches!(action, Action::LoggedIn(_) | Action::Deliver(_));
                prop_assert!(!through);
                if let Action::Send(text) = action { prop_assert!(!text.contains("sysClient") && text.len() <= 65_535); }
            }
        }
        prop_assert!(!session.is_logged_in());
    }
}
