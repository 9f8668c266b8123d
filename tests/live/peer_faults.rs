//! Tests every peer with every fault: away, flapping, noise, one byte per second, silence. Configured phones are served
//! throughout, even after a restart during the fault, and waiting provisionings complete in the end.

use std::time::{Duration, Instant};

use gangway::phone::facet::{DevicesState, RedirectState, RegistrationState, UserObjectState};
use gangway_base::mac::Mac;
use gangway_sim::{
    simulation::Simulation,
    snom_phone::{self, SnomPhone},
    snom_rps::SnomRps,
    users::ProvisionRequest,
    yealink_phone::{self, YealinkPhone},
    ymcs::Ymcs,
};
use tempfile::TempDir;

use crate::support::{
    bench::{Bench, simulation},
    faults::{Fault, Neighbour, Proxy},
    gateway::Gateway,
    mac,
    options::Options,
    process,
};

/// Longer than an unanswered call and the pause after it.
const TIMEOUT: Duration = Duration::from_secs(100);
const SERIAL: &str = "3146019091637071";

fn snom(number: u8) -> Mac {
    Mac::new([0x00, 0x04, 0x13, 0x12, 0x34, number]).unwrap()
}

/// A redirect service that the gateway calls.
struct Service {
    vendor: &'static str,
    protocol: &'static str,
    url: String,
    account: (&'static str, &'static str),
    /// URL that phones contact.
    door: String,
}

/// The gateway and its peers, each peer behind a proxy.
struct Stage {
    bench: Bench,
    yealink_door: String,
    snom_door: String,
    /// The older service. The simulated Snom phone cannot read its answers, so the test configures the entry's URL by
    /// hand.
    snom_rps: Option<SnomRps>,
    proxies: Vec<(&'static str, Proxy)>,
}

fn socket(url: &str) -> std::net::SocketAddr {
    let url: url::Url = url.parse().unwrap();
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap()).parse().unwrap()
}

impl Stage {
    async fn set_up(simulation: Simulation, services: [Service; 2]) -> Self {
        let (http, ops) = (process::free_port(), process::free_port());
        let mut options = Options { instance: format!("public_url = \"http://{http}\""), ..Options::default() };
        let mut proxies = Vec::new();
        for Service { vendor, protocol, url, account, .. } in &services {
            let proxy = Proxy::start(Neighbour::Called, socket(url));
            let through = proxy.url(url);
            for (name, value) in
                [("protocol", *protocol), ("url", &through), ("user", account.0), ("password", account.1)]
            {
                options.settings.push((format!("redirect.{vendor}.{name}"), value.to_owned()));
            }
            proxies.push((*protocol, proxy));
        }
        let devices = simulation.devices.app_url();
        let proxy = Proxy::start(Neighbour::Held, socket(&devices));
        simulation.pbx.edit_app("devices-api", |app| app.url = proxy.url(&app.url));
        proxies.push(("Devices", proxy));
        let gateway = Gateway::serve_in(TempDir::new().unwrap(), options, http, ops).await;
        gateway.expect_errors();
        let proxy = Proxy::start(Neighbour::Holding, http);
        simulation.connect_gateway(&proxy.url(&gateway.base()));
        proxies.push(("PBX", proxy));
        simulation.wait_gateway().await.unwrap();
        let [yealink_door, snom_door] = services.map(|service| service.door);
        Self { bench: Bench { gateway, simulation }, yealink_door, snom_door, snom_rps: None, proxies }
    }

    async fn provision(&self, mac: Mac, user: &str, title: &str) {
        let answer = self.bench.ask(ProvisionRequest::new(&mac.to_string(), user, title)).await;
        assert!(answer.ok, "Users was told: {:?}", answer.error);
    }

    fn is(&self, mac: Mac, state: RedirectState) -> bool {
        self.bench.records().phone(mac).is_some_and(|phone| phone.redirect.state == state)
    }

    fn is_done(&self, mac: Mac) -> bool {
        self.is(mac, RedirectState::Redirected)
            && self.bench.records().phone(mac).is_some_and(|phone| {
                phone.devices.state == DevicesState::Received
                    && phone.accounts.iter().all(|account| {
                        account.user_object.state == UserObjectState::Applied
                            && account.registration.state == RegistrationState::Registered
                    })
            })
    }

