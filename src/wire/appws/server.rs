//! The serving end of one AppWebsocket as a state machine: texts and the time in, actions out. Before login only the
//! login's own messages are answered; what an identity may do is decided by whoever gets [`Action::Deliver`].

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    build,
    envelope::{Envelope, EnvelopeError, IN_LIMIT, Outgoing, PRE_LOGIN_LIMIT},
    info::{Identity, LoginKind},
    key::SessionKey,
    login::{Challenge, Login},
};
use crate::{secret::Secret, wire::shape};

/// Time a socket has to log in.
pub const LOGIN_TIME: Duration = Duration::from_secs(10);
/// Pause between the answer to a failed login and the end of the socket, and after a wrong check: slows down guessing, and
/// the answer arrives.
pub const FAILED_LOGIN_PAUSE: Duration = Duration::from_secs(2);
/// Messages a socket may send before login.
const PRE_LOGIN_MESSAGES: u32 = 32;
/// Wrong AppCheckLogins a socket may send.
const WRONG_CHECKS: u32 = 3;

/// Decides which logins there are: the apps that exist, and who may log in to which. The name of the app is where
/// authority comes from.
pub trait Apps: Send + Sync {
    /// May a proven login of this kind use this app?
    fn admits(&self, app: &str, kind: LoginKind) -> bool;
}

impl<F: Fn(&str, LoginKind) -> bool + Send + Sync> Apps for F {
    fn admits(&self, app: &str, kind: LoginKind) -> bool {
        self(app, kind)
    }
}

/// What all sockets of one instance share.
pub struct Instance {
    /// Domain of the instance, told to the client after login.
    pub domain: String,
    /// The shared password. With an empty one no login succeeds.
    pub password: Secret,
    /// Build number in the path of our pages, hex; `None` without such paths.
    pub build: Option<String>,
    /// Which apps there are.
    pub apps: Box<dyn Apps>,
}

/// What to do, in this order.
#[derive(Debug)]
pub enum Action {
    /// Send a text message.
    Send(String),
    /// The login succeeded (its answer is sent before this).
    LoggedIn(Box<Identity>),
    /// A message for the apis; only after login.
    Deliver(Box<Envelope>),
    /// A message was ignored; count it.
    Ignored(Ignored),
    /// The login failed; count it against the source, close after the pause.
    CloseAfter(Duration),
    /// A wrong password was tried without a login; count it, hear nothing for the pause and keep the socket's place that
    /// long, whether or not anybody is still there.
    Pause(Duration),
    /// Close now.
    Close(CloseReason),
}

/// Why a message was ignored. For counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// No message of the expected form.
    Malformed,
    /// Not to be said before login.
    BeforeLogin,
    /// A login message after login.
    AfterLogin,
    /// Something after the end.
    Closing,
}

/// Why the socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// No login in time.
    #[error("no login within 10 seconds")]
    LoginTime,
    /// A message longer than allowed.
    #[error("a message longer than allowed")]
    TooLarge,
    /// Too many messages before login.
    #[error("too many messages before login")]
    TooMany,
}

/// One socket.
pub struct Session {
    instance: Arc<Instance>,
    phase: Phase,
    wrong_checks: u32,
}

enum Phase {
    Before(Unproven),
    LoggedIn,
    Closing,
}

/// A socket nobody logged in on yet. Holds the challenge, which is gone with the phase: it works once.
struct Unproven {
    challenge: Challenge,
    asked: bool,
    until: Timestamp,
    messages: u32,
}

impl Session {
    /// A socket that was just opened. `challenge` must be fresh.
    #[must_use]
    pub fn new(instance: Arc<Instance>, challenge: Challenge, now: Timestamp) -> Self {
        let until = now.saturating_add(LOGIN_TIME).unwrap_or(Timestamp::MAX);
        let phase = Phase::Before(Unproven { challenge, asked: false, until, messages: 0 });
        Self { instance, phase, wrong_checks: 0 }
    }

    /// The longest message to read now, in bytes; give it to the socket so that longer ones never get into memory.
    #[must_use]
    pub fn limit(&self) -> usize {
        if self.is_logged_in() { IN_LIMIT } else { PRE_LOGIN_LIMIT }
    }

