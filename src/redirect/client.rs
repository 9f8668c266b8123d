//! The client of the redirect services: it makes one call at a time per account, pauses between calls, repeats a call
//! once when the connection broke, and records every call and answer in the history.

use std::{
    collections::HashMap,
    future::Future,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gangway_base::{
    clock::{SharedClock, until_duration},
    mac::Mac,
    tasks::Tasks,
};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use url::Url;

use super::{
    account_cache::{AccountCache, ProtocolContext},
    history::{ExchangeRecord, HistorySink},
    operation::{Operation, RedirectAccount},
    protocol::{NextCall, RedirectProtocol, SendContext, ServiceRequest, ServiceResponse},
    protocols::{Protocol, protocol},
    redact::Mask,
    result::{RedirectFailure, RedirectResult},
};
use crate::{
    net::http::{HttpClient, HttpError, Request, Response},
    phone::{instance::InstanceId, record::PhoneId},
    settings::REDIRECT_PROTOCOLS,
};

/// Limit of calls per operation; more than any operation needs.
const LONGEST: usize = 32;
/// How long to wait for an answer after the gateway began to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Limit of accounts whose call times are kept.
const MOST_ACCOUNTS: usize = 1024;

/// Limits of the calls to a service.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Minimum time between two calls of an account.
    pub spacing: Duration,
    /// Time-out of one call, from the name lookup to the last byte.
    pub timeout: Duration,
    /// Maximum size of an answer.
    pub max_bytes: usize,
}

impl Default for Limits {
    /// At most 10 calls per second, 25 s, 64 KiB.
    fn default() -> Self {
        Self { spacing: Duration::from_millis(100), timeout: Duration::from_secs(25), max_bytes: 64 * 1024 }
    }
}

/// One account at one service; its operations run one after another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct AccountKey {
    url: String,
    user: String,
}

struct Gate {
    turn: Arc<Semaphore>,
    next_call: Mutex<Timestamp>,
    memory: AccountCache,
}

/// The handle; it accepts operations from any thread.
#[derive(Clone)]
pub struct Redirects {
    jobs: mpsc::Sender<Job>,
    gates: Arc<Mutex<HashMap<AccountKey, Arc<Gate>>>>,
    clock: SharedClock,
}

struct Job {
    account: RedirectAccount,
    operation: Operation,
    phone: Option<(PhoneId, Mac)>,
    exchange: Box<dyn RedirectProtocol>,
    gate: Arc<Gate>,
    answer: oneshot::Sender<RedirectResult>,
    /// Released when the job ends, even if no caller waits for its result any more.
    _turn: OwnedSemaphorePermit,
}

impl Redirects {
    /// Starts the runner on the current arbiter, which `client` must belong to.
    #[must_use]
    pub fn start(
        client: HttpClient,
        history: Arc<dyn HistorySink>,
        clock: SharedClock,
        tasks: &Tasks,
        limits: Limits,
    ) -> Self {
        // A job is sent with the permit of its account, so there are never more jobs than accounts.
        let (jobs, mut inbox) = mpsc::channel::<Job>(64);
        let handle = Self { jobs, gates: Arc::default(), clock: Arc::clone(&clock) };
        let runner = Rc::new(Runner { client, history, clock, tasks: tasks.clone(), limits });
        let stop = tasks.stop_token();
        let family = tasks.clone();
        tasks.spawn_local("redirects", async move {
            loop {
                let job = tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    job = inbox.recv() => job,
                };
                let Some(job) = job else { break };
                let runner = Rc::clone(&runner);
                family.spawn_local("redirect", async move { runner.carry_out(job).await });
            }
        });
        handle
    }

    /// Carries out one operation and returns its result. Operations of one account run in the order in which they are
    /// submitted. Dropping the future does not stop an operation that has begun.
    pub fn run(
        &self,
        account: RedirectAccount,
        operation: Operation,
        phone: Option<(PhoneId, Mac)>,
    ) -> impl Future<Output = RedirectResult> + Send + 'static {
        let handle = self.clone();
        async move {
            match handle.submit(account, operation, phone).await {
                Ok(outcome) | Err(outcome) => outcome,
            }
        }
    }

    async fn submit(
        &self,
        account: RedirectAccount,
        operation: Operation,
        phone: Option<(PhoneId, Mac)>,
    ) -> Result<RedirectResult, RedirectResult> {
        let stopping = || RedirectResult::Transport(RedirectFailure::Stopping);
        let (protocol, url) = address(&account)?;
        let gate = self.gate(AccountKey { url: url.to_string(), user: account.user.clone() });
        let turn = Arc::clone(&gate.turn).acquire_owned().await.map_err(|_closed| stopping())?;
        gate.memory.belongs_to(&account.password);
        let context = ProtocolContext { memory: gate.memory.clone(), now: self.clock.now() };
        let exchange = (protocol.start)(&operation, &account, url, &context);
        let (answer, outcome) = oneshot::channel();
        let job = Job { account, operation, phone, exchange, gate, answer, _turn: turn };
        self.jobs.send(job).await.map_err(|_closed| stopping())?;
        outcome.await.map_err(|_dropped| stopping())
    }

    fn gate(&self, key: AccountKey) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() >= MOST_ACCOUNTS {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        let new = || {
            Arc::new(Gate {
                turn: Arc::new(Semaphore::new(1)),
                next_call: Mutex::new(Timestamp::MIN),
                memory: AccountCache::default(),
            })
        };
        Arc::clone(gates.entry(key).or_insert_with(new))
    }
}

