//! Asks a phone to resync: sends NOTIFY `check-sync`, waits for a GET and checks that the delivered content is current.
//! If the phone does not respond, the result contains the time of its next poll.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use gangway_wire::sip::{CheckSync, SipMessage, Start, check_sync};
use jiff::Timestamp;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    base::{config::PnpConfig, i18n::Message},
    net::udp,
    phone::{
        facet::Wanted,
        record::{Phone, PhoneId},
    },
    provision::{events::FacetEvent, timeline_texts},
    service::CheckSyncResult,
    settings::{Defaults, Lookup},
    store::{RequestFacts, Store},
};

/// Interval at which responses and requests of a phone are checked.
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// Datagrams read per phone and check.
const DATAGRAMS: usize = 64;
/// Phones notified at the same time.
const AT_ONCE: usize = 20;
/// Pauses before the NOTIFY is sent again, because UDP may lose it.
const PAUSES: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
/// How long the phone may take from the NOTIFY to its GET.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Port on which phones listen unless the registration shows another one.
const SIP_PORT: u16 = 5060;

/// The resyncs that are under way. Cheap to clone.
#[derive(Clone)]
pub struct Resyncs(Arc<Inner>);

struct Inner {
    store: Store,
    clock: SharedClock,
    tasks: Tasks,
    /// Who waits for the result of which phone. Two callers share one resync.
    waiting: Mutex<HashMap<PhoneId, Vec<oneshot::Sender<CheckSyncResult>>>>,
    turns: Semaphore,
}

impl Resyncs {
    /// Creates an empty set. `tasks` run the resyncs.
    #[must_use]
    pub fn new(store: Store, clock: SharedClock, tasks: Tasks) -> Self {
        Self(Arc::new(Inner { store, clock, tasks, waiting: Mutex::default(), turns: Semaphore::new(AT_ONCE) }))
    }

    /// Starts a resync of the phone, or joins the one under way. The receiver gets the result, which the phone's
    /// timeline shows as well; it gets none if the gateway stops first.
    #[must_use]
    pub fn start(&self, phone: Arc<Phone>) -> oneshot::Receiver<CheckSyncResult> {
        let (sender, result) = oneshot::channel();
        let mut waiting = self.0.waiting();
        let callers = waiting.entry(phone.id).or_default();
        callers.push(sender);
        if callers.len() == 1 {
            let inner = Arc::clone(&self.0);
            self.0.tasks.spawn("resync", async move { inner.run(&phone).await });
        }
        result
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, HashMap<PhoneId, Vec<oneshot::Sender<CheckSyncResult>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, phone: &Phone) {
        let work = async {
            let _turn = self.turns.acquire().await;
            self.carry_out(phone).await
        };
        let result = tokio::select! {
            () = self.tasks.stopping() => None,
            result = work => Some(result),
        };
        for caller in self.waiting().remove(&phone.id).unwrap_or_default() {
            if let Some(result) = &result {
                // Fails only if the caller has given up.
                let _ = caller.send(result.clone());
            }
        }
    }

    async fn carry_out(&self, phone: &Phone) -> CheckSyncResult {
        let outcome = tell(&self.store, &self.clock, phone).await;
        let message = outcome.message();
        let recorded = self
            .store
            .phones()
            .change(phone.id, |_, events| events.push(FacetEvent::Resync { end: &message }.into()))
            .await;
        if let Err(error) = recorded {
            tracing::error!(mac = %phone.mac, %error, "the result of a resync cannot be recorded");
        }
        CheckSyncResult {
            came: matches!(outcome, NotifyResult::Fetched | NotifyResult::FetchedUnchanged),
            sentence: message.line(),
        }
    }
}

/// The result of a resync.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NotifyResult {
    /// The phone fetched its current file.
    Fetched,
    /// The phone asked for its file and already has the current content.
    FetchedUnchanged,
    /// The phone sent a request and got something other than its file.
    Refused { outcome: String },
    /// The phone sent no request. Holds its answer to the NOTIFY and its next poll.
    Silent { answered: Option<u16>, next: Next },
    /// The gateway cannot reach the phone.
    Unreachable { why: &'static str, next: Next },
    /// The phone is not active: nothing is delivered to it.
    NotActive,
}

/// When the phone polls without a NOTIFY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    At(Timestamp),
    Overdue,
    WhenItStarts,
}

impl Next {
    fn message(self) -> Message {
        match self {
            Self::At(at) => timeline_texts::COMES_AT.with("at", format!("{at:.0}")),
            Self::Overdue => timeline_texts::SHOULD_HAVE_COME.message(),
            Self::WhenItStarts => timeline_texts::COMES_WHEN_IT_STARTS.message(),
        }
    }
}

