//! One AppWebsocket that somebody opened to us: the shell around `wire::appws::server`. It reads, writes, watches the
//! clock and the stop token; what messages mean is decided elsewhere.

use std::{net::IpAddr, sync::Arc, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, CloseCode, CloseReason};
use gangway_wire::appws::{
    Envelope, Identity, LoginKind, LoginRejection, RejectedLoginAttempt,
    keepalive::{Keepalive, PING},
    login::Challenge,
    server::{self, Action},
};

use super::{
    AppWebsocketContext,
    frame_reader::{self, Incoming},
    login_rules,
    pbx_session::PbxSocket,
    pending_replies::PendingReplies,
    prelogin_limiter::{self, PreLoginPermit},
    provisioning,
};
use crate::{
    base::telemetry::{
        escape_control,
        metric::{Metric, increment},
    },
    net::appwebsocket::{LinkDriver, link},
    pbx::app_objects,
    phone::instance::Instance,
    service::{
        caller::{AdminSocket, Caller, CallerKind},
        rejected_logins,
    },
};

/// How long open requests may take to be answered when the gateway stops.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long one message may take to find room: a peer that does not read is gone, and must not hold its place.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);

/// The answer when there is no place for a socket that has yet to log in.
#[must_use]
pub fn reject_full() -> HttpResponse {
    increment(Metric::SocketsRefused, &[]);
    HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "10")).finish()
}

/// The answer to a client that sends frames while its upgrade waits for a place.
#[must_use]
pub fn too_early() -> HttpResponse {
    increment(Metric::SocketsRefused, &[]);
    HttpResponse::BadRequest().force_close().finish()
}

/// Answers an upgrade request and serves the socket until it ends. It has its `place` until it has logged in.
///
/// # Errors
/// When the request is no proper websocket upgrade.
pub async fn upgrade(
    request: &HttpRequest,
    payload: web::Payload,
    (source, place): (IpAddr, PreLoginPermit),
    instance: &Arc<Instance>,
    apis: &AppWebsocketContext,
) -> Result<HttpResponse, actix_web::Error> {
    let (response, session, incoming) = frame_reader::open(request, payload).await?;
    let socket = Socket {
        session: Some(session),
        instance: Arc::clone(instance),
        apis: apis.clone(),
        place: Some(place),
        source,
        replies: PendingReplies::default(),
        role: Role::Stranger,
    };
    apis.tasks.spawn_local("appwebsocket", socket.serve(incoming));
    Ok(response)
}

/// What the socket is, once it has logged in.
enum Role {
    Stranger,
    /// A PBX's app object.
    Pbx(Box<PbxSocket>),
    /// Another service on a provider's app.
    Service {
        provider: String,
        identity: Box<Identity>,
    },
    /// A person on the admin app.
    Person(AdminSocket),
}

struct Socket {
    session: Option<actix_ws::Session>,
    instance: Arc<Instance>,
    apis: AppWebsocketContext,
    /// Until it has logged in.
    place: Option<PreLoginPermit>,
    source: IpAddr,
    replies: PendingReplies,
    role: Role,
}

/// Whether the loop goes on.
enum AfterMessage {
    GoOn,
    End(CloseCode, String),
}

