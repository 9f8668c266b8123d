//! Runs one socket of one phone, from the connection attempt to its end. `gangway_wire::sysclient::Session` decides
//! what to send; this module transports bytes and forwards events.

use std::{cell::RefCell, rc::Rc, time::Duration};

use gangway_base::{clock::SharedClock, mac::Mac, secret::Secret};
use gangway_wire::sysclient::{Action, Credentials, DeviceIdentity, Event, Ignored, Session};
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::{
    core::PoolState,
    event::{SysclientEvent, SysclientEventKind, SysclientIdentity},
    handle_state::Status,
    schedule::{ConnectionEnd, Open},
};
use crate::{
    base::telemetry::metric::{Metric, increment},
    net::{
        NetError,
        backoff::Backoff,
        error::host_label,
        websocket::{CloseCode, WsConn, WsConnector, WsFrame},
    },
};

/// The page for a browser that opens the phone through Devices.
const PAGE: &str = "This phone is represented by gangway, the provisioning gateway. Its own web page is not reachable this way; \
                    look for the phone on gangway's admin page in myApps.\n";
/// How long a password may wait for the store after the gateway began to stop.
const LAST_PASSWORD: Duration = Duration::from_secs(3);

pub(super) struct Job {
    pub(super) open: Open,
    pub(super) url: Url,
    pub(super) mac: Mac,
    pub(super) identity: SysclientIdentity,
    pub(super) silence_limit: Duration,
    pub(super) code: Option<Secret>,
    pub(super) password: Option<Secret>,
    pub(super) connector: WsConnector,
    pub(super) clock: SharedClock,
    pub(super) sink: mpsc::Sender<SysclientEvent>,
    pub(super) core: Rc<RefCell<PoolState>>,
}

/// Reports the end of the connection on every exit, also when the task is dropped or panics.
struct End {
    open: Open,
    core: Rc<RefCell<PoolState>>,
    how: ConnectionEnd,
}

impl Drop for End {
    fn drop(&mut self) {
        if let Ok(mut core) = self.core.try_borrow_mut() {
            core.ended(self.open, self.how);
        }
    }
}

/// Why a socket is closed.
enum ClosedBy {
    /// The pool no longer needs it, or the gateway stops.
    Told,
    /// The connection broke or the peer closed it; a sentence.
    Lost(String),
    /// The session closes it because the peer violates the protocol; a sentence.
    Misbehaved(String),
}

/// Runs one connection. `close` completes when the pool no longer needs it.
pub(super) async fn run(job: Job, mut close: oneshot::Receiver<()>, stop: CancellationToken) {
    let mut end = End { open: job.open, core: Rc::clone(&job.core), how: ConnectionEnd::Lost };
    let cancelled = Box::pin(async {
        tokio::select! { _ = &mut close => {} () = stop.cancelled() => {} }
    });
    let mut line = Line { job, cancelled, stop: stop.clone(), sent: None, opened_with: None };
    // Connect at once, even if the sink is full: attempts that queued up behind it would later be sent together,
    // exceeding the set rate. Boxed, so that the memory used for connecting is freed once connected.
    let attempt = {
        let (connector, url) = (line.job.connector.clone(), line.job.url.clone());
        let (core, open) = (Rc::clone(&line.job.core), line.job.open);
        Box::pin(async move {
            let connected = connector.connect(&url).await;
            if connected.is_ok() {
                core.borrow().shared.set_away(&host_label(&url), false);
                core.borrow_mut().opened(open);
            }
            connected
        })
    };
    let begun =
        SysclientEvent { phone: line.job.open.phone, conn: line.job.open.conn, kind: SysclientEventKind::Connecting };
    let (cancelled, connected) = tokio::select! {
        both = futures_util::future::join(line.job.sink.send(begun), attempt) => both,
        () = &mut line.cancelled => return,
    };
    if cancelled.is_err() {
        return;
    }
    match connected {
        Ok(ws) => line.converse(ws).await,
        Err(error) => {
            if error.is_endpoint_away() {
                end.how = ConnectionEnd::Away;
            } else if matches!(error, NetError::NoDescriptor { .. }) {
                end.how = ConnectionEnd::NoDescriptor;
            }
            line.failed(&error).await;
        }
    }
}

struct Line<T> {
    job: Job,
    /// Completes when the connection is to be closed. Not polled after that.
    cancelled: T,
    stop: CancellationToken,
    /// The provisioning code that was sent and not answered yet.
    sent: Option<Secret>,
    /// The provisioning code that the connection began with.
    opened_with: Option<Secret>,
}

