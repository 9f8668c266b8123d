//! Kills the gateway at every fail point of the flow, with everything that is under way, and restarts it on the
//! committed data. It must reach the same end as a gateway that was never killed, without duplicates at any peer. What
//! could not be saved must end in a named state that one click repairs.

use super::{
    bench::Bench,
    lifecycle::{LifecycleDriver, reach},
};
use crate::{
    base::failpoint::{Failpoint, Scenario, set_trap},
    phone::facet::{RedirectState, Wanted},
};

/// No scenario passes a fail point more often than this.
const MOST: u32 = 60;

/// The file that runs the other scenarios and kills the gateway in them.
fn told_elsewhere(scenario: Scenario) -> Option<&'static str> {
    match scenario {
        Scenario::Life
        | Scenario::Outage
        | Scenario::Absence
        | Scenario::Refusal
        | Scenario::Move
        | Scenario::People => None,
        Scenario::Keys => Some("src/store/tests/rotate.rs"),
        Scenario::Remarks => Some("src/http/tests/remarks.rs"),
        Scenario::Requests | Scenario::Import => Some("tests/live/crash.rs"),
    }
}

/// Runs the work on a separate runtime; its end kills all of its tasks.
fn run_until_end<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

async fn gateway(scenario: Scenario, dir: tempfile::TempDir, driver: &LifecycleDriver) -> Bench {
    let url = if scenario == Scenario::Move { "" } else { "https://gw.example.com" };
    Bench::at(url, dir, driver.peers.clone(), driver.clock.clone()).await
}

async fn tell(scenario: Scenario, driver: &mut LifecycleDriver, bench: &mut Bench) {
    match scenario {
        Scenario::Life => driver.live(bench).await,
        Scenario::Outage => driver.outlive_outages(bench).await,
        Scenario::Absence => driver.be_absent(bench).await,
        Scenario::Refusal => driver.be_refused(bench).await,
        Scenario::Move => driver.follow_the_url(bench).await,
        Scenario::People => driver.be_wanted(bench).await,
        Scenario::Keys | Scenario::Remarks | Scenario::Requests | Scenario::Import => {}
    }
}

/// Kills the gateway at this fail point. Returns false if the fail point is not passed that often.
fn die_at(scenario: Scenario, point: Failpoint, passes: u32) -> bool {
    let mut driver = LifecycleDriver::new();
    let blocked = set_trap(Some((point, passes)));
    let disk = run_until_end(async {
        let dir = tempfile::tempdir().unwrap();
        let mut bench = gateway(scenario, dir, &driver).await;
        let died = tokio::select! {
            biased;
            () = blocked.notified() => true,
            () = tell(scenario, &mut driver, &mut bench) => false,
        };
        died.then(|| bench.remains())
    });
    let _ = set_trap(None);
    let Some(disk) = disk else { return false };
    // A killed process writes nothing after its end; a thread of the database may still finish its transaction.
    run_until_end(crate::store::wait_for_other_writers(disk.path())).unwrap();
    driver.peers.held.lock().unwrap().clear();
    let what = format!("{point:?}, passed {passes} times before");
    run_until_end(async {
        let mut bench = gateway(scenario, disk, &driver).await;
        match scenario {
            Scenario::Life => lives_on(point, &what, &mut driver, &mut bench).await,
            _ => goes_on(scenario, point, &what, &mut driver, &mut bench).await,
        }
        bench.stop().await;
    });
    true
}