impl Socket {
    async fn serve(mut self, mut stream: Incoming) {
        let clock = Arc::clone(&self.apis.clock);
        let (handle, mut end) = link();
        let challenge = Challenge::random(&mut rand::rng());
        let mut login =
            server::Session::new(login_rules::of(&self.instance, self.source, &self.apis), challenge, clock.now());
        let mut ping = tokio::time::interval(PING);
        ping.reset();
        let mut pulse = Keepalive::default();
        let stop = self.apis.tasks.stop_token();
        let mut link_handle = Some(handle);
        let (code, text) = loop {
            let timer = login.timer();
            let due = async {
                match timer {
                    Some(at) => clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let then = tokio::select! {
                message = stream.next() => match message.inspect(|_| pulse.received()) {
                    Some(Ok(AggregatedMessage::Text(text))) => {
                        let actions = login.on_text(&text, clock.now());
                        if login.is_logged_in() {
                            stream.trust();
                        }
                        self.act(actions, &mut link_handle, &mut end).await
                    }
                    Some(Ok(AggregatedMessage::Ping(data))) => self.write(async |session| session.pong(&data).await).await,
                    Some(Ok(AggregatedMessage::Pong(_))) => {
                        pulse.answered();
                        AfterMessage::GoOn
                    }
                    Some(Ok(AggregatedMessage::Binary(_))) => {
                        increment(Metric::MessagesIgnored, &[("reason", "binary")]);
                        AfterMessage::GoOn
                    }
                    Some(Ok(AggregatedMessage::Close(_))) | None => AfterMessage::End(CloseCode::Normal, String::new()),
                    Some(Err(refusal)) => {
                        tracing::debug!(source = %self.source, reason = %refusal.reason, "AppWebsocket is closed for what it sent");
                        AfterMessage::End(refusal.code, refusal.reason)
                    }
                },
                Some(text) = end.next() => self.send(text).await,
                Some(text) = self.replies.next() => self.send(text).await,
                () = due => {
                    let actions = login.on_timer(clock.now());
                    self.act(actions, &mut link_handle, &mut end).await
                }
                _ = ping.tick() => match pulse.ping() {
                    true => self.write(async |session| session.ping(b"").await).await,
                    false => AfterMessage::End(CloseCode::Policy, "pings are not answered any more".to_owned()),
                },
                () = stop.cancelled() => break (CloseCode::Away, "gangway stops".to_owned()),
            };
            if let AfterMessage::End(code, text) = then {
                break (code, text);
            }
        };
        self.finish(code, text).await;
    }

    /// The end of every way out: the session leaves the registry first, open requests are answered while there is time.
    async fn finish(mut self, code: CloseCode, text: String) {
        if let Role::Pbx(pbx) = &self.role {
            pbx.leave(&self.apis);
        }
        if code == CloseCode::Away {
            let _ = tokio::time::timeout(STOP_PATIENCE, async {
                while let Some(answer) = self.replies.next().await {
                    if matches!(self.send(answer).await, AfterMessage::End(..)) {
                        break;
                    }
                }
            })
            .await;
        }
        if let Some(session) = self.session.take() {
            // A control frame holds 125 bytes with its code.
            let description = (!text.is_empty()).then(|| text.chars().take(60).collect());
            let goodbye = session.close(Some(CloseReason { code, description }));
            let _ = tokio::time::timeout(WRITE_PATIENCE, goodbye).await;
        }
    }

    async fn act(
        &mut self,
        actions: Vec<Action>,
        link: &mut Option<crate::net::appwebsocket::Link>,
        end: &mut LinkDriver,
    ) -> AfterMessage {
        for action in actions {
            let then = match action {
                Action::Send(text) => self.send(text).await,
                Action::LoggedIn(identity) => {
                    self.logged_in(*identity, link);
                    AfterMessage::GoOn
                }
                Action::Deliver(message) => self.deliver(*message, end).await,
                Action::Ignored(reason) => {
                    increment(Metric::MessagesIgnored, &[("reason", ignored_label(reason))]);
                    AfterMessage::GoOn
                }
                Action::Refused(refused) => {
                    self.refused(&refused);
                    AfterMessage::GoOn
                }
                Action::CloseAfter(pause) => {
                    let _has_place = self.pause(pause).await;
                    AfterMessage::End(CloseCode::Policy, "login failed".to_owned())
                }
                Action::Pause(pause) => {
                    increment(Metric::LoginsFailed, &[("reason", "wrong-password-check")]);
                    tracing::warn!(instance = %self.instance.label(), source = %self.source, "a wrong password was tried with AppCheckLogin");
                    match self.pause(pause).await {
                        true => AfterMessage::GoOn,
                        false => AfterMessage::End(CloseCode::Policy, "others wait to log in".to_owned()),
                    }
                }
                Action::Close(reason) => AfterMessage::End(CloseCode::Policy, reason.to_string()),
            };
            if let AfterMessage::End(code, text) = then {
                return AfterMessage::End(code, text);
            }
        }
        AfterMessage::GoOn
    }

    /// The one line that tells an administrator what to mend.
    fn refused(&self, refused: &RejectedLoginAttempt) {
        let RejectedLoginAttempt { app, domain, sip, kind, refusal, is_proven } = refused;
        increment(Metric::LoginsFailed, &[("reason", refusal.as_str())]);
        let shown = |text: &str| escape_control::beginning(text, rejected_logins::SHOWN);
        let password = match (is_proven, refusal) {
            (true, _) => "right",
            (false, LoginRejection::OtherPassword) => "of the other apps",
            (false, _) => "wrong",
        };
        tracing::warn!(
            instance = %self.instance.label(), app = %shown(app), sip = %shown(sip), domain = %shown(domain),
            kind = kind.as_str(), source = %self.source, password, reason = refusal.as_str(),
            "a login was refused: {}", refusal.sentence()
        );
        self.apis.turned_away.note(self.instance.id, refused, self.source, self.apis.clock.now());
    }

    /// After a wrong password, also when the client is gone: a guesser must not have its place back at once. The more wrong
    /// passwords its source has sent, the longer the socket keeps its place; but after each `pause` it gives its place to a
    /// socket of the source that waits, which may have the right password. False when it has no place any more.
    async fn pause(&mut self, pause: Duration) -> bool {
        let mut left = self.apis.wrong_passwords.hold(self.source, self.apis.clock.now()).max(pause);
        while !left.is_zero() {
            let step = pause.min(left);
            tokio::select! {
                () = tokio::time::sleep(step) => left -= step,
                () = self.apis.tasks.stopping() => break,
            }
            if self.place.take_if(|place| place.is_awaited()).is_some() {
                return false;
            }
        }
        self.place.is_some()
    }

    fn logged_in(&mut self, identity: Identity, link: &mut Option<crate::net::appwebsocket::Link>) {
        self.place = None;
        increment(Metric::LoginsAccepted, &[]);
        self.apis.turned_away.entered(self.instance.id, &identity);
        tracing::debug!(instance = %self.instance.label(), app = %identity.app, sip = %identity.sip, kind = identity.kind.as_str(), "AppWebsocket logged in");
        let registry = self.apis.registry.load();
        let provider = app_objects::provider_of(&identity.app, &registry).map(str::to_owned);
        if identity.kind == LoginKind::PbxSession {
            self.remember_source();
        }
        self.role = match (identity.kind, provider) {
            (LoginKind::PbxSession, provider) => match link.take() {
                Some(link) => Role::Pbx(Box::new(PbxSocket::new(identity, provider, link, Arc::clone(&self.instance)))),
                None => Role::Stranger,
            },
            (LoginKind::ServiceLogin | LoginKind::UserLogin, Some(provider)) => {
                Role::Service { provider, identity: Box::new(identity) }
            }
            (kind, _) if app_objects::is_admin_app(&identity.app) => match link.take() {
                Some(out) => {
                    tracing::info!(instance = %self.instance.label(), person = %identity.sip, source = %self.source, kind = kind.as_str(), "somebody opened the admin app");
                    let who = CallerKind::Page(Box::new(identity));
                    let person = Caller { instance: Arc::clone(&self.instance), who, source: self.source };
                    Role::Person(AdminSocket::new(&*self.apis.desk, person, out))
                }
                None => Role::Stranger,
            },
            // A provider that a vendor's folder lost since the login was judged.
            _ => Role::Stranger,
        };
    }

    /// A PBX has logged in from there: its sockets have places of their own from now on, also after a restart.
    fn remember_source(&self) {
        let Some(fact) = self.apis.places.prove(self.instance.id, self.source) else { return };
        let (store, id) = (self.apis.store.clone(), self.instance.id);
        self.apis.tasks.spawn_local("remember-source", async move {
            if let Err(error) = store.set_fact(id, prelogin_limiter::FACT, Some(&fact)).await {
                tracing::warn!(%error, "the address of a PBX could not be stored: after a restart its app objects may have to wait for a place");
            }
        });
    }

    async fn deliver(&mut self, message: Envelope, end: &mut LinkDriver) -> AfterMessage {
        match &mut self.role {
            Role::Pbx(pbx) => {
                let Some(message) = end.answer(message) else { return AfterMessage::GoOn };
                match pbx.message(&message, &self.apis) {
                    Some(text) => self.send(text).await,
                    None => AfterMessage::GoOn,
                }
            }
            Role::Service { provider, identity } if provisioning::is_request(&message) => {
                if !self.replies.has_room() {
                    let text = provisioning::too_many(&message);
                    return self.send(text).await;
                }
                let has_src = message.src.is_some();
                let reply = provisioning::answer(
                    message,
                    self.instance.id,
                    provider.clone(),
                    identity.key.clone(),
                    self.apis.provisioning.clone(),
                );
                self.replies.open(has_src, reply);
                AfterMessage::GoOn
            }
            Role::Person(person) => match person.message(message) {
                Some(text) => self.send(text).await,
                None => AfterMessage::GoOn,
            },
            Role::Service { .. } | Role::Stranger => {
                increment(Metric::MessagesIgnored, &[("reason", "unknown")]);
                AfterMessage::GoOn
            }
        }
    }

    async fn send(&mut self, text: String) -> AfterMessage {
        self.write(async |session| session.text(text).await).await
    }

    async fn write(
        &mut self,
        write: impl AsyncFnOnce(&mut actix_ws::Session) -> Result<(), actix_ws::Closed>,
    ) -> AfterMessage {
        let gone = || AfterMessage::End(CloseCode::Normal, String::new());
        match &mut self.session {
            Some(session) => match tokio::time::timeout(WRITE_PATIENCE, write(session)).await {
                Ok(Ok(())) => AfterMessage::GoOn,
                Ok(Err(_closed)) => gone(),
                // What it never reads is not worth waiting for, the goodbye neither.
                Err(_elapsed) => {
                    self.session = None;
                    gone()
                }
            },
            None => gone(),
        }
    }
}

fn ignored_label(reason: server::Ignored) -> &'static str {
    match reason {
        server::Ignored::Malformed => "malformed",
        server::Ignored::BeforeLogin => "before-login",
        server::Ignored::AfterLogin => "after-login",
        server::Ignored::Closing => "closing",
    }
}