impl<T: Future<Output = ()> + Unpin> Line<T> {
    async fn failed(&mut self, error: &NetError) {
        let reason = error.to_string();
        let kind = if matches!(error, NetError::NoDescriptor { .. }) {
            SysclientEventKind::NoDescriptor
        } else if error.is_endpoint_away() {
            let endpoint = host_label(&self.job.url);
            // Before the event: the phone may be moved to another Devices app because of it.
            self.job.core.borrow().shared.set_away(&endpoint, true);
            SysclientEventKind::EndpointAway { endpoint, reason }
        } else {
            SysclientEventKind::Closed { reason }
        };
        let _ = self.publish(kind).await;
    }

    async fn converse(&mut self, mut ws: WsConn) {
        let left = match self.talk(&mut ws).await {
            Ok(never) => match never {},
            Err(left) => left,
        };
        match left {
            ClosedBy::Told => {
                let code = if self.stop.is_cancelled() { CloseCode::Away } else { CloseCode::Normal };
                ws.close(code, "").await;
            }
            ClosedBy::Lost(reason) => {
                drop(ws);
                let _ = self.publish(SysclientEventKind::Closed { reason }).await;
            }
            ClosedBy::Misbehaved(reason) => {
                ws.close(CloseCode::Policy, "").await;
                let _ = self.publish(SysclientEventKind::Closed { reason }).await;
            }
        }
    }

    async fn talk(&mut self, ws: &mut WsConn) -> Result<std::convert::Infallible, ClosedBy> {
        let job = &mut self.job;
        let SysclientIdentity { product, version, name } = std::mem::take(&mut job.identity);
        let device = DeviceIdentity { id: job.mac.to_string(), product, version, name };
        let credentials = Credentials { code: job.code.take(), password: job.password.take() };
        self.sent.clone_from(&credentials.code);
        self.opened_with.clone_from(&credentials.code);
        let clock = SharedClock::clone(&job.clock);
        let (session, hello) = Session::open_with_silence(device, credentials, PAGE, job.silence_limit, clock.now());
        let mut session = Box::new(session);
        self.carry_out(hello, ws, &mut session).await?;
        self.publish(SysclientEventKind::Connected).await?;
        let mut timer = Timer::new(&clock, session.timer());
        loop {
            timer.set(&clock, session.timer());
            let actions = tokio::select! {
                frame = ws.next() => match frame {
                    Some(Ok(WsFrame::Binary(bytes))) => session.on_frame(&bytes, clock.now()),
                    Some(Ok(WsFrame::Pong(_))) => { session.on_pong(clock.now()); continue }
                    Some(Ok(WsFrame::Ping(_))) => continue,
                    Some(Ok(WsFrame::Text(_))) => { ignored("text"); continue }
                    Some(Ok(WsFrame::Close(reason))) => return Err(ClosedBy::Lost(goodbye(ws.host(), reason.as_ref()))),
                    Some(Err(error)) => return Err(ClosedBy::Lost(error.to_string())),
                    None => return Err(ClosedBy::Lost(format!("{} closed the connection", ws.host()))),
                },
                () = &mut timer.pause => session.on_timer(clock.now()),
                () = &mut self.cancelled => return Err(ClosedBy::Told),
            };
            self.carry_out(actions, ws, &mut session).await?;
        }
    }

    async fn carry_out(
        &mut self,
        actions: Vec<Action>,
        ws: &mut WsConn,
        session: &mut Session,
    ) -> Result<(), ClosedBy> {
        let lost = |error: NetError| ClosedBy::Lost(error.to_string());
        let mut todo = actions;
        while !todo.is_empty() {
            for action in std::mem::take(&mut todo) {
                match action {
                    Action::Send(bytes) => ws.send(WsFrame::Binary(bytes.into())).await.map_err(lost)?,
                    Action::Ping => ws.ping().await.map_err(lost)?,
                    Action::Close(reason) => return Err(ClosedBy::Misbehaved(reason.to_string())),
                    Action::Event(Event::PasswordReceived(password)) => {
                        self.have_stored(&password).await?;
                        // The password is always the last action before the session waits.
                        todo = session.password_stored(self.job.clock.now());
                    }
                    Action::Event(event) => self.forward(event).await?,
                }
            }
        }
        Ok(())
    }

