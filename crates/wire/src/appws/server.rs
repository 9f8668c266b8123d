//! The server end of one AppWebsocket as a state machine that takes messages and the time and returns actions. Before
//! login it answers only the messages of the login. The receiver of [`Action::Deliver`] decides what an identity may
//! do.

use std::{sync::Arc, time::Duration};

use gangway_base::secret::Secret;
use jiff::Timestamp;

use super::{
    build,
    envelope::{Envelope, EnvelopeError, IN_LIMIT, Outgoing, PRE_LOGIN_LIMIT},
    login::{Challenge, Login},
    login_info::{Identity, LoginKind},
    login_rejection::{LoginRejection, RejectedLoginAttempt},
    session_key::SessionKey,
};
use crate::lenient_json;

/// Time limit for the login after the socket was opened.
pub const LOGIN_TIME: Duration = Duration::from_secs(10);
/// Delay before the socket is closed after a failed login, and pause after a wrong AppCheckLogin. It slows down
/// guessing, and the response still reaches the client.
pub const FAILED_LOGIN_PAUSE: Duration = Duration::from_secs(2);
/// Maximum number of messages before login.
const PRE_LOGIN_MESSAGES: u32 = 32;
/// Maximum number of wrong AppCheckLogins per socket.
const WRONG_CHECKS: u32 = 3;

/// An app that accepts logins.
#[derive(Debug, Clone)]
pub struct App {
    /// Its canonical name, regardless of the letter case and suffix used in the login.
    pub name: String,
    /// The password of its app object.
    pub password: Secret,
}

/// Decides which apps exist and who may log in to them. Authority derives from the name of the app.
pub trait Apps: Send + Sync {
    /// Returns the app with this name; `None` if there is none.
    fn find(&self, name: &str) -> Option<App>;

    /// Counts an attempt: a login, or a mere check of the password, which has kind [`LoginKind::Other`].
    ///
    /// # Errors
    /// If the source has to wait, even if its password was right.
    fn attempt(&self, app: Option<&App>, kind: LoginKind, is_proven: bool) -> Result<(), LoginRejection>;

    /// Checks whether an authenticated login of this kind may use this app.
    ///
    /// # Errors
    /// Why the login is rejected.
    fn admit(&self, app: &App, kind: LoginKind) -> Result<(), LoginRejection>;
}

/// The state shared by all sockets of one instance.
pub struct Instance {
    /// Domain of the instance, sent to the client after login.
    pub domain: String,
    /// The passwords of the instance, the shared one first. They are used to report what was wrong with a login; the
    /// digest is verified with [`App::password`].
    pub passwords: Vec<Secret>,
    /// Build number in the path of our pages, hex; `None` without such paths.
    pub build: Option<String>,
    /// The available apps.
    pub apps: Box<dyn Apps>,
}

/// What the caller must do, in the given order.
#[derive(Debug)]
pub enum Action {
    /// Send a text message.
    Send(String),
    /// The login succeeded. The response is sent before this action.
    LoggedIn(Box<Identity>),
    /// A message for the APIs; only after login.
    Deliver(Box<Envelope>),
    /// A message was ignored; count it.
    Ignored(Ignored),
    /// The login was rejected: log and count it.
    Refused(Box<RejectedLoginAttempt>),
    /// Close the socket after this delay.
    CloseAfter(Duration),
    /// A wrong password was tried without a login. Count it, do not read from the socket for this time, and keep its
    /// connection slot for as long, even if the peer disconnects.
    Pause(Duration),
    /// Close the socket now.
    Close(CloseReason),
}

/// Why a message was ignored. For counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Not a message of the expected form.
    Malformed,
    /// Not allowed before login.
    BeforeLogin,
    /// A login message after login.
    AfterLogin,
    /// A message after the session ended.
    Closing,
}

/// Why the socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// The client did not log in in time.
    #[error("no login within 10 seconds")]
    LoginTime,
    /// A message longer than allowed.
    #[error("a message longer than allowed")]
    TooLarge,
    /// Too many messages before login.
    #[error("too many messages before login")]
    TooMany,
    /// Too many wrong passwords in AppCheckLogin.
    #[error("too many wrong passwords")]
    WrongChecks,
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

/// The state of a socket before login. It owns the challenge, so the challenge is dropped with this phase and works
/// only once.
struct Unproven {
    challenge: Challenge,
    challenge_sent: bool,
    until: Timestamp,
    messages: u32,
}

impl Session {
    /// Creates the session of a newly opened socket. `challenge` must be fresh.
    #[must_use]
    pub fn new(instance: Arc<Instance>, challenge: Challenge, now: Timestamp) -> Self {
        let until = now.saturating_add(LOGIN_TIME).unwrap_or(Timestamp::MAX);
        let phase = Phase::Before(Unproven { challenge, challenge_sent: false, until, messages: 0 });
        Self { instance, phase, wrong_checks: 0 }
    }

    /// The current message length limit, in bytes. Pass it to the socket so that longer messages are never buffered.
    #[must_use]
    pub fn limit(&self) -> usize {
        if self.is_logged_in() { IN_LIMIT } else { PRE_LOGIN_LIMIT }
    }

    /// Returns whether the login succeeded.
    #[must_use]
    pub fn is_logged_in(&self) -> bool {
        matches!(self.phase, Phase::LoggedIn)
    }

