use super::bench::{Bench, rest};
use crate::{
    devices::sysclients::SysclientEventKind,
    phone::facet::{DevicesState, RedirectState, RegistrationState, UserObjectState},
};

/// Runs the whole lifecycle with a restart after step number `at`; every run must reach the same end.
async fn life(at: usize) {
    let mut bench = Bench::new().await;
    let mut holds = 0;
    drop(bench.request(bench.request_for("anna", "1")));
    bench.held(holds).await;
    holds += 1;
    if at == 0 {
        bench.restart().await;
        bench.held(holds).await;
        holds += 1;
    }
    let (stored, is_stored) = tokio::sync::oneshot::channel();
    bench.send(SysclientEventKind::Password { password: "p".into(), sent: Some("1".into()), stored }).await;
    is_stored.await.unwrap();
    if at == 1 {
        bench.restart().await;
        bench.held(holds).await;
        holds += 1;
    }
    bench.devices_sends().await;
    bench.until("config", |phone| phone.devices.state == DevicesState::Received).await;
    if at == 2 {
        bench.restart().await;
        bench.held(holds).await;
        holds += 1;
    }
    bench.until("redirected", |phone| phone.redirect.state == RedirectState::Redirected).await;
    if at == 3 {
        bench.restart().await;
        bench.held(holds).await;
        holds += 1;
    }
    bench.fetch().await;
    if at == 4 {
        bench.restart().await;
        bench.held(holds).await;
    }
    bench.until("flags", |phone| phone.accounts[0].user_object.state == UserObjectState::Applied).await;
    bench.until("registered", |phone| phone.accounts[0].registration.state == RegistrationState::Registered).await;
    if at == 5 {
        bench.restart().await;
    }
    rest().await;
    let phone = bench.record();
    assert_eq!(phone.devices.state, DevicesState::Received);
    assert_eq!(bench.peers.flags.lock().unwrap().len(), 1, "restart {at}: flags are written once");
    assert_eq!(bench.store.phones().all().len(), 1);
    // A restart during a call loses the answer; repeating the call changes nothing at the service.
    assert!(bench.peers.registrations() <= if at == 2 { 2 } else { 1 }, "restart {at}");
    assert!(
        bench
            .peers
            .holds
            .lock()
            .unwrap()
            .iter()
            .skip(2)
            .all(|hold| !matches!(hold.credential, crate::devices::sysclients::Credential::Code(_)))
    );
    bench.stop().await;
}

#[tokio::test]
async fn a_restart_at_any_station_ends_in_the_same_state() {
    for at in 0..=6 {
        life(at).await;
    }
}
