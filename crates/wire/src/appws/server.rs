//! The serving end of one AppWebsocket as a state machine: texts and the time in, actions out. Before login only the
//! login's own messages are answered; what an identity may do is decided by whoever gets [`Action::Deliver`].

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

/// Time a socket has to log in.
pub const LOGIN_TIME: Duration = Duration::from_secs(10);
/// Pause between the answer to a failed login and the end of the socket, and after a wrong check: slows down guessing, and
/// the answer arrives.
pub const FAILED_LOGIN_PAUSE: Duration = Duration::from_secs(2);
/// Messages a socket may send before login.
const PRE_LOGIN_MESSAGES: u32 = 32;
/// Wrong AppCheckLogins a socket may send.
const WRONG_CHECKS: u32 = 3;

/// An app that can be logged in to.
#[derive(Debug, Clone)]
pub struct App {
    /// Its name here, whatever letters and suffix the login has it in.
    pub name: String,
    /// The password of its app object.
    pub password: Secret,
}

/// Decides which logins there are: the apps that exist, and who may log in to which. The name of the app is where
/// authority comes from.
pub trait Apps: Send + Sync {
    /// The app of this name; `None` when there is none.
    fn find(&self, name: &str) -> Option<App>;

    /// Counts an attempt: a login, or a mere check of the password, as one of no kind.
    ///
    /// # Errors
    /// When the source has to wait, whether or not it had the right password.
    fn attempt(&self, app: Option<&App>, kind: LoginKind, is_proven: bool) -> Result<(), LoginRejection>;

    /// May a proven login of this kind use this app?
    ///
    /// # Errors
    /// Why not.
    fn admit(&self, app: &App, kind: LoginKind) -> Result<(), LoginRejection>;
}

/// What all sockets of one instance share.
pub struct Instance {
    /// Domain of the instance, told to the client after login.
    pub domain: String,
    /// Its passwords, the shared one first. They tell what was wrong with a login; what proves it is [`App::password`].
    pub passwords: Vec<Secret>,
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
    /// The login was turned away: log and count it.
    Refused(Box<RejectedLoginAttempt>),
    /// Close after the pause.
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
        let app = self.instance.apps.find(&login.app);
        let password = app.as_ref().map(|app| &app.password).or(self.instance.passwords.first());
        let is_proven = unproven.asked && password.is_some_and(|password| login.proves(challenge, password));
        let info = login.info();
        let kind = login.kind(info.as_ref());
        let judged = match unproven.asked {
            true => self.judge(&login, challenge, kind, app.as_ref(), is_proven),
            false => Err(LoginRejection::Unasked),
        };
        let app = match (judged, app) {
            (Ok(()), Some(app)) => app,
            (judged, _) => {
                let refusal = judged.err().unwrap_or(LoginRejection::App);
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

    /// Whether a login gets in. The password counts first: a client without it learns nothing else.
    fn judge(
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

    /// A page asks whether it is of the current build.
    fn check_build(&self, message: &Envelope) -> Vec<Action> {
        let page = lenient_json::text_or_empty(&message.body, "url");
        let there = self.instance.build.as_deref().and_then(|build| build::redirect(&page, build));
        vec![Action::Send(message.answer("CheckBuildResult").maybe("url", there).text())]
    }

    /// A plugin of the PBX Manager asks whether PBX and we have the same password. The digest covers a challenge of the
    /// asker's choice; whether its domain takes part in it is not documented, so both are tried.
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