impl NotifyResult {
    fn message(&self) -> Message {
        let (message, next) = match self {
            Self::Fetched => return timeline_texts::CAME.message(),
            Self::FetchedUnchanged => return timeline_texts::CAME_UNCHANGED.message(),
            Self::NotActive => return timeline_texts::NOT_ACTIVE.message(),
            Self::Refused { outcome } => return timeline_texts::CAME_REFUSED.with("outcome", outcome.as_str()),
            Self::Silent { answered: None, next } => (timeline_texts::STAYED_SILENT.message(), next),
            Self::Silent { answered: Some(status), next } => {
                let saying = match status {
                    200..=299 => timeline_texts::STAYED,
                    401 | 407 => timeline_texts::WANTS_PROOF,
                    _ => timeline_texts::REFUSES,
                };
                (saying.with("status", *status), next)
            }
            Self::Unreachable { why, next } => (timeline_texts::UNREACHABLE.with("why", *why), next),
        };
        message.with("next", next.message().nested())
    }
}

async fn tell(store: &Store, clock: &SharedClock, phone: &Phone) -> NotifyResult {
    if phone.wanted != Wanted::Active || phone.removed_at.is_some() {
        return NotifyResult::NotActive;
    }
    let facts = store.requests().last(phone.id);
    let next = next_poll(store, phone, facts.as_ref(), clock.now());
    let places = match places(phone, facts.as_ref()) {
        Ok(places) => places,
        Err(why) => return NotifyResult::Unreachable { why, next },
    };
    let asked_before = facts.map_or(0, |facts| facts.requests);
    let random = format!("{:016x}", rand::random::<u64>());
    let mut answered = None;
    let mut tasks: Vec<_> = Vec::new();
    for place in places {
        match udp::towards(place).await {
            Ok(socket) => tasks.push((place, socket)),
            Err(error) => tracing::debug!(%place, %error, "there is no way to the phone"),
        }
    }
    if tasks.is_empty() {
        return NotifyResult::Unreachable { why: "there is no way to its address", next };
    }
    let user = phone.accounts.first().map(|account| account.hwid.clone()).unwrap_or_default();
    let started = clock.now();
    let deadline = clock.now().saturating_add(TIMEOUT).unwrap_or(Timestamp::MAX);
    let mut pauses = PAUSES.iter();
    let mut send_at = clock.now();
    let mut datagram = vec![0_u8; 8192];
    loop {
        let now = clock.now();
        if now >= send_at {
            for (place, socket) in &tasks {
                let Ok(own) = socket.local_addr() else { continue };
                let params = CheckSync { phone: *place, own, user: &user, random: &random, sequence: 1 };
                if let Err(error) = socket.send(&check_sync(&params).write()).await {
                    tracing::debug!(%place, %error, "a datagram could not be sent");
                }
            }
            send_at = match (answered, pauses.next()) {
                (None, Some(pause)) => now.saturating_add(*pause).unwrap_or(Timestamp::MAX),
                _ => Timestamp::MAX,
            };
        }
        for (_, socket) in &tasks {
            // Further datagrams stay in the socket buffer or are dropped there.
            for _ in 0..DATAGRAMS {
                let Ok(length) = socket.try_recv(&mut datagram) else { break };
                answered = status(datagram.get(..length).unwrap_or_default(), &random).or(answered);
            }
        }
        if answered.is_some() {
            send_at = Timestamp::MAX;
        }
        let facts = store.requests().last(phone.id);
        if let Some(outcome) = facts.as_ref().and_then(|facts| fetched(facts, asked_before)) {
            return outcome;
        }
        // Its personal file was delivered, but a later request has already replaced the request facts.
        let delivered = store.phones().get(phone.id).and_then(|now| now.delivery.as_ref().map(|last| last.at));
        if delivered.is_some_and(|at| at >= started) {
            return NotifyResult::Fetched;
        }
        if now >= deadline {
            return match facts.filter(|facts| facts.requests > asked_before) {
                Some(facts) => NotifyResult::Refused { outcome: facts.outcome },
                None => NotifyResult::Silent { answered, next },
            };
        }
        clock.sleep_until(now.saturating_add(POLL_INTERVAL).unwrap_or(Timestamp::MAX)).await;
    }
}

/// Interprets a request after the NOTIFY. A file that is delivered or unchanged is the current one, because both
/// outcomes are decided by the hash of its current content.
fn fetched(facts: &RequestFacts, before: u64) -> Option<NotifyResult> {
    if facts.requests <= before {
        return None;
    }
    match facts.outcome.as_str() {
        "delivered" => Some(NotifyResult::Fetched),
        "not-modified" => Some(NotifyResult::FetchedUnchanged),
        // The challenge before the credentials, or a common file requested before the personal one.
        outcome if is_pending(outcome) => None,
        outcome => Some(NotifyResult::Refused { outcome: outcome.to_owned() }),
    }
}

fn is_pending(outcome: &str) -> bool {
    use crate::phone::admission::Reason;
    let words = [Reason::MissingCredentials, Reason::StaleNonce, Reason::WindowClosed, Reason::CommonFile];
    words.iter().any(|reason| reason.as_str() == outcome) || matches!(outcome, "peeked" | "uploaded")
}