/// Checks the account: the protocol it speaks, and where.
fn address(account: &RedirectAccount) -> Result<(Protocol, Url), RedirectResult> {
    let missing = |what: String| RedirectResult::NotConfigured(what);
    let setting = |name: &str| format!("redirect.{}.{name}", account.vendor);
    if matches!(account.protocol.as_str(), "" | "none") {
        return Err(missing(format!(
            "set {} to use the vendor's service, or direct phones by DHCP",
            setting("protocol")
        )));
    }
    let Some(protocol) = protocol(&account.protocol) else {
        let known: Vec<&str> = REDIRECT_PROTOCOLS.iter().map(|protocol| protocol.name).collect();
        return Err(missing(format!(
            "'{}' in {} is no known protocol, known are none, {}",
            account.protocol,
            setting("protocol"),
            known.join(", ")
        )));
    };
    if account.user.is_empty() || account.password.is_empty() {
        return Err(missing(format!("{} and {} must be set", setting("user"), setting("password"))));
    }
    let address = if account.url.trim().is_empty() { protocol.info.default_url } else { account.url.trim() };
    let url = Url::parse(address).map_err(|error| missing(format!("{} is no URL ({error})", setting("url"))))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(missing(format!("{} must begin with https:// and name a host", setting("url"))));
    }
    Ok((protocol, url))
}

struct Runner {
    client: HttpClient,
    history: Arc<dyn HistorySink>,
    clock: SharedClock,
    tasks: Tasks,
    limits: Limits,
}

/// What a job's history entries refer to.
struct Context {
    instance: InstanceId,
    phone: Option<PhoneId>,
    mac: Option<Mac>,
    vendor: String,
    mask: Mask,
    memory: AccountCache,
}

impl Runner {
    async fn carry_out(&self, job: Job) {
        let Job { account, operation, phone, mut exchange, gate, answer, _turn } = job;
        let context = Context {
            instance: account.instance,
            phone: phone.map(|(id, _)| id),
            mac: phone.map(|(_, mac)| mac).or(operation.mac()),
            mask: Mask::new(&account, &operation),
            memory: gate.memory.clone(),
            vendor: account.vendor,
        };
        let outcome = self.converse(exchange.as_mut(), &gate, &context).await;
        let outcome = outcome.masked(|text| context.mask.apply(text, &gate.memory.secrets()));
        if outcome.casts_doubt() {
            gate.memory.forget();
        }
        tracing::info!(
            vendor = context.vendor,
            mac = context.mac.map(tracing::field::debug),
            operation = operation.label(),
            outcome = outcome.label(),
            "redirect service"
        );
        // Ignore the error: the caller no longer waits, and the history contains the result.
        let _ = answer.send(outcome);
    }