    /// The time at which [`Session::on_timer`] must be called; `None` means never.
    #[must_use]
    pub fn timer(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Before(unproven) => Some(unproven.until),
            Phase::LoggedIn | Phase::Closing => None,
        }
    }

    /// Checks the login timeout. Call it at the time that [`Session::timer`] returns.
    pub fn on_timer(&mut self, now: Timestamp) -> Vec<Action> {
        match &self.phase {
            Phase::Before(unproven) if now >= unproven.until => self.close(CloseReason::LoginTime),
            _ => Vec::new(),
        }
    }

    /// Handles a text message.
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
        // Base messages have no API. A message with an API is meant for another receiver.
        let base = if message.api.is_none() { message.mt.as_str() } else { "" };
        match base {
            "CheckBuild" => return self.check_build(&message),
            "AppCheckLogin" => return self.check_login(&message),
            _ => {}
        }
        match (&mut self.phase, base) {
            (Phase::Before(unproven), "AppChallenge") => {
                unproven.challenge_sent = true;
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
        let app = self.instance.apps.find(&login.app);
        let password = app.as_ref().map(|app| &app.password).or(self.instance.passwords.first());
        let is_proven = unproven.challenge_sent && password.is_some_and(|password| login.proves(challenge, password));
        let info = login.info();
        let kind = login.kind(info.as_ref());
        let decision = match unproven.challenge_sent {
            true => self.admit(&login, challenge, kind, app.as_ref(), is_proven),
            false => Err(LoginRejection::Unasked),
        };
        let app = match (decision, app) {
            (Ok(()), Some(app)) => app,
            (decision, _) => {
                let refusal = decision.err().unwrap_or(LoginRejection::App);
                let Login { app, domain, sip, .. } = login;
                let refused = RejectedLoginAttempt { app, domain, sip, kind, refusal, is_proven };
                return vec![
                    Action::Send(answer.text()),
                    Action::Refused(Box::new(refused)),
                    Action::CloseAfter(FAILED_LOGIN_PAUSE),
                ];
            }
        };
        let key = SessionKey::derive(challenge, &app.password);
        let Login { domain, sip, guid, dn, pbx_obj, .. } = login;
        let identity = Identity { app: app.name, domain, sip, guid, dn, info, kind, untrusted_pbx_obj: pbx_obj, key };
        self.phase = Phase::LoggedIn;
        let answer = answer.field("domain", &self.instance.domain).field("ok", true);
        vec![Action::Send(answer.text()), Action::LoggedIn(Box::new(identity))]
    }

    /// Decides whether to accept a login. The password is checked first: a client without it learns nothing else.
    fn admit(
        &self,
        login: &Login,
        challenge: &str,
        kind: LoginKind,
        app: Option<&App>,
        is_proven: bool,
    ) -> Result<(), LoginRejection> {
        self.instance.apps.attempt(app, kind, is_proven)?;
        if !is_proven {
            let is_other = self.instance.passwords.iter().any(|password| login.proves(challenge, password));
            return Err(if is_other { LoginRejection::OtherPassword } else { LoginRejection::Password });
        }
        login.check(&self.instance.domain)?;
        let app = app.ok_or(LoginRejection::App)?;
        match (kind, login.info()) {
            (LoginKind::Other, None) => Err(LoginRejection::NoInfo),
            (LoginKind::Other, Some(_)) => Err(LoginRejection::Object),
            _ => self.instance.apps.admit(app, kind),
        }
    }

    /// Handles CheckBuild: a page checks whether it is from the current build.
    fn check_build(&self, message: &Envelope) -> Vec<Action> {
        let page = lenient_json::text_or_empty(&message.body, "url");
        let there = self.instance.build.as_deref().and_then(|build| build::redirect(&page, build));
        vec![Action::Send(message.answer("CheckBuildResult").maybe("url", there).text())]
    }

    /// Handles AppCheckLogin: a plugin of the PBX Manager checks whether the PBX and gangway have the same password.
    /// The digest covers a challenge chosen by the client. Whether it also covers the domain is not documented, so both
    /// are tried.
    fn check_login(&mut self, message: &Envelope) -> Vec<Action> {
        let body = &message.body;
        let with_domain = Login {
            app: lenient_json::text_or_empty(body, "app"),
            domain: lenient_json::text_or_empty(body, "domain"),
            digest: lenient_json::text_or_empty(body, "digest"),
            ..Login::default()
        };
        let without_domain = Login { domain: String::new(), ..with_domain.clone() };
        let challenge = lenient_json::text_or_empty(body, "challenge");
        let app = self.instance.apps.find(&with_domain.app);
        let password = app.as_ref().map(|app| &app.password).or(self.instance.passwords.first());
        let is_proven = password.is_some_and(|password| {
            without_domain.proves(&challenge, password) || with_domain.proves(&challenge, password)
        });
        let ok = self.instance.apps.attempt(app.as_ref(), LoginKind::Other, is_proven).is_ok() && is_proven;
        let answer = Action::Send(message.answer("AppCheckLoginResult").field("ok", ok).text());
        if ok {
            return vec![answer];
        }
        self.wrong_checks += 1;
        if self.wrong_checks < WRONG_CHECKS {
            return vec![answer, Action::Pause(FAILED_LOGIN_PAUSE)];
        }
        self.phase = Phase::Closing;
        vec![answer, Action::Pause(FAILED_LOGIN_PAUSE), Action::Close(CloseReason::WrongChecks)]
    }

    fn close(&mut self, reason: CloseReason) -> Vec<Action> {
        self.phase = Phase::Closing;
        vec![Action::Close(reason)]
    }
}

#[cfg(test)]
mod tests;
