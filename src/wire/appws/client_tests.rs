use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::wire::appws::{Challenge, LoginKind, server};

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

#[test]
fn both_ends_understand_each_other() {
    let instance = server::Instance {
        domain: "d".into(),
        password: "pwd".into(),
        build: None,
        apps: Box::new(|app: &str, kind| app == "devices-api" && kind == LoginKind::ServiceLogin),
    };
    let mut serving = server::Session::new(Arc::new(instance), Challenge::random(&mut rand::rng()), at(0));
    let (mut asking, mut todo) = Session::open(at(0));
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
                    info_raw: Some(r#"{"appobj":"x","s":"/<&>"}"#.into()),
                    pbx_obj: Some("devices".into()),
                    ..Login::default()
                };
                todo.extend(asking.login(&login.signed(&challenge, &"pwd".into())));
            }
            _ => {}
        }
    }
    assert!(asking.is_ready() && serving.is_logged_in());
}

#[test]
fn a_keep_alive_follows_a_quiet_minute_and_is_never_answered() {
    let mut session = ready();
    assert!(session.on_timer(at(61)).is_empty());
    session.sent(at(50));
    assert_eq!(session.timer(), Some(at(110)));
    assert!(matches!(&session.on_timer(at(110))[..], [Action::Send(text)] if text == r#"{"mt":"KeepAlive"}"#));
    assert!(session.on_text(r#"{"mt":"KeepAlive"}"#, at(111)).is_empty());
    assert!(matches!(session.on_text(r#"{"mt":"GetDomainsResult"}"#, at(112))[..], [Action::Deliver(_)]));
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