    async fn converse(&self, exchange: &mut dyn RedirectProtocol, gate: &Gate, context: &Context) -> RedirectResult {
        let mut step = exchange.next(None).step;
        for _ in 0..LONGEST {
            let call = match step {
                NextCall::Done(outcome) => return outcome,
                NextCall::Send(call) => call,
            };
            let (at, result) = match self.call(&call, gate, context).await {
                Some(sent) => sent,
                None => return RedirectResult::Transport(RedirectFailure::Stopping),
            };
            let response = match result {
                Ok(response) => response,
                Err(error) => {
                    let outcome = RedirectResult::Transport(RedirectFailure::Http(error));
                    self.record(&call, at, context, outcome.clone(), &outcome.sentence());
                    return outcome;
                }
            };
            let answer = ServiceResponse::of(&response, self.clock.now());
            let turn = exchange.next(Some(&answer));
            let text = answer.text();
            let recorded = if text.is_empty() { format!("(status {}, empty)", answer.status) } else { text };
            let call_result = turn.call_result.unwrap_or(RedirectResult::Unknown(String::new()));
            self.record(&call, at, context, call_result, &recorded);
            step = turn.step;
        }
        RedirectResult::Unknown(format!("no end after {LONGEST} calls"))
    }

    /// Sends a call, and repeats it once if the connection broke. Returns `None` when the gateway stops before the call
    /// was sent or answered.
    async fn call(
        &self,
        call: &ServiceRequest,
        gate: &Gate,
        context: &Context,
    ) -> Option<(Timestamp, Result<Response, HttpError>)> {
        let at = self.own_moment(gate).await?;
        if let Err(error) = self.client.may_carry_secrets(&call.request.url) {
            return Some((at, Err(error)));
        }
        match self.send(self.sealed(call, at)).await? {
            Err(error) if error.is_momentary() => {
                let outcome = RedirectResult::Transport(RedirectFailure::Http(error));
                self.record(call, at, context, outcome.clone(), &outcome.sentence());
                let at = self.own_moment(gate).await?;
                Some((at, self.send(self.sealed(call, at)).await?))
            }
            result => Some((at, result)),
        }
    }

    /// Returns `None` when the gateway stops and the answer does not arrive soon, as if the gateway had crashed here.
    async fn send(&self, request: Request) -> Option<Result<Response, HttpError>> {
        let given_up = async {
            self.tasks.stopping().await;
            tokio::time::sleep(STOP_TIMEOUT).await;
        };
        tokio::select! {
            biased;
            result = self.client.send(request) => Some(result),
            () = given_up => None,
        }
    }

    fn sealed(&self, call: &ServiceRequest, now: Timestamp) -> Request {
        let mut request = call.request_at(SendContext { now, nonce: rand::random() });
        request.timeout = self.limits.timeout;
        request.max_bytes = call.max_bytes.unwrap_or_default().max(self.limits.max_bytes);
        request
    }

    /// Waits until the account may make its next call; returns the time then. `None` when the gateway stops.
    async fn own_moment(&self, gate: &Gate) -> Option<Timestamp> {
        let wanted = {
            let mut next = gate.next_call.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock.now();
            let at = if *next > now { *next } else { now };
            *next = at.saturating_add(self.limits.spacing).unwrap_or(Timestamp::MAX);
            at
        };
        tokio::select! {
            biased;
            () = self.clock.sleep_until(wanted) => Some(self.clock.now()),
            () = self.tasks.stopping() => None,
        }
    }

    fn record(&self, call: &ServiceRequest, at: Timestamp, context: &Context, outcome: RedirectResult, answer: &str) {
        let learned = context.memory.secrets();
        self.history.record(ExchangeRecord {
            instance: context.instance,
            phone: context.phone,
            mac: context.mac,
            vendor: context.vendor.clone(),
            command: call.command.name(),
            at,
            took: until_duration(at, self.clock.now()),
            outcome: outcome.masked(|text| context.mask.apply(text, &learned)),
            answer: context.mask.apply(answer, &learned),
        });
    }
}
