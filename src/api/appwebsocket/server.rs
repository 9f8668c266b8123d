//! The I/O loop of one incoming AppWebsocket, around `gangway_wire::appws::server`. It reads, writes, and handles
//! time-outs and the stop token. The meaning of messages is defined elsewhere.

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
    prelogin_limiter::PreLoginPermit,
    provisioning,
};
use crate::{
    api::admin_page::socket::AdminSocket,
    base::{
        i18n::english,
        telemetry::{
            escape_control,
            metric::{Metric, increment},
        },
    },
    net::appwebsocket::{LinkDriver, link},
    pbx::app_objects,
    phone::instance::Instance,
    service::{
        caller::{Caller, CallerKind},
        rejected_logins,
    },
};

/// Time for answering open requests when the gateway stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for writing one message. A peer that does not read is disconnected, so that it releases its slot.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The response if there is no slot for a socket before login.
#[must_use]
pub fn reject_full() -> HttpResponse {
    increment(Metric::SocketsRefused, &[]);
    HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "10")).finish()
}

/// The response to a client that sends frames while its upgrade waits for a slot.
#[must_use]
pub fn too_early() -> HttpResponse {
    increment(Metric::SocketsRefused, &[]);
    HttpResponse::BadRequest().force_close().finish()
}

/// Answers an upgrade request and serves the socket until it closes. The socket keeps its `place` until login.
///
/// # Errors
/// If the request is not a valid websocket upgrade.
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
        role: Role::None,
    };
    apis.tasks.spawn_local("appwebsocket", socket.serve(incoming));
    Ok(response)
}

/// The role of the socket after login.
enum Role {
    /// Before login, or when its provider no longer exists.
    None,
    /// A PBX's app object.
    Pbx(Box<PbxSocket>),
    /// Another service on a provider's app.
    Service { provider: String, identity: Box<Identity> },
    /// A user of the admin app.
    Person(AdminSocket),
}

struct Socket {
    session: Option<actix_ws::Session>,
    instance: Arc<Instance>,
    apis: AppWebsocketContext,
    /// The slot, until login.
    place: Option<PreLoginPermit>,
    source: IpAddr,
    replies: PendingReplies,
    role: Role,
}

/// Whether the loop continues.
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

    /// Cleans up after the loop: the session leaves the registry first, then open requests are answered as far as time
    /// allows.
    async fn finish(mut self, code: CloseCode, text: String) {
        if let Role::Pbx(pbx) = &self.role {
            pbx.leave(&self.apis);
        }
        if code == CloseCode::Away {
            let _ = tokio::time::timeout(STOP_TIMEOUT, async {
                while let Some(answer) = self.replies.next().await {
                    if matches!(self.send(answer).await, AfterMessage::End(..)) {
                        break;
                    }
                }
            })
            .await;
        }
        if let Some(session) = self.session.take() {
            // A control frame is limited to 125 bytes including its code.
            let description = (!text.is_empty()).then(|| text.chars().take(60).collect());
            let goodbye = session.close(Some(CloseReason { code, description }));
            let _ = tokio::time::timeout(WRITE_TIMEOUT, goodbye).await;
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

    /// Logs one line that describes the problem to an administrator.
    fn refused(&self, refused: &RejectedLoginAttempt) {
        let RejectedLoginAttempt { app, domain, sip, kind, refusal, is_proven } = refused;
        increment(Metric::LoginsFailed, &[("reason", refusal.as_str())]);
        let escaped = |text: &str| escape_control::beginning(text, rejected_logins::SHOWN);
        let password = match (is_proven, refusal) {
            (true, _) => "right",
            (false, LoginRejection::OtherPassword) => "of the other apps",
            (false, _) => "wrong",
        };
        tracing::warn!(
            instance = %self.instance.label(), app = %escaped(app), sip = %escaped(sip), domain = %escaped(domain),
            kind = kind.as_str(), source = %self.source, password, reason = refusal.as_str(),
            "a login was refused: {}", english(&format!("refusal.{}", refusal.as_str())).unwrap_or(refusal.as_str())
        );
        self.apis.rejected_logins.note(self.instance.id, refused, self.source, self.apis.clock.now());
    }

    /// Waits after a wrong password, even if the client has disconnected, so that its slot is not available at once for
    /// another guess. The more wrong passwords the source has sent, the longer the wait. But after each `pause`, the
    /// slot is given to a waiting socket of the source, which may have the right password. Returns false if the slot
    /// was given away.
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
        self.apis.rejected_logins.entered(self.instance.id, &identity);
        tracing::debug!(instance = %self.instance.label(), app = %identity.app, sip = %identity.sip, kind = identity.kind.as_str(), "AppWebsocket logged in");
        let registry = self.apis.registry.load();
        let provider = app_objects::provider_of(&identity.app, &registry).map(str::to_owned);
        if identity.kind == LoginKind::PbxSession {
            self.remember_source();
        }
        self.role = match (identity.kind, provider) {
            (LoginKind::PbxSession, provider) => match link.take() {
                Some(link) => Role::Pbx(Box::new(PbxSocket::new(identity, provider, link, Arc::clone(&self.instance)))),
                None => Role::None,
            },
            (LoginKind::ServiceLogin | LoginKind::UserLogin, Some(provider)) => {
                Role::Service { provider, identity: Box::new(identity) }
            }
            (kind, _) if app_objects::is_admin_app(&identity.app) => match link.take() {
                Some(out) => {
                    tracing::info!(instance = %self.instance.label(), person = %identity.sip, source = %self.source, kind = kind.as_str(), "somebody opened the admin app");
                    let who = CallerKind::Page(Box::new(identity));
                    let person = Caller { instance: Arc::clone(&self.instance), who, source: self.source };
                    Role::Person(AdminSocket::new(&self.apis.service, person, out))
                }
                None => Role::None,
            },
            // The provider was removed from the vendor's folder after the login was checked.
            _ => Role::None,
        };
    }

    /// Reserves slots for this source, from which a PBX has logged in, including after a restart.
    fn remember_source(&self) {
        let Some(sources) = self.apis.places.prove(self.instance.id, self.source) else { return };
        let (store, id) = (self.apis.store.clone(), self.instance.id);
        self.apis.tasks.spawn_local("remember-source", async move {
            if let Err(error) = store.learned().set_pbx_sources(id, sources).await {
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
            Role::Service { .. } | Role::None => {
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
            Some(session) => match tokio::time::timeout(WRITE_TIMEOUT, write(session)).await {
                Ok(Ok(())) => AfterMessage::GoOn,
                Ok(Err(_closed)) => gone(),
                // Do not wait for a peer that does not read, not even to send the close frame.
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
