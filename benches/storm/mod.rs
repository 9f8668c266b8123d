//! Puts a storm of requests on one `gangway serve`: phones power on, slow clients hold connections open byte by byte, a
//! redirect service becomes available again with phones waiting for it, and an administrator views the list. The scale
//! is a parameter; `tests/storm.rs` runs a small one.

pub mod admin;
pub mod phones;
pub mod site;

use std::{
    fmt,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use self::{
    admin::AdminPage,
    phones::{Boot, Phone},
    site::Site,
};

/// How long to wait for registrations at the redirect service.
const TIMEOUT: Duration = Duration::from_secs(180);

/// The scale of the storm.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Number of phones that power on, each with a separate connection.
    pub phones: u32,
    /// The period in which they power on.
    pub within: Duration,
    /// Number of simultaneous GETs before that.
    pub at_once: usize,
    /// Number of connections that send one byte now and then during the storm.
    pub loris: usize,
    /// Number of phones waiting to be registered at their redirect service, which becomes available when the storm
    /// begins.
    pub registrations: u8,
}

/// The result.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of phones that got their file.
    pub served: usize,
    /// Number of responses that asked a phone to retry after a given time.
    pub told_later: usize,
    /// Number of phones that got neither.
    pub lost: usize,
    /// The same three numbers for the simultaneous GETs.
    pub at_once: (usize, usize, usize),
    /// Time from the first phone's power-on to the last one's file.
    pub took: Duration,
    /// Time from connect to the file: median, 99 % and maximum.
    pub latency: [Duration; 3],
    /// Slowest response of the operations page, which is requested during the storm.
    pub ready: Duration,
    /// Number of slow connections that the gateway has closed by the end.
    pub loris_ended: usize,
    /// Number of phones registered at the redirect service in the end, and number of those that waited.
    pub registered: (usize, usize),
    /// Time from the service becoming available to the last registration.
    pub registering: Duration,
    /// Number of responses for the list, and their latency: median, 99 % and maximum.
    pub list: (usize, [Duration; 3]),
    /// Largest resident memory in MiB, and the value before the storm.
    pub memory: (u64, u64),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [half, most, all] = self.latency;
        let (served, later, lost) = self.at_once;
        writeln!(
            f,
            "phones: {} served, told to come later {} times, {} lost",
            self.served, self.told_later, self.lost
        )?;
        writeln!(
            f,
            "  all of them after {:.1?}; one takes {half:.1?} (half), {most:.1?} (99 %), {all:.1?}",
            self.took
        )?;
        writeln!(f, "at once: {served} served, {later} told to come later, {lost} lost")?;
        writeln!(f, "slow connections ended by the gateway: {}", self.loris_ended)?;
        writeln!(f, "operations page: {:.1?} at most", self.ready)?;
        let (done, waiting) = self.registered;
        writeln!(f, "redirect service: {done} of {waiting} waiting phones registered, after {:.1?}", self.registering)?;
        let (answers, [half, most, all]) = self.list;
        writeln!(f, "admin list: {answers} answers; {half:.1?} (half), {most:.1?} (99 %), {all:.1?} at most")?;
        let (most, before) = self.memory;
        write!(f, "memory: {most} MiB at most, {before} MiB before: {} MiB more", most.saturating_sub(before))
    }
}

/// Runs the storm.
pub async fn run(scale: Scale) -> Report {
    let site = Rc::new(Site::start(scale.phones, scale.registrations).await);
    let admin = AdminPage::open(&site).await;
    let mut report = Report { memory: (0, site.memory("VmRSS")), ..Report::default() };
    let set = tokio::task::LocalSet::new();
    set.run_until(async {
        let loris: Vec<_> = (0..scale.loris).map(|_| tokio::task::spawn_local(loris(Rc::clone(&site)))).collect();
        let watch = tokio::task::spawn_local(watch(Rc::clone(&site)));
        let answers = Rc::clone(&admin.answers);
        let looking = tokio::task::spawn_local(admin.look());
        let registering = tokio::task::spawn_local(registering(Rc::clone(&site), scale.registrations.into()));

        let at_once = site.phones.iter().cycle().take(scale.at_once).cloned();
        let boots: Vec<_> = at_once.map(|phone| tokio::task::spawn_local(boot(Rc::clone(&site), phone))).collect();
        for boot in boots {
            let boot = boot.await.expect("a phone that ends");
            match boot {
                Boot { file: true, .. } => report.at_once.0 += 1,
                Boot { later, .. } if later > 0 => report.at_once.1 += 1,
                Boot { .. } => report.at_once.2 += 1,
            }
        }

        let begun = Instant::now();
        let step = scale.within / scale.phones;
        let mut booting = Vec::new();
        for (number, phone) in site.phones.iter().enumerate() {
            tokio::time::sleep_until((begun + step * u32::try_from(number).unwrap_or(u32::MAX)).into()).await;
            booting.push(tokio::task::spawn_local(boot(Rc::clone(&site), phone.clone())));
        }
        let mut latencies = Vec::new();
        for boot in booting {
            let boot = boot.await.expect("a phone that ends");
            report.told_later += boot.later;
            if boot.file {
                report.served += 1;
                latencies.push(boot.took);
            } else {
                report.lost += 1;
            }
        }
        report.took = begun.elapsed();
        latencies.sort_unstable();
        report.latency = spread(&latencies);
        report.loris_ended = loris.iter().filter(|one| one.is_finished()).count();
        (report.registered, report.registering) = registering.await.expect("a count");
        watch.abort();
        looking.abort();
        let mut answers = answers.borrow().clone();
        answers.sort_unstable();
        report.list = (answers.len(), spread(&answers));
        report.ready = site.slowest.get();
    })
    .await;
    report.memory.0 = site.memory("VmHWM");
    report
}

/// Median, 99 % and maximum of sorted times.
fn spread(times: &[Duration]) -> [Duration; 3] {
    let last = times.len().saturating_sub(1);
    [50, 99, 100].map(|share| times.get((times.len() * share / 100).min(last)).copied().unwrap_or_default())
}

/// Makes the redirect service available. Returns how many of the waiting phones are registered in the end, and how long
/// it took.
async fn registering(site: Rc<Site>, wanted: usize) -> ((usize, usize), Duration) {
    let begun = Instant::now();
    site.redirects.switch(|switches| switches.status = None);
    let done = || site.redirects.board().read(|state| state.phones.len());
    while done() < wanted && begun.elapsed() < TIMEOUT {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ((done(), wanted), begun.elapsed())
}

async fn boot(site: Rc<Site>, phone: Rc<Phone>) -> Boot {
    phone.boot(&site.tls, site.https).await
}

/// Starts a request and never completes it. Returns when the gateway closes the connection.
async fn loris(site: Rc<Site>) {
    let Ok(mut stream) = TcpStream::connect(site.http).await else { return };
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    if stream.write_all(b"GET /healthz HTTP/1.1\r\nX-Slow: ").await.is_err() {
        return;
    }
    loop {
        ticks.tick().await;
        if stream.write_all(b"x").await.is_err() {
            return;
        }
    }
}

/// Requests the operations page during the storm.
async fn watch(site: Rc<Site>) {
    loop {
        let begun = Instant::now();
        phones::plain(site.ops, "/readyz").await;
        site.slowest.set(site.slowest.get().max(begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