/// The status of a final response to our NOTIFY.
fn status(datagram: &[u8], random: &str) -> Option<u16> {
    let message = SipMessage::read(datagram).ok()?;
    let Start::Response { status, .. } = message.start else { return None };
    let is_ours = message.header("Call-ID").is_some_and(|call| call.starts_with(random));
    (is_ours && status >= 200).then_some(status)
}

/// The addresses to notify: the address that the phone fetched its files from, if that is in a local network and the
/// PBX does not see the phone at another address. Behind a router, many phones share one address and cannot be reached
/// there.
fn places(phone: &Phone, facts: Option<&RequestFacts>) -> Result<Vec<SocketAddr>, &'static str> {
    let facts = facts.ok_or("it never asked, so its address is not known")?;
    let source: IpAddr = facts.address.parse().map_err(|_error| "its last request has no address")?;
    let source = source.to_canonical();
    if !PnpConfig::default().answers(source) {
        return Err("it comes through a public address, where NOTIFY does not reach it");
    }
    let mut ports = vec![SIP_PORT];
    for account in &phone.accounts {
        let Some((ip, port)) = account.registered_address.as_deref().and_then(address) else { continue };
        if ip != source {
            return Err("the PBX sees it at another address than the one it fetches files from (a router in between)");
        }
        ports.extend(port.filter(|port| !ports.contains(port)));
    }
    Ok(ports.into_iter().take(4).map(|port| SocketAddr::new(source, port)).collect())
}

/// `ip`, `ip:port` or `[v6]:port`.
fn address(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Ok(socket) = text.parse::<SocketAddr>() {
        return Some((socket.ip().to_canonical(), Some(socket.port())));
    }
    text.parse::<IpAddr>().ok().map(|ip| (ip.to_canonical(), None))
}

fn next_poll(store: &Store, phone: &Phone, facts: Option<&RequestFacts>, now: Timestamp) -> Next {
    let lookup = Lookup::of(phone, Defaults::Table);
    let settings = store.settings().layers(phone.instance).effective_of(&["update_interval_minutes"], &lookup, None);
    let minutes = settings.u32("update_interval_minutes");
    match facts.and_then(|facts| facts.at.saturating_add(Duration::from_secs(u64::from(minutes) * 60)).ok()) {
        Some(at) if minutes > 0 && at > now => Next::At(at),
        Some(_) if minutes > 0 => Next::Overdue,
        _ => Next::WhenItStarts,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provision::sample;

    fn facts(address: &str, outcome: &str, requests: u64) -> RequestFacts {
        RequestFacts {
            at: Timestamp::UNIX_EPOCH,
            address: address.into(),
            user_agent: None,
            file: "805ec0aabbcc.cfg".into(),
            outcome: outcome.into(),
            requests,
        }
    }

    #[test]
    fn only_a_phone_known_to_be_near_gets_its_url() {
        let mut phone = sample::phone(Timestamp::UNIX_EPOCH);
        let at = |phone: &Phone, address: &str| places(phone, Some(&facts(address, "delivered", 1)));
        assert!(places(&phone, None).unwrap_err().contains("never asked"));
        assert!(at(&phone, "203.0.113.7").unwrap_err().contains("public"));
        assert_eq!(at(&phone, "::ffff:10.0.0.7").unwrap(), ["10.0.0.7:5060".parse().unwrap()]);
        phone.accounts[0].registered_address = Some("10.0.0.7:5062".into());
        assert_eq!(
            at(&phone, "10.0.0.7").unwrap(),
            ["10.0.0.7:5060".parse().unwrap(), "10.0.0.7:5062".parse().unwrap()]
        );
        assert!(at(&phone, "10.0.0.1").unwrap_err().contains("router"));
    }

    #[test]
    fn only_a_request_after_the_notify_counts() {
        assert_eq!(fetched(&facts("x", "delivered", 3), 3), None);
        assert_eq!(fetched(&facts("x", "delivered", 4), 3), Some(NotifyResult::Fetched));
        assert_eq!(fetched(&facts("x", "not-modified", 4), 3), Some(NotifyResult::FetchedUnchanged));
        assert_eq!(fetched(&facts("x", "failed", 4), 3), Some(NotifyResult::Refused { outcome: "failed".into() }));
        assert_eq!(fetched(&facts("x", "peeked", 4), 3), None);
    }

    #[test]
    fn every_end_says_what_to_expect() {
        let at = Next::At(Timestamp::UNIX_EPOCH);
        for (outcome, part) in [
            (NotifyResult::Silent { answered: None, next: at }, "1970"),
            (NotifyResult::Silent { answered: Some(200), next: Next::Overdue }, "plugged in"),
            (NotifyResult::Silent { answered: Some(401), next: at }, "proof"),
            (NotifyResult::Silent { answered: Some(489), next: Next::WhenItStarts }, "restart"),
            (NotifyResult::Unreachable { why: "x", next: at }, "cannot be told"),
        ] {
            assert!(outcome.message().line().contains(part), "{}", outcome.message().line());
        }
    }
}
