//! Fuzzes both ends of AppWebsocket with messages, one per line. The first byte selects the end.

use std::sync::Arc;

use gangway_base::secret::Secret;
use gangway_wire::appws::{
    Challenge, Envelope, IN_LIMIT, Info, LoginKind, LoginRejection, SessionKey, app_info::AppInfo, client,
    devices::DevicesMessage, login::Login, pbx_admin, pbx_info, provisioning::ProvisioningPhone, server, services,
};
use jiff::Timestamp;

pub fn enter(data: &[u8]) {
    let Some((side, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    match side % 3 {
        0 => asked(text),
        1 => asking(text),
        _ => text.lines().for_each(read),
    }
}

/// No input contains this password or a digest made with it.
const PASSWORD: &str = "a password nobody says";

/// Accepts every app and every kind of login.
struct Any;

impl server::Apps for Any {
    fn find(&self, name: &str) -> Option<server::App> {
        Some(server::App { name: name.into(), password: Secret::new(PASSWORD) })
    }

    fn attempt(&self, _: Option<&server::App>, _: LoginKind, _: bool) -> Result<(), LoginRejection> {
        Ok(())
    }

    fn admit(&self, _: &server::App, _: LoginKind) -> Result<(), LoginRejection> {
        Ok(())
    }
}

/// An unauthenticated client at the server end: without the password, no message is delivered.
fn asked(text: &str) {
    let instance = server::Instance {
        domain: "example.com".into(),
        passwords: vec![Secret::new(PASSWORD)],
        build: None,
        apps: Box::new(Any),
    };
    let now = Timestamp::UNIX_EPOCH;
    let mut session = server::Session::new(Arc::new(instance), Challenge::from_text("0123456789abcdef"), now);
    let mut ended = false;
    for line in text.lines() {
        for action in session.on_text(line, now) {
            match action {
                server::Action::Deliver(_) | server::Action::LoggedIn(_) => panic!("let in without the password"),
                server::Action::Send(_) => assert!(!ended, "said something after the end"),
                server::Action::Close(_) | server::Action::CloseAfter(_) => ended = true,
                server::Action::Ignored(_) | server::Action::Pause(_) | server::Action::Refused(_) => {}
            }
        }
    }
    assert!(!session.is_logged_in());
}

/// A service at the client end.
fn asking(text: &str) {
    let mut now = Timestamp::UNIX_EPOCH;
    let (mut session, _) = client::Session::open(now);
    let mut is_ready = false;
    for line in text.lines() {
        for action in session.on_text(line, now) {
            match action {
                client::Action::NeedLogin { challenge } => {
                    let login = Login::default().signed(&challenge, &Secret::new("p"));
                    let _ = session.login(&login);
                }
                client::Action::Ready { .. } => is_ready = true,
                client::Action::Deliver(_) => assert!(is_ready, "delivered before the login"),
                _ => {}
            }
        }
        now = now.saturating_add(std::time::Duration::from_secs(1)).unwrap_or(Timestamp::MAX);
        let _ = session.on_timer(now);
    }
}

/// Feeds a message to all parsers.
fn read(line: &str) {
    let Ok(message) = Envelope::parse(line, IN_LIMIT) else { return };
    // A response must be a valid message for the requester.
    let answer = message.error_answer("Answer", "a \"sentence\"\n").text();
    let again = Envelope::parse(&answer, usize::MAX).expect("an answer of ours is a message");
    assert_eq!(again.src_text(), message.src_text());
    assert_eq!(again.error().as_deref(), Some("a \"sentence\"\n"));
    let key = SessionKey::derive("0123456789abcdef", &Secret::new("pwd"));
    if ProvisioningPhone::is(&message)
        && let Ok(request) = ProvisioningPhone::parse(&message, &key)
    {
        for text in [&request.hwid, &request.username, &request.cn, &request.domain, &request.dns] {
            assert!(!text.chars().any(char::is_control), "a control character comes in");
        }
        assert!(!request.password.expose().chars().any(char::is_control));
    }
    if let Some(info) = message.body.get("info") {
        let _ = Info::read(info);
    }
    let _ = Login::parse(line).map(|login| login.info());
    let _ = AppInfo::parse(&message);
    let _ = DevicesMessage::parse(&message);
    let _ = pbx_info::PbxInfo::parse(&message);
    let _ = pbx_admin::update_object_result(&message);
    let _ = pbx_admin::get_regs_result(&message);
    if let Some(Ok(object)) = pbx_admin::GetObjectResult::parse(&message) {
        for (hwid, _) in object.devices.names() {
            let flags = object.devices.flags(hwid).expect("a device that is listed has flags");
            assert!(object.devices.with_flags(hwid, flags).is_some());
        }
    }
    if let Some(services) = services::ServicesInfo::parse(&message) {
        for service in &services.services {
            let _ = (service.model("com.innovaphone.devices"), service.websocket(), service.sysclients());
        }
    }
    if let Some(Ok(login)) = services::GetServiceLoginResult::parse(&message) {
        let _ = (login.session_key(&key), Login::forward(&login).to_message());
    }
}