async fn lives_on(point: Failpoint, what: &str, driver: &mut LifecycleDriver, bench: &mut Bench) {
    let is_being_removed = bench.phone().is_some_and(|phone| phone.wanted == Wanted::Removed);
    if !is_being_removed {
        driver.install(bench).await;
        driver.check_installed(bench, what);
        driver.stay(bench).await;
        driver.check_installed(bench, what);
    }
    ends_well(what, driver, bench).await;
    // A password that Devices sends once and that was not stored requires a new provisioning; nothing else does.
    assert_eq!(driver.clicks, u32::from(point == Failpoint::PasswordCame), "{what}: provisioned anew");
    // A call that was answered but whose result was not stored is repeated unchanged. Flags and registration are
    // handled at the same time, so that either may be lost with the other.
    let most = |twice: Failpoint| if point == twice { 2 } else { 1 };
    {
        use Failpoint as P;
        let at_the_same_time = matches!(point, P::FlagsAnswered | P::RegistrationAnswered | P::RegistrationWritten);
        let flags = driver.peers.flags.lock().unwrap();
        assert!(flags.len() <= if at_the_same_time { 2 } else { 1 }, "{what}: flags {flags:?}");
        assert!(flags.windows(2).all(|two| two[0] == two[1]), "{what}: flags {flags:?}");
    }
    assert!(driver.peers.registrations() <= most(Failpoint::RegisterAnswered), "{what}: registrations");
    // The sysclient is closed at the same time.
    let deregistrations = if point == Failpoint::Dropped { 2 } else { most(Failpoint::DeregisterAnswered) };
    assert!(driver.peers.deregistrations() <= deregistrations, "{what}: deregistrations");
}

/// Runs the scenario from its beginning, with the record as it was left.
async fn goes_on(scenario: Scenario, point: Failpoint, what: &str, driver: &mut LifecycleDriver, bench: &mut Bench) {
    use Failpoint as P;
    driver.calm(bench);
    if matches!(point, P::RetryWanted | P::RetryWritten | P::RetriesWritten)
        && bench.phone().is_some_and(|phone| phone.delivery.is_some())
    {
        reach(bench, "tried again by itself", |phone| phone.redirect.state == RedirectState::Redirected).await;
    }
    tell(scenario, driver, bench).await;
    driver.check_installed(bench, what);
    ends_well(what, driver, bench).await;
}

async fn ends_well(what: &str, driver: &mut LifecycleDriver, bench: &mut Bench) {
    driver.remove(bench).await;
    assert!(driver.peers.entries.lock().unwrap().is_empty(), "{what}: nothing is left at the service");
    assert!(driver.peers.held.lock().unwrap().is_empty(), "{what}: nor in the fleet");
}

/// Kills the gateway at these fail points of a scenario, each time they are passed.
fn dies_in(scenario: Scenario, points: impl Iterator<Item = Failpoint>) {
    for point in points {
        let times = (0..MOST).take_while(|passes| die_at(scenario, point, *passes)).count();
        assert!((1..60).contains(&times), "{point:?} is reached {times} times in {scenario:?}");
    }
}

#[test]
fn whenever_the_gateway_dies_it_comes_back_to_the_same_end() {
    dies_in(Scenario::Life, Failpoint::of(Scenario::Life));
}

#[test]
fn whenever_it_dies_in_an_outage() {
    dies_in(Scenario::Outage, Failpoint::of(Scenario::Outage));
}

#[test]
fn whenever_it_dies_while_user_and_phone_are_gone() {
    dies_in(Scenario::Absence, Failpoint::of(Scenario::Absence));
}

#[test]
fn whenever_it_dies_over_a_refusal() {
    dies_in(Scenario::Refusal, Failpoint::of(Scenario::Refusal));
}

#[test]
fn whenever_it_dies_while_phones_are_moved() {
    use Failpoint as P;
    let moving = [
        P::ServerAnswered,
        P::ServerWritten,
        P::RegisterWritten,
        P::RegisterAnswered,
        P::RegisteredWritten,
        P::NoteWanted,
        P::NoteWritten,
    ];
    dies_in(Scenario::Move, Failpoint::of(Scenario::Move).chain(moving));
}

#[test]
fn whenever_it_dies_over_what_people_want() {
    dies_in(Scenario::People, Failpoint::of(Scenario::People));
}

/// Every scenario passes fail points, and each one that is not run here is run in another file.
#[test]
fn no_point_is_without_a_story() {
    for scenario in Scenario::ALL {
        assert!(Failpoint::of(*scenario).next().is_some(), "{scenario:?}");
        let Some(place) = told_elsewhere(*scenario) else { continue };
        let text = std::fs::read_to_string(place).unwrap();
        assert!(text.contains(&format!("Scenario::{scenario:?}")), "{place} does not tell {scenario:?}");
    }
}
