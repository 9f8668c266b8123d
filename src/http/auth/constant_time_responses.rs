//! Delays rejections so that the response time does not reveal whether the MAC is known. The runtime's timer counts
//! whole milliseconds from the end of the work, which would reveal how long it took. This module therefore has a
//! separate clock whose ticks do not depend on the work.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    rc::Rc,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gangway_base::tasks::Tasks;
use rand::RngExt as _;
use tokio::sync::{Notify, oneshot};

/// Time from a request's arrival to its rejection, rounded up to the next tick. It is many times longer than the
/// slowest rejection takes.
const TAKE: Duration = Duration::from_millis(2);
/// All rejections due within one tick are sent together, so that even a flood of them wakes this clock at most 500
/// times a second. One second must be a multiple of this value.
const TICK: Duration = Duration::from_millis(2);
/// Additional random delay in ticks for each response. It hides the microseconds by which a machine wakes up earlier or
/// later depending on its previous work.
const SPREAD: std::ops::Range<u32> = 0..3;

/// The clock: a separate thread that sleeps while no response is waiting.
pub struct ResponseTimer {
    start: Instant,
    tasks: Tasks,
    shared: Arc<Shared>,
}

/// The waiting responses of one worker, by send time. The clock wakes each worker once per tick instead of each
/// response.
#[derive(Default)]
pub struct DelayedResponses {
    leaving: Rc<RefCell<HashMap<Instant, Rc<Notify>>>>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    by_departure: BTreeMap<Instant, Vec<oneshot::Sender<()>>>,
    ended: bool,
}

impl ResponseTimer {
    /// Starts the thread. It ends when this value is dropped.
    ///
    /// # Errors
    /// If the system cannot start the thread.
    pub fn start(tasks: Tasks) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("response timer".to_owned()).spawn(move || of_thread.run())?;
        Ok(Self { start: Instant::now(), tasks, shared })
    }

    /// Waits until the response to a request that arrived at `began` may be sent.
    pub async fn wait(&self, gate: &DelayedResponses, began: Instant) {
        let common = departure(self.start, began, began.elapsed());
        let leave = gate.at(common + TICK * rand::rng().random_range(SPREAD), self);
        leave.notified().await;
    }
}

impl DelayedResponses {
    /// Returns a notification for this time.
    fn at(&self, moment: Instant, response_timer: &ResponseTimer) -> Rc<Notify> {
        if let Some(leave) = self.leaving.borrow().get(&moment) {
            return Rc::clone(leave);
        }
        let leave = Rc::new(Notify::new());
        self.leaving.borrow_mut().insert(moment, Rc::clone(&leave));
        let (sender, departed) = oneshot::channel();
        response_timer.shared.add(moment, sender);
        let (leaving, all) = (Rc::clone(&self.leaving), Rc::clone(&leave));
        response_timer.tasks.spawn_local("delayed response", async move {
            // An error means that the clock has ended; send the response then, too.
            let _ = departed.await;
            leaving.borrow_mut().remove(&moment);
            all.notify_waiters();
        });
        leave
    }
}

impl Drop for ResponseTimer {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_one();
    }
}

/// Returns the earliest send time for a request that arrived at `began` and took `done`. A response that misses its
/// send time waits for another full interval, so that all responses are sent at one of a few times.
fn departure(start: Instant, began: Instant, done: Duration) -> Instant {
    let missed = u32::try_from(done.as_nanos() / TAKE.as_nanos()).unwrap_or(u32::MAX - 1);
    let earliest = began + TAKE.saturating_mul(missed + 1);
    let past_tick = earliest.saturating_duration_since(start).subsec_nanos() % TICK.subsec_nanos();
    match past_tick {
        0 => earliest,
        past => earliest + TICK - Duration::from_nanos(past.into()),
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, departure: Instant, leave: oneshot::Sender<()>) {
        let mut waiting = self.lock();
        let first = waiting.by_departure.keys().next().is_none_or(|next| departure < *next);
        waiting.by_departure.entry(departure).or_default().push(leave);
        if first {
            self.changed.notify_one();
        }
    }

    fn run(&self) {
        let mut waiting = self.lock();
        while !waiting.ended {
            let next = waiting.by_departure.keys().next().copied();
            waiting = match next.map(|next| next.saturating_duration_since(Instant::now())) {
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
                Some(Duration::ZERO) => {
                    let leaving = waiting.by_departure.pop_first();
                    drop(waiting);
                    for leave in leaving.into_iter().flat_map(|(_, leaving)| leaving) {
                        // Ignore the error: the phone has disconnected.
                        let _ = leave.send(());
                    }
                    self.lock()
                }
                Some(pause) => self.changed.wait_timeout(waiting, pause).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[actix_rt::test]
    async fn nobody_leaves_early_and_all_leave() {
        let (response_timer, gate) = (ResponseTimer::start(Tasks::new()).unwrap(), DelayedResponses::default());
        let began = Instant::now();
        futures_util::future::join_all((0..50).map(|_| response_timer.wait(&gate, began))).await;
        assert!(began.elapsed() >= TAKE);
        // The clock was asleep and must wake up for the next response.
        let began = Instant::now();
        response_timer.wait(&gate, began).await;
        assert!(began.elapsed() >= TAKE);
        assert!(gate.leaving.borrow().is_empty());
    }

    #[actix_rt::test]
    async fn who_hangs_up_holds_nobody() {
        let (response_timer, gate) = (ResponseTimer::start(Tasks::new()).unwrap(), DelayedResponses::default());
        let began = Instant::now();
        for _ in 0..20 {
            let mut gone = Box::pin(response_timer.wait(&gate, began));
            assert!(futures_util::poll!(&mut gone).is_pending());
        }
        futures_util::future::join_all((0..20).map(|_| response_timer.wait(&gate, began))).await;
    }

    #[test]
    fn the_thread_ends_with_its_owner() {
        let response_timer = ResponseTimer::start(Tasks::new()).unwrap();
        let shared = Arc::downgrade(&response_timer.shared);
        drop(response_timer);
        while shared.strong_count() > 0 {
            std::thread::yield_now();
        }
    }

    proptest! {
        /// All responses that are done in time have the same send time, regardless of how long the work took.
        #[test]
        fn the_moment_tells_nothing_of_the_work(
            arrived in 0..10_000_000_000_u64,
            one in 0..2_000_000_u64,
            other in 0..2_000_000_u64,
        ) {
            let start = Instant::now();
            let began = start + Duration::from_nanos(arrived);
            let leaves = |done| departure(start, began, Duration::from_nanos(done));
            prop_assert_eq!(leaves(one), leaves(other));
            let waits = leaves(one) - began;
            prop_assert!(waits >= TAKE && waits < TAKE + TICK);
            // Too late: the next interval.
            prop_assert_eq!(leaves(one + 2_000_000), departure(start, began + TAKE, Duration::ZERO));
        }
    }
}
