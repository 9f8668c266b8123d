//! The gateway dies at every point of the flow, with everything that is under way, and starts again on what was
//! committed: it ends where a gateway that never died ends, nothing is there twice at any neighbour, and what could not
//! be saved ends in a named state that one click heals.

use super::{bench::Bench, life::Around};
use crate::crash_point::{CrashPoint, set_trap};

/// Points on the way of a phone's request; `tests/live/crash.rs` dies in them.
fn lies_in_http(point: CrashPoint) -> bool {
    use CrashPoint as P;
    matches!(point, P::BindWanted | P::Bound | P::FileSent | P::DeliveryWritten)
}

/// A runtime whose end is the death of everything on it.
fn mortal<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn die_at(point: CrashPoint) {
    let mut around = Around::new();
    let caught = set_trap(Some(point));
    let disk = mortal(async {
        let dir = tempfile::tempdir().unwrap();
        let mut bench = Bench::on(dir, around.outside.clone(), around.clock.clone()).await;
        let died = tokio::select! {
            biased;
            () = caught.notified() => true,
            () = around.live(&mut bench) => false,
        };
        assert!(died, "{point:?} is never reached");
        bench.remains()
    });
    let _ = set_trap(None);
    around.outside.held.lock().unwrap().clear();
    mortal(async {
        let mut bench = Bench::on(disk, around.outside.clone(), around.clock.clone()).await;
        let what = format!("{point:?}");
        let is_being_removed = bench.phone().is_some_and(|phone| phone.wanted == crate::phone::facet::Wanted::Removed);
        if !is_being_removed {
            around.install(&mut bench).await;
            around.check_installed(&bench, &what);
            around.stay(&mut bench).await;
            around.check_installed(&bench, &what);
        }
        around.remove(&mut bench).await;
        assert!(around.outside.entries.lock().unwrap().is_empty(), "{what}: nothing is left at the service");
        assert!(around.outside.held.lock().unwrap().is_empty(), "{what}: nor in the fleet");
        // What Devices says once and nobody wrote down needs a person; nothing else does.
        assert_eq!(around.clicks, u32::from(point == CrashPoint::PasswordCame), "{what}: provisioned anew");
        // What was answered and not written down is said once more, the very same; flags and registration are looked
        // after at the same time, so that either may die with the other.
        let most = |twice: CrashPoint| if point == twice { 2 } else { 1 };
        {
            use CrashPoint as P;
            let at_the_same_time = matches!(point, P::FlagsAnswered | P::RegistrationAnswered | P::RegistrationWritten);
            let flags = around.outside.flags.lock().unwrap();
            assert!(flags.len() <= if at_the_same_time { 2 } else { 1 }, "{what}: flags {flags:?}");
            assert!(flags.windows(2).all(|two| two[0] == two[1]), "{what}: flags {flags:?}");
        }
        assert!(around.outside.registrations() <= most(CrashPoint::RegisterAnswered), "{what}: registrations");
        assert!(around.outside.deregistrations() <= most(CrashPoint::DeregisterAnswered), "{what}: deregistrations");
        bench.stop().await;
    });
}

#[test]
fn whenever_the_gateway_dies_it_comes_back_to_the_same_end() {
    for point in CrashPoint::ALL.iter().copied().filter(|point| !lies_in_http(*point)) {
        die_at(point);
    }
}
