//! A storm around one `gangway serve`: everybody powers on, while others hold connections open byte by byte and Users
//! provisions, a redirect service comes back with phones waiting for it, and an administrator looks at the list. The same
//! at any scale; `tests/storm.rs` runs a small one.

pub mod desk;
pub mod phones;
pub mod site;

use std::{
    fmt,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use self::{
    desk::Desk,
    phones::{Boot, Phone},
    site::Site,
};

/// Until who waits for the redirect service is given up.
const PATIENCE: Duration = Duration::from_secs(180);

/// How strong.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Phones that power on, each with a connection of its own.
    pub phones: u32,
    /// All of them within this time.
    pub within: Duration,
    /// GETs at the very same time, before.
    pub at_once: usize,
    /// Connections that send one byte now and then, all the while.
    pub loris: usize,
    /// Phones that wait to be registered at their redirect service, which comes back when the storm begins.
    pub registrations: u8,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    /// Phones that got their file.
    pub served: usize,
    /// Times a phone was told to come later, with a time.
    pub told_later: usize,
    /// Phones that got neither.
    pub lost: usize,
    /// The same of the GETs at once.
    pub at_once: (usize, usize, usize),
    /// From the first phone's power to the last one's file.
    pub took: Duration,
    /// From connect to the file: half, 99 % and all of the phones.
    pub latency: [Duration; 3],
    /// The operations page, asked all the while: the slowest answer.
    pub ready: Duration,
    /// Slow connections the gateway has ended by the end.
    pub loris_ended: usize,
    /// Phones registered at the redirect service in the end, of those that waited.
    pub registered: (usize, usize),
    /// From the service's return to the last of them.
    pub registering: Duration,
    /// Answers to who looked at the list, and how long half, 99 % and all of them took.
    pub list: (usize, [Duration; 3]),
    /// Largest resident memory in MiB, and before the storm.
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

/// Raises it.
pub async fn run(scale: Scale) -> Report {
    let site = Rc::new(Site::start(scale.phones, scale.registrations).await);
    let desk = Desk::open(&site).await;
    let mut report = Report { memory: (0, site.memory("VmRSS")), ..Report::default() };
    let set = tokio::task::LocalSet::new();
    set.run_until(async {
        let loris: Vec<_> = (0..scale.loris).map(|_| tokio::task::spawn_local(loris(Rc::clone(&site)))).collect();
        let watch = tokio::task::spawn_local(watch(Rc::clone(&site)));
        let answers = Rc::clone(&desk.answers);
        let looking = tokio::task::spawn_local(desk.look());
        let registering = tokio::task::spawn_local(registering(Rc::clone(&site), scale.registrations.into()));

        let at_once = site.phones.iter().cycle().take(scale.at_once).cloned();
        let asked: Vec<_> = at_once.map(|phone| tokio::task::spawn_local(boot(Rc::clone(&site), phone))).collect();
        for boot in asked {
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

/// Half, 99 % and all, of sorted times.
fn spread(times: &[Duration]) -> [Duration; 3] {
    let last = times.len().saturating_sub(1);
    [50, 99, 100].map(|share| times.get((times.len() * share / 100).min(last)).copied().unwrap_or_default())
}

/// The redirect service comes back; how many of those that waited are registered in the end, and after which time.
async fn registering(site: Rc<Site>, wanted: usize) -> ((usize, usize), Duration) {
    let begun = Instant::now();
    site.redirects.switch(|switches| switches.status = None);
    let done = || site.redirects.board().read(|state| state.phones.len());
    while done() < wanted && begun.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    ((done(), wanted), begun.elapsed())
}

async fn boot(site: Rc<Site>, phone: Rc<Phone>) -> Boot {
    phone.boot(&site.tls, site.https).await
}

/// Begins a request and never ends it; returns when the gateway has had enough.
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

/// Asks for the operations page all the while.
async fn watch(site: Rc<Site>) {
    loop {
        let begun = Instant::now();
        phones::plain(site.ops, "/readyz").await;
        site.slowest.set(site.slowest.get().max(begun.elapsed()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