    async fn forward(&mut self, event: Event) -> Result<(), ClosedBy> {
        let kind = match event {
            Event::AdminPassword(password) => SysclientEventKind::AdminPassword(password),
            Event::Item(item) => SysclientEventKind::Item(item.fields),
            Event::Last => SysclientEventKind::Last { opened_with: self.opened_with.clone() },
            Event::NotInDomain => SysclientEventKind::Silence { sent: self.sent.clone() },
            Event::PasswordReceived(_) => return Ok(()),
            Event::Ignored(why) => {
                tracing::debug!(mac = %self.job.mac, ?why, "frame of Devices ignored");
                ignored(label(why));
                return Ok(());
            }
        };
        let outside = matches!(kind, SysclientEventKind::Silence { .. });
        self.job.core.borrow_mut().answered(self.job.open, if outside { Status::Outside } else { Status::Member });
        self.publish(kind).await
    }

    /// Sends the password to the sink until it is stored, because Devices sends it only once. A replaced connection
    /// continues to do so; only the stop of the gateway ends it.
    async fn have_stored(&mut self, password: &Secret) -> Result<(), ClosedBy> {
        let mut failures = 0;
        let (stop, clock) = (self.stop.clone(), SharedClock::clone(&self.job.clock));
        let too_late = async {
            stop.cancelled().await;
            tokio::time::sleep(LAST_PASSWORD).await;
        };
        tokio::pin!(too_late);
        loop {
            let (stored, is_stored) = oneshot::channel();
            let kind = SysclientEventKind::Password { password: password.clone(), sent: self.sent.clone(), stored };
            let event = SysclientEvent { phone: self.job.open.phone, conn: self.job.open.conn, kind };
            let attempt = async {
                self.job.sink.send(event).await.ok().ok_or(ClosedBy::Told)?;
                Ok::<bool, ClosedBy>(is_stored.await.is_ok())
            };
            let done = tokio::select! { done = attempt => done?, () = &mut too_late => return Err(ClosedBy::Told) };
            if done {
                self.sent = None;
                let mut core = self.job.core.borrow_mut();
                core.adopt(self.job.open, password);
                core.answered(self.job.open, Status::Member);
                return Ok(());
            }
            failures += 1;
            tracing::warn!(mac = %self.job.mac, failures, "the sysclient password could not be stored; trying again");
            let pause = later(clock.now(), Backoff::PHONE.pause(failures.min(4), rand::random()));
            tokio::select! { () = clock.sleep_until(pause) => {} () = &mut too_late => return Err(ClosedBy::Told) }
        }
    }

    /// Sends an event to the sink; waits while the sink is full.
    async fn publish(&mut self, kind: SysclientEventKind) -> Result<(), ClosedBy> {
        let event = SysclientEvent { phone: self.job.open.phone, conn: self.job.open.conn, kind };
        tokio::select! {
            biased;
            sent = self.job.sink.send(event) => sent.ok().ok_or(ClosedBy::Told),
            () = &mut self.cancelled => Err(ClosedBy::Told),
        }
    }
}

/// The session's timer; replaced only when its time changes.
struct Timer {
    at: Option<Timestamp>,
    pause: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Timer {
    fn new(clock: &SharedClock, at: Option<Timestamp>) -> Self {
        Self { at, pause: Self::pause(clock, at) }
    }

    fn set(&mut self, clock: &SharedClock, at: Option<Timestamp>) {
        if self.at != at {
            *self = Self::new(clock, at);
        }
    }

    fn pause(clock: &SharedClock, at: Option<Timestamp>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        at.map_or_else(|| Box::pin(std::future::pending()) as _, |at| clock.sleep_until(at))
    }
}

fn ignored(reason: &'static str) {
    increment(Metric::MessagesIgnored, &[("reason", reason)]);
}

/// The label in metrics.
fn label(ignored: Ignored) -> &'static str {
    match ignored {
        Ignored::Malformed => "malformed",
        Ignored::UnknownType => "unknown",
        Ignored::NoPassword => "no-password",
        Ignored::Undecryptable => "undecryptable",
        Ignored::Closed => "closed",
    }
}

fn goodbye(host: &str, reason: Option<&crate::net::websocket::CloseReason>) -> String {
    match reason.and_then(|reason| reason.description.as_deref()) {
        Some(text) => format!("{host} closed the connection: {text}"),
        None => format!("{host} closed the connection"),
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
