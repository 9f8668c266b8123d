//! Tests a connection to Devices that is open but receives no more data, as after a router lost its state or a machine
//! lost power. The gateway detects this without pending requests and reconnects.

use std::time::{Duration, Instant};

use gangway::phone::facet::DevicesState;
use gangway_base::clock::{Clock, ManualClock, SystemClock};
use gangway_sim::{devices::DevicesState as Devices, users::ProvisionRequest};

use crate::support::{
    bench::{Bench, TITLE, simulation},
    faults::{Fault, Neighbour, Proxy},
    http, mac,
    options::Options,
    records::TIMEOUT,
};

/// Step by which the gateway's clock advances; shorter than the ping interval.
const STEP: Duration = Duration::from_secs(10);

/// Waits for a condition while advancing the gateway's clock; returns how much time passed on it.
async fn until(clock: &ManualClock, what: &str, is_so: impl Fn() -> bool) -> Duration {
    let (begun, from) = (Instant::now(), clock.now());
    while !is_so() {
        assert!(begun.elapsed() < TIMEOUT, "not within {TIMEOUT:?} and {}: {what}", clock.now() - from);
        clock.advance(STEP);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Duration::try_from(clock.now() - from).unwrap()
}

#[actix_rt::test]
async fn a_silent_devices_is_noticed_on_its_app_websocket_and_on_the_phones_sysclients() {
    let clock = ManualClock::new(SystemClock.now());
    let simulation = simulation().start().await.unwrap();
    let app = simulation.devices.app_url().parse::<url::Url>().unwrap();
    let upstream = format!("{}:{}", app.host_str().unwrap(), app.port().unwrap()).parse().unwrap();
    let proxy = Proxy::start(Neighbour::Held, upstream);
    simulation.pbx.edit_app("devices-api", |app| app.url = proxy.url(&app.url));
    let bench = Bench::start_in(simulation, Options { clock: Some(clock.clone()), ..Options::default() }).await;
    let board = bench.simulation.devices.board();
    let ready = || http::get(&bench.gateway.ops_url("readyz"), "test").text();
    let is_up = || !ready().contains("Devices at");
    let logins = || {
        board.read(|state| {
            state.requests.iter().filter(|answer| answer["mt"] == "GetDevices" && answer["recvUpdates"] == true).count()
        })
    };
    let state = || bench.records().phone(mac(1)).map(|phone| phone.devices.state);
    let users = bench.simulation.users.clone();
    let answer = crate::support::in_background(async move {
        users.provision(ProvisionRequest::new(&mac(1).to_string(), "user1", TITLE)).await
    });
    until(&clock, "the configuration", || state() == Some(DevicesState::Received)).await;
    drop(answer);
    let answered = |state: &Devices| state.api_pings >= 4 && state.pings >= 4;
    until(&clock, "pings that are answered", || board.read(answered)).await;
    assert!(is_up(), "{}", ready());
    let before = logins();

    proxy.set(Fault::Silent);

    until(&clock, "the AppWebsocket is given up", || !is_up()).await;
    assert!(ready().contains("Devices at"), "{}", ready());
    until(&clock, "the sysclient is given up", || state() == Some(DevicesState::Lost)).await;
    assert_eq!(logins(), before);

    proxy.set(Fault::None);

    until(&clock, "the AppWebsocket is up again", || is_up() && logins() > before).await;
    until(&clock, "the configuration again", || state() == Some(DevicesState::Received)).await;
    bench.assert_no_violation();
}