    /// Did the login succeed?
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::LoggedIn)
    }

    /// When [`Session::on_timer`] wants to be called; `None` = never.
    #[must_use]
    pub fn timer(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Before(unproven) => Some(unproven.until),
            Phase::LoggedIn | Phase::Closing => None,
        }
    }

    /// The time of [`Session::timer`] may have come.
    pub fn on_timer(&mut self, now: Timestamp) -> Vec<Action> {
        match &self.phase {
            Phase::Before(unproven) if now >= unproven.until => self.close(CloseReason::LoginTime),
            _ => Vec::new(),
        }
    }

    /// A text message came.
    pub fn on_text(&mut self, text: &str, now: Timestamp) -> Vec<Action> {
        if matches!(self.phase, Phase::Closing) {
            return vec![Action::Ignored(Ignored::Closing)];
        }
        let overdue = self.on_timer(now);
        if !overdue.is_empty() {
            return overdue;
        }
        let message = match Envelope::parse(text, self.limit()) {
            Ok(message) => Some(message),
            Err(EnvelopeError::TooLarge { .. }) => return self.close(CloseReason::TooLarge),
            Err(EnvelopeError::Json(_)) => None,
        };
        if let Phase::Before(unproven) = &mut self.phase {
            unproven.messages += 1;
            if unproven.messages > PRE_LOGIN_MESSAGES {
                return self.close(CloseReason::TooMany);
            }
        }
        match message {
            Some(message) => self.on_message(message),
            None => vec![Action::Ignored(Ignored::Malformed)],
        }
    }

    fn on_message(&mut self, message: Envelope) -> Vec<Action> {
        // Base messages have no api; with one they belong to somebody else.
        let base = if message.api.is_none() { message.mt.as_str() } else { "" };
        match base {
            "CheckBuild" => return self.check_build(&message),
            "AppCheckLogin" => return self.check_login(&message),
            _ => {}
        }
        match (&mut self.phase, base) {
            (Phase::Before(unproven), "AppChallenge") => {
                unproven.asked = true;
                let answer = message.answer("AppChallengeResult").field("challenge", unproven.challenge.as_str());
                vec![Action::Send(answer.text())]
            }
            (Phase::Before(_), "AppLogin") => self.login(&message),
            (Phase::Before(_), _) => vec![Action::Ignored(Ignored::BeforeLogin)],
            (_, "AppChallenge" | "AppLogin") => vec![Action::Ignored(Ignored::AfterLogin)],
            (_, "KeepAlive") => vec![Action::Send(Outgoing::new(None, "KeepAlive").text())],
            _ => vec![Action::Deliver(Box::new(message))],
        }
    }

    fn login(&mut self, message: &Envelope) -> Vec<Action> {
        let Phase::Before(unproven) = std::mem::replace(&mut self.phase, Phase::Closing) else { return Vec::new() };
        let challenge = unproven.challenge.as_str();
        let login = Login::parse(&message.raw).unwrap_or_default();
        let answer = message.answer("AppLoginResult").field("app", &login.app);
        let proven = unproven.asked && login.proves(challenge, &self.instance.password);
        let info = login.info();
        let kind = LoginKind::of(&login, info.as_ref());
        // Asked before it matters: whoever counts attempts wants to know of the wrong ones.
        let admitted = self.instance.apps.admits(&login.app, kind);
        if !proven || !admitted {
            return vec![Action::Send(answer.text()), Action::CloseAfter(FAILED_LOGIN_PAUSE)];
        }
        let key = SessionKey::derive(challenge, &self.instance.password);
        let Login { app, domain, sip, guid, dn, pbx_obj, .. } = login;
        let identity = Identity { app, domain, sip, guid, dn, info, kind, untrusted_pbx_obj: pbx_obj, key };
        self.phase = Phase::LoggedIn;
        let answer = answer.field("domain", &self.instance.domain).field("ok", true);
        vec![Action::Send(answer.text()), Action::LoggedIn(Box::new(identity))]
    }

    /// A page asks whether it is of the current build.
    fn check_build(&self, message: &Envelope) -> Vec<Action> {
        let page = shape::text_or_empty(&message.body, "url");
        let there = self.instance.build.as_deref().and_then(|build| build::redirect(&page, build));
        vec![Action::Send(message.answer("CheckBuildResult").maybe("url", there).text())]
    }

    /// A plugin of the PBX Manager asks whether PBX and we have the same password. The digest covers a challenge of the
    /// asker's choice; whether its domain takes part in it is not documented, so both are tried.
    fn check_login(&mut self, message: &Envelope) -> Vec<Action> {
        let body = &message.body;
        let with_domain = Login {
            app: shape::text_or_empty(body, "app"),
            domain: shape::text_or_empty(body, "domain"),
            digest: shape::text_or_empty(body, "digest"),
            ..Login::default()
        };
        let without_domain = Login { domain: String::new(), ..with_domain.clone() };
        let challenge = shape::text_or_empty(body, "challenge");
        let password = &self.instance.password;
        let ok = without_domain.proves(&challenge, password) || with_domain.proves(&challenge, password);
        let answer = Action::Send(message.answer("AppCheckLoginResult").field("ok", ok).text());
        if ok {
            return vec![answer];
        }
        self.wrong_checks += 1;
        if self.wrong_checks < WRONG_CHECKS {
            return vec![answer, Action::Pause(FAILED_LOGIN_PAUSE)];
        }
        self.phase = Phase::Closing;
        vec![answer, Action::CloseAfter(FAILED_LOGIN_PAUSE)]
    }

    fn close(&mut self, reason: CloseReason) -> Vec<Action> {
        self.phase = Phase::Closing;
        vec![Action::Close(reason)]
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
