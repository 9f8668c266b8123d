use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::appws::{Challenge, LoginKind, LoginRejection, server};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn ready() -> Session {
    let (mut session, hello) = Session::open(at(0));
    assert!(matches!(&hello[..], [Action::Send(text)] if text == r#"{"mt":"AppChallenge"}"#));
    let actions = session.on_text(r#"{"mt":"AppChallengeResult","challenge":"42"}"#, at(1));
    assert!(matches!(&actions[..], [Action::NeedLogin { challenge }] if challenge == "42"));
    assert!(matches!(&session.login(&Login::default())[..], [Action::Send(_)]));
    let actions = session.on_text(r#"{"mt":"AppLoginResult","domain":"d","ok":true}"#, at(2));
    assert!(matches!(&actions[..], [Action::Ready { domain: Some(domain) }] if domain == "d"));
    session
}

/// The `devices-api` app, which services may log in to.
struct Devices;

impl server::Apps for Devices {
    fn find(&self, name: &str) -> Option<server::App> {
        (name == "devices-api").then(|| server::App { name: name.into(), password: "pwd".into() })
    }

    fn attempt(&self, _: Option<&server::App>, _: LoginKind, _: bool) -> Result<(), LoginRejection> {
        Ok(())
    }

    fn admit(&self, _: &server::App, kind: LoginKind) -> Result<(), LoginRejection> {
        if kind == LoginKind::ServiceLogin { Ok(()) } else { Err(LoginRejection::Object) }
    }
}

#[test]
fn both_ends_understand_each_other() {
    let instance =
        server::Instance { domain: "d".into(), passwords: vec!["pwd".into()], build: None, apps: Box::new(Devices) };
    let mut serving = server::Session::new(Arc::new(instance), Challenge::random(&mut rand::rng()), at(0));
    let (mut asking, mut todo) = Session::open(at(0));
    let mut is_ready = false;
    while let Some(action) = todo.pop() {
        match action {
            Action::Send(text) => {
                for answer in serving.on_text(&text, at(1)) {
                    if let server::Action::Send(text) = answer {
                        todo.extend(asking.on_text(&text, at(1)));
                    }
                }
            }
            Action::NeedLogin { challenge } => {
                let login = Login {
                    app: "devices-api".into(),
                    domain: "D".into(),
                    sip: "gangway".into(),
                    info_raw: Some(r#"{"appobj":"x","s":"/<&>"}"#.into()),
                    pbx_obj: Some("devices".into()),
                    ..Login::default()
                };
                todo.extend(asking.login(&login.signed(&challenge, &"pwd".into())));
            }
            Action::Ready { .. } => is_ready = true,
            _ => {}
        }
    }
    assert!(is_ready && serving.is_logged_in());
}

#[test]
fn a_keep_alive_follows_a_quiet_minute_and_is_never_answered() {
    let mut session = ready();
    assert!(session.on_timer(at(29)).is_empty());
    session.sent(at(50));
    assert!(matches!(session.on_timer(at(60))[..], [Action::Ping]));
    assert!(matches!(session.on_timer(at(90))[..], [Action::Ping]));
    assert_eq!(session.timer(), Some(at(110)));
    assert!(matches!(&session.on_timer(at(110))[..], [Action::Send(text)] if text == r#"{"mt":"KeepAlive"}"#));
    assert!(session.on_text(r#"{"mt":"KeepAlive"}"#, at(111)).is_empty());
    assert!(matches!(session.on_text(r#"{"mt":"GetDomainsResult"}"#, at(112))[..], [Action::Deliver(_)]));
}

/// Runs the timer from second `from` while the service is silent. Returns when the session closes as dead.
fn left_alone(mut session: Session, from: i64) -> Option<i64> {
    (from..from + 1_000).find(|second| {
        let due = session.timer().is_some_and(|timer| timer <= at(*second));
        due && matches!(session.on_timer(at(*second))[..], [Action::Close(CloseReason::Dead)])
    })
}

#[test]
fn a_service_that_has_answered_pings_and_is_silent_is_gone_after_two_minutes() {
    let mut session = ready();
    assert!(matches!(session.on_timer(at(30))[..], [Action::Ping]));
    session.on_pong();
    // Pings at 60, 90 and 120 s; closed at 150 s.
    assert_eq!(left_alone(session, 31), Some(150));
}

#[test]
fn one_that_answers_keep_alives_alone_is_gone_after_four() {
    let mut session = ready();
    let actions = (31..=62).flat_map(|second| session.on_timer(at(second))).collect::<Vec<_>>();
    assert!(actions.iter().any(|action| matches!(action, Action::Send(_))), "{actions:?}");
    session.on_text(r#"{"mt":"KeepAlive"}"#, at(63));
    // KeepAlives 60, 120 and 180 s after the last message; closed after 240 s.
    assert_eq!(left_alone(session, 64), Some(63 + 240));
}

#[test]
fn one_that_answers_neither_is_not_expected_to() {
    assert_eq!(left_alone(ready(), 2), None);
}

#[test]
fn a_login_that_fails_or_takes_too_long_ends_the_socket() {
    let (mut session, _) = Session::open(at(0));
    assert!(matches!(session.on_timer(at(20))[..], [Action::Close(CloseReason::LoginTime)]));
    assert_eq!(session.timer(), None);
    let (mut session, _) = Session::open(at(0));
    session.on_text(r#"{"mt":"AppChallengeResult","challenge":"42"}"#, at(1));
    assert!(matches!(session.on_text(r#"{"mt":"AppLoginResult","ok":true}"#, at(1))[..], [Action::Ignored]));
    session.login(&Login::default());
    assert!(session.login(&Login::default()).is_empty());
    let refused = session.on_text(r#"{"mt":"AppLoginResult","ok":false}"#, at(1));
    assert!(matches!(refused[..], [Action::Close(CloseReason::Refused)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn any_order_is_survived(texts in prop::collection::vec(prop::sample::select(vec![
        r#"{"mt":"AppChallengeResult","challenge":"1"}"#, r#"{"mt":"AppLoginResult","ok":true}"#, "x", r#"{"mt":"Y"}"#,
    ]), 0..10)) {
        let (mut session, _) = Session::open(at(0));
        for text in texts {
            for action in session.on_text(text, at(1)) {
                let through = matches!(action, Action::Ready { .. } | Action::Deliver(_));
                prop_assert!(!through);
            }
        }
    }
}