    async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < TIMEOUT, "not within {TIMEOUT:?}: {what}: {:#?}", self.redirects());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn redirects(&self) -> Vec<String> {
        let phones = self.bench.records().store.phones().all();
        phones.iter().map(|phone| format!("{}: {:?} {:?}", phone.mac, phone.redirect, phone.devices)).collect()
    }

    /// Injects the fault at every peer and checks that phones are served.
    async fn suffers(&self, fault: Fault, phones: &(YealinkPhone, SnomPhone)) {
        for (_, proxy) in &self.proxies {
            proxy.set(fault);
        }
        for (name, proxy) in &self.proxies {
            proxy.wait_for_fault(fault, name).await;
            are_served(phones, &format!("while {name} is {fault:?}")).await;
        }
    }

    /// Boots new phones and waits until they are in service.
    async fn install(&self, number: u8) -> (YealinkPhone, SnomPhone) {
        let simulation = &self.bench.simulation;
        let (one, other) = (mac(number), snom(number));
        let redirected = || [one, other].iter().all(|mac| self.is(*mac, RedirectState::Redirected));
        self.until("redirected", redirected).await;
        let (host, network) = (simulation.host(), simulation.network.clone());
        let door = Some(self.yealink_door.clone());
        let yealink = YealinkPhone::new(&host, one, yealink_phone::model::T46U, door, network.clone());
        let door = Some(self.snom_door.clone());
        let snom = SnomPhone::new(&host, other, snom_phone::model::D785, door, network);
        if let Some(rps) = &self.snom_rps {
            snom.set_server(&rps.target(other).expect("an entry"));
        }
        let booted = yealink.boot().await.unwrap();
        assert!(booted.registered, "{booted:#?}");
        let booted = snom.boot().await.unwrap();
        assert!(booted.registered, "{booted:#?}");
        self.until("in service", || self.is_done(one) && self.is_done(other)).await;
        (yealink, snom)
    }
}

/// Checks the phones at the end of the polling interval and after a power cycle.
async fn are_served((yealink, snom): &(YealinkPhone, SnomPhone), when: &str) {
    let polled = yealink.poll_once().await.unwrap();
    assert!(polled.unchanged && !polled.given_up, "{when}: {polled:#?}");
    let booted = yealink.boot().await.unwrap();
    assert!(booted.registered && booted.requests.iter().all(|request| request.status < 500), "{when}: {booted:#?}");
    let polled = snom.poll_once().await.unwrap();
    assert!(polled.unchanged && !polled.failed, "{when}: {polled:#?}");
    let booted = snom.boot().await.unwrap();
    assert!(booted.registered && !booted.failed, "{when}: {booted:#?}");
}

async fn endures(mut stage: Stage) {
    stage.provision(mac(1), "user1", "Yealink").await;
    stage.provision(snom(1), "user2", "Snom").await;
    let phones = stage.install(1).await;
    are_served(&phones, "while all is well").await;
    // A provisioning waits for each service during the whole test.
    for (_, proxy) in &stage.proxies[..2] {
        proxy.set(Fault::Away);
    }
    stage.provision(mac(2), "user3", "Yealink").await;
    stage.provision(snom(2), "user4", "Snom").await;

    for fault in Fault::LASTING {
        stage.suffers(fault, &phones).await;
    }
    stage.bench.gateway.restart().await;
    are_served(&phones, "after a restart while nobody says a word").await;
    assert!([mac(2), snom(2)].iter().all(|mac| stage.is(*mac, RedirectState::Pending)), "{:?}", stage.redirects());

    // With this fault some calls succeed.
    stage.suffers(Fault::Flapping, &phones).await;

    for (_, proxy) in &stage.proxies {
        proxy.set(Fault::None);
    }
    stage.install(2).await;
    assert_eq!(stage.bench.records().store.phones().len(), 4);
    are_served(&phones, "afterwards").await;
}

#[actix_rt::test]
async fn with_the_services_of_xmlrpc_and_sraps_every_neighbour_may_fail_in_every_way() {
    let simulation = simulation().users(4).providers(&["yealink", "snom"]).start().await.unwrap();
    let yealink = Service {
        vendor: "yealink",
        protocol: "yealink-xmlrpc",
        url: simulation.rps.xmlrpc_url(),
        account: (Simulation::RPS_USER, Simulation::RPS_PASSWORD),
        door: simulation.rps.phone_url(),
    };
    let snom = Service {
        vendor: "snom",
        protocol: "snom-sraps",
        url: simulation.sraps.api_url(),
        account: (Simulation::SRAPS_ID, Simulation::SRAPS_SECRET),
        door: simulation.sraps.phone_url(),
    };
    endures(Stage::set_up(simulation, [yealink, snom]).await).await;
}

#[actix_rt::test]
async fn with_the_services_of_ymcs_and_snom_xmlrpc_every_neighbour_may_fail_in_every_way() {
    let simulation = simulation().users(4).providers(&["yealink", "snom"]).start().await.unwrap();
    let ymcs = Ymcs::start(&simulation.host(), "access-key", "access-secret").await.unwrap();
    let rps = SnomRps::start(&simulation.host(), "snom-user", "snom-password").await.unwrap();
    let yealink = Service {
        vendor: "yealink",
        protocol: "yealink-ymcs",
        url: ymcs.url(),
        account: ("access-key", "access-secret"),
        door: ymcs.phone_url(),
    };
    let snom = Service {
        vendor: "snom",
        protocol: "snom-xmlrpc",
        url: rps.xmlrpc_url(),
        account: ("snom-user", "snom-password"),
        door: rps.phone_url(),
    };
    let mut stage = Stage::set_up(simulation, [yealink, snom]).await;
    stage.snom_rps = Some(rps);
    for number in [1, 2] {
        let serial = format!("{SERIAL}{number}");
        ymcs.print_serial(mac(number), &serial);
        let set = ["settings", "set", "serial_number", &serial, "--phone", &mac(number).to_string()];
        let done = stage.bench.gateway.command(&set);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    endures(stage).await;
}
