//! Runs the sysclient pool on a separate thread and provides the handle for the rest of the gateway.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc, time::Duration};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, oneshot};
use url::Url;

use super::{
    connection::{self, Job},
    core::PoolState,
    event::{SysclientEvent, SysclientEventKind, SysclientSpec},
    handle_state::{HandleState, Status, SysclientCounts},
    schedule::Schedule,
};
use crate::{
    net::{
        error::host_label,
        websocket::{WsConnector, WsLimits},
    },
    phone::{instance::InstanceId, record::PhoneId},
};

/// How long sockets may take to close when the gateway stops.
const GOODBYE: Duration = Duration::from_secs(4);

/// Returns the TLS configuration with the certificates that an instance trusts.
pub type InstanceTrust = Arc<dyn Fn(InstanceId) -> Arc<rustls::ClientConfig> + Send + Sync>;

/// The dependencies of the pool.
pub struct PoolDependencies {
    /// The clock for pauses, pings and the detection of silence.
    pub clock: SharedClock,
    /// Its stop signal ends the pool.
    pub tasks: Tasks,
    /// Limit of connects per second, over all endpoints.
    pub connects_per_second: u32,
    /// Limit of simultaneously open sockets.
    pub most: usize,
    /// Returns the TLS configuration of an instance; called once for each.
    pub tls: InstanceTrust,
}

/// The handle of the pool. Cheap to clone.
#[derive(Clone)]
pub struct SysclientPool {
    shared: Arc<HandleState>,
}

impl SysclientPool {
    /// Starts the thread. Events are sent to `sink`. When it is full, sockets wait: no event is lost and no queue
    /// grows.
    ///
    /// # Errors
    /// When the thread cannot be spawned.
    pub fn start(deps: PoolDependencies, sink: mpsc::Sender<SysclientEvent>) -> std::io::Result<Self> {
        let shared = Arc::new(HandleState::default());
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("sysclients".to_owned()).spawn(move || {
            actix_rt::System::new().block_on(async move {
                let (done, finished) = oneshot::channel();
                let tasks = deps.tasks.clone();
                tasks.spawn_local("sysclients", async move {
                    run(deps, of_thread, sink).await;
                    let _ = done.send(());
                });
                let _ = finished.await;
            });
        })?;
        Ok(Self { shared })
    }

    /// Holds a socket for a phone: opens one, or replaces the existing one when the address or the credential changed.
    /// Repeating a request has no effect. Does not block.
    pub fn hold(&self, spec: SysclientSpec) {
        self.shared.push_request(spec.phone, Some(spec));
    }

    /// Closes a phone's socket and forgets the phone. Does not block.
    pub fn drop_phone(&self, phone: PhoneId) {
        self.shared.push_request(phone, None);
    }

    /// The status of a phone; `None` when the pool does not hold it.
    #[must_use]
    pub fn status(&self, phone: PhoneId) -> Option<Status> {
        self.shared.status(phone)
    }

    /// Whether the host of this URL could not be reached at the last attempt.
    #[must_use]
    pub fn is_away(&self, url: &Url) -> bool {
        self.shared.is_away(&host_label(url))
    }

    /// Number of phones by status.
    #[must_use]
    pub fn counts(&self) -> SysclientCounts {
        self.shared.counts()
    }
}

async fn run(deps: PoolDependencies, shared: Arc<HandleState>, sink: mpsc::Sender<SysclientEvent>) {
    let PoolDependencies { clock, tasks, tls, connects_per_second, most } = deps;
    let changed = Rc::new(Notify::new());
    // Connection numbers increase across restarts, so stale events are always older.
    let first = u64::try_from(clock.now().as_millisecond()).unwrap_or(0).saturating_mul(1 << 10);
    let core = Rc::new(RefCell::new(PoolState {
        schedule: Schedule::new(connects_per_second, most, first),
        open_sysclients: HashMap::new(),
        connectors: HashMap::new(),
        shared: Arc::clone(&shared),
        clock: Arc::clone(&clock),
        changed: Rc::clone(&changed),
    }));
    loop {
        let now = clock.now();
        let next = step(&core, &tls, &tasks, &sink, now);
        let timer = async {
            match next {
                Some(next) => clock.sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tasks.stopping() => break,
            () = shared.wake.notified() => {}
            () = changed.notified() => {}
            () = timer => {}
        }
    }
    core.borrow_mut().open_sysclients.clear();
    let goodbye = async {
        while core.borrow().schedule.live() > 0 {
            changed.notified().await;
        }
    };
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}

/// Handles the requests, opens the connections that are due, and returns the time of the next step.
fn step(
    core: &Rc<RefCell<PoolState>>,
    tls: &InstanceTrust,
    tasks: &Tasks,
    sink: &mpsc::Sender<SysclientEvent>,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut this = core.borrow_mut();
    for (phone, spec) in this.shared.take_requests() {
        this.set_spec(phone, spec);
    }
    for open in this.schedule.poll(now) {
        let Some(instance) = this.open_sysclients.get(&open.phone).map(|sysclient| sysclient.spec.instance) else {
            continue;
        };
        let connector = this
            .connectors
            .entry(instance)
            .or_insert_with(|| WsConnector::new(tls(instance), WsLimits::default()))
            .clone();
        let Some(sysclient) = this.open_sysclients.get_mut(&open.phone) else { continue };
        let (close, closed) = oneshot::channel();
        sysclient.close = Some(close);
        sysclient.conn = open.conn;
        let unspent = sysclient.spec.credential.code().filter(|code| sysclient.spent.as_ref() != Some(*code)).cloned();
        let job = Job {
            open,
            url: sysclient.spec.url.clone(),
            mac: sysclient.spec.mac,
            identity: sysclient.spec.identity.clone(),
            silence_limit: sysclient.spec.silence_limit,
            code: unspent,
            password: sysclient.spec.credential.password().cloned(),
            connector,
            clock: Arc::clone(&this.clock),
            sink: sink.clone(),
            core: Rc::clone(core),
        };
        this.status(open, Status::Connecting);
        tasks.spawn_local("sysclient", connection::run(job, closed, tasks.stop_token()));
    }
    for phone in this.schedule.waiting(now) {
        this.shared.set_status(phone, Some(Status::NoDescriptor));
        let conn = this.open_sysclients.get(&phone).map_or(0, |sysclient| sysclient.conn);
        // Ignore the error: the status may be missing in the record, the events already queued matter more.
        let _ = sink.try_send(SysclientEvent { phone, conn, kind: SysclientEventKind::NoDescriptor });
    }
    this.schedule.next_poll(now)
}
