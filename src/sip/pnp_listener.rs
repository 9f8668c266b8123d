//! Listens for phones that subscribe by multicast (SIP PnP).

use std::{collections::HashMap, io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use gangway_wire::sip::{GROUP, Place, SipMessage, Start, accepted, notify, profile_subscription};
use jiff::Timestamp;
use tokio::{
    net::UdpSocket,
    sync::{Mutex, Notify},
};

use super::{pnp_limits::PnpLimits, pnp_lookup::PnpLookup};
use crate::{
    base::{
        config::PnpConfig,
        telemetry::metric::{Metric, increment},
    },
    net::udp,
    provision::events::FacetEvent,
};

/// Limit of NOTIFYs waiting for an answer.
const MOST_WAITING: usize = 512;
/// The NOTIFY is repeated after these pauses while the phone does not answer.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// A phone gets at most one timeline entry per this period, however often it subscribes.
const QUIET: Duration = Duration::from_secs(60);

/// Why the listener cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "SIP PnP cannot listen on {address} ([pnp] listen): {error}; another SIP server may have the port, or the address \
     may not be one of this machine"
)]
pub struct PnpError {
    address: String,
    error: io::Error,
}

/// Bound sockets, not yet served.
pub struct PnpListeners {
    sockets: Vec<UdpSocket>,
    config: PnpConfig,
}

/// Binds every address of `[pnp] listen`.
///
/// # Errors
/// When an address cannot be bound, or its multicast group cannot be joined.
pub async fn listen(config: &PnpConfig) -> Result<PnpListeners, PnpError> {
    let mut sockets = Vec::new();
    for address in &config.listen {
        let failed = |error| PnpError { address: address.clone(), error };
        let parsed: SocketAddr =
            address.parse().map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        sockets.push(udp::bind_to_group(parsed, GROUP).await.map_err(failed)?);
    }
    Ok(PnpListeners { sockets, config: config.clone() })
}

impl PnpListeners {
    /// The bound addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Serves on the current arbiter until the gateway stops.
    pub fn serve(self, desk: &PnpLookup, clock: &SharedClock, tasks: &Tasks) {
        for socket in self.sockets {
            let listener = Rc::new(Listener {
                socket,
                config: self.config.clone(),
                desk: desk.clone(),
                clock: Arc::clone(clock),
                tasks: tasks.clone(),
                state: Mutex::default(),
            });
            tasks.spawn_local("pnp", listener.run());
        }
    }
}

#[derive(Default)]
struct State {
    /// By Call-ID; notified when the phone has answered.
    waiting: HashMap<String, Rc<Notify>>,
    notified: HashMap<gangway_base::mac::Mac, Timestamp>,
    shares: PnpLimits,
}

struct Listener {
    socket: UdpSocket,
    config: PnpConfig,
    desk: PnpLookup,
    clock: SharedClock,
    tasks: Tasks,
    state: Mutex<State>,
}

impl Listener {
    async fn run(self: Rc<Self>) {
        let mut datagram = vec![0_u8; 16 * 1024];
        loop {
            let received = tokio::select! {
                () = self.tasks.stopping() => return,
                received = self.socket.recv_from(&mut datagram) => received,
            };
            match received {
                Ok((length, source)) => {
                    let outcome = self.receive(datagram.get(..length).unwrap_or_default(), source).await;
                    increment(Metric::PnpDatagrams, &[("outcome", outcome)]);
                }
                // Ignored, because ICMP errors of earlier datagrams are reported here: one phone is gone, but the
                // socket is fine.
                Err(error) => tracing::debug!(%error, "a datagram could not be received"),
            }
        }
    }

    async fn receive(self: &Rc<Self>, datagram: &[u8], source: SocketAddr) -> &'static str {
        if !self.config.answers(source.ip()) {
            return "foreign network";
        }
        let Ok(message) = SipMessage::read(datagram) else { return "malformed" };
        if let Start::Response { .. } = message.start {
            let answered = message.header("Call-ID").map(str::to_owned).unwrap_or_default();
            if let Some(waiting) = self.state.lock().await.waiting.get(&answered) {
                waiting.notify_one();
            }
            return "answer";
        }
        let Some(profile_subscription) = profile_subscription(&message) else { return "other" };
        let now = self.clock.now();
        if !self.state.lock().await.shares.take(source.ip().to_canonical(), now) {
            return "too many";
        }
        // The same outcome for unknown phones and for phones that get no URL now, so that it does not reveal which MACs
        // are known.
        let Some((phone, url)) = self.desk.look_up(&profile_subscription, source.ip().to_canonical(), now) else {
            return "not expected";
        };
        let is_repeated = {
            let mut state = self.state.lock().await;
            let before = state.notified.get(&profile_subscription.mac).copied();
            state.notified.retain(|_, at| at.saturating_add(QUIET).is_ok_and(|until| now < until));
            state.notified.insert(profile_subscription.mac, now);
            before.is_some_and(|at| at.saturating_add(QUIET).is_ok_and(|until| now < until))
        };
        if !is_repeated {
            tracing::info!(mac = %profile_subscription.mac, model = profile_subscription.model, %source, "a phone asks by multicast and is told its URL");
            let happened = FacetEvent::ToldByPnp { source: &source.ip().to_canonical().to_string() };
            let event = happened.into();
            if let Err(error) = self.desk.store.phones().change(phone.id, |_, events| events.push(event)).await {
                tracing::error!(mac = %profile_subscription.mac, %error, "its arrival cannot be recorded");
                // Without a timeline entry the URL is not disclosed.
                return "not recorded";
            }
        }
        self.tell(&message, source, url.expose()).await;
        "told"
    }

    async fn tell(self: &Rc<Self>, subscribe: &SipMessage, source: SocketAddr, url: &str) {
        let own = match udp::towards(source).await.and_then(|socket| socket.local_addr()) {
            Ok(own) => SocketAddr::new(own.ip(), self.socket.local_addr().map_or(5060, |bound| bound.port())),
            Err(error) => {
                tracing::debug!(%source, %error, "there is no way back to the phone");
                return;
            }
        };
        let place = Place { phone: source, own };
        let tag = format!("{:016x}", rand::random::<u64>());
        let branch = format!("{:016x}", rand::random::<u64>());
        let (answer, to) = accepted(subscribe, place, &tag);
        self.send(&answer, to).await;
        let (message, to) = notify(subscribe, place, &tag, &branch, url);
        let call = message.header("Call-ID").unwrap_or_default().to_owned();
        let answered = Rc::new(Notify::new());
        {
            let mut state = self.state.lock().await;
            // A repetition of the subscription by the phone: its NOTIFY is already being sent.
            if state.waiting.len() >= MOST_WAITING || state.waiting.contains_key(&call) {
                return;
            }
            state.waiting.insert(call.clone(), Rc::clone(&answered));
        }
        let listener = Rc::clone(self);
        self.tasks.spawn_local("pnp notify", async move {
            listener.send(&message, to).await;
            for pause in PAUSES {
                let until = listener.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
                tokio::select! {
                    () = answered.notified() => break,
                    () = listener.tasks.stopping() => break,
                    () = listener.clock.sleep_until(until) => listener.send(&message, to).await,
                }
            }
            listener.state.lock().await.waiting.remove(&call);
        });
    }

    async fn send(&self, message: &SipMessage, to: SocketAddr) {
        if let Err(error) = self.socket.send_to(&message.write(), to).await {
            tracing::debug!(%to, %error, "a datagram could not be sent");
        }
    }
}
