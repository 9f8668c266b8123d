//! A gateway and simulators, with the gateway connected to its PBX.

use gangway::phone::facet::RedirectState;
use gangway_base::mac::Mac;
use gangway_sim::{
    devices::DevicesState,
    simulation::{Simulation, SimulationBuilder},
    users::{ProvisionAnswer, ProvisionRequest},
    yealink_phone::{YealinkModel, YealinkPhone},
};

use super::{
    gateway::Gateway,
    options::{DOMAIN, INSTANCE, Options, PASSWORD},
    records::Records,
};

/// Title of the provider in Profile and UsersAdmin.
pub const TITLE: &str = "Yealink";

/// The gateway and the simulators. The gateway is dropped first.
pub struct Bench {
    pub gateway: Gateway,
    pub simulation: Simulation,
}

/// A simulation that matches the gateways of these tests.
pub fn simulation() -> SimulationBuilder {
    Simulation::builder().domain(DOMAIN).instance(INSTANCE, PASSWORD)
}

impl Bench {
    pub async fn start() -> Self {
        Self::start_in(simulation().start().await.unwrap(), Options::default()).await
    }

    /// Starts a gateway with options in a prepared simulation.
    pub async fn start_in(simulation: Simulation, options: Options) -> Self {
        let gateway = Gateway::start(&simulation, options).await;
        simulation.connect_gateway(&gateway.base());
        simulation.wait_gateway().await.unwrap();
        Self { gateway, simulation }
    }

    pub fn records(&self) -> &Records {
        self.gateway.records()
    }

    /// Provisions as a user does in Profile, with a fresh code; returns the answer that Users receives.
    pub async fn provision(&self, mac: Mac, user: &str) -> ProvisionAnswer {
        self.ask(ProvisionRequest::new(&mac.to_string(), user, TITLE)).await
    }

    /// Sends a request and returns the answer that Users receives.
    pub async fn ask(&self, request: ProvisionRequest) -> ProvisionAnswer {
        self.simulation.users.provision(request).await.expect("Users gets an answer")
    }

    /// Provisions and expects success.
    pub async fn provisioned(&self, mac: Mac, user: &str) {
        let answer = self.provision(mac, user).await;
        assert!(answer.ok, "Users was told: {:?}", answer.error);
    }

    /// Completes all installation steps of a phone.
    pub async fn installed(&self, mac: Mac, model: YealinkModel, user: &str) -> YealinkPhone {
        self.provisioned(mac, user).await;
        self.records().wait_redirect(mac, RedirectState::Redirected).await;
        let phone = self.simulation.add_phone(mac, model);
        comes_up(&phone).await;
        self.records().wait_done(mac).await;
        self.wait_identified(mac).await;
        phone
    }

    /// See [`wait_identified`].
    pub async fn wait_identified(&self, mac: Mac) {
        wait_identified(&self.simulation, mac).await;
    }

    /// The URL that the redirection service returns to a phone.
    pub fn phone_url(&self, mac: Mac) -> String {
        self.simulation.rps.target(mac).expect("the phone has an entry at the redirection service")
    }

    /// Waits until a phone has exactly one sysclient, with its whole configuration. A second code may create a second
    /// sysclient, which replaces the first.
    pub async fn wait_single_sysclient(&self, mac: Mac) {
        wait_single_sysclient(&self.simulation, mac).await;
    }

    /// Checks that the gateway wrote nothing to the PBX except device flags.
    pub fn assert_no_violation(&self) {
        assert_eq!(self.simulation.pbx.violations(), Vec::<String>::new());
    }
}

/// Powers the phone on; it must find its file and register.
pub async fn comes_up(phone: &YealinkPhone) {
    let report = phone.boot().await.unwrap();
    assert!(report.registered, "the phone does not register: {report:#?}");
}

/// Waits until the sysclient has told Devices the model of a phone that fetched its file. It connects anew for that.
pub async fn wait_identified(simulation: &Simulation, mac: Mac) {
    let hwid = mac.to_string();
    let told = |state: &DevicesState| {
        let is_told = state.devices.get(&hwid).is_some_and(|device| device.online && device.version != "unknown");
        (is_told && state.connection(&hwid).is_some_and(|open| open.configured)).then_some(())
    };
    simulation.devices.board().wait("the model is told to Devices", told).await.unwrap();
    wait_single_sysclient(simulation, mac).await;
}

/// See [`Bench::wait_single_sysclient`].
pub async fn wait_single_sysclient(simulation: &Simulation, mac: Mac) {
    let hwid = mac.to_string();
    let alone = |state: &DevicesState| {
        let mut own = state.connections.values().filter(|open| open.hw_id.as_deref() == Some(hwid.as_str()));
        let configured = own.next().is_some_and(|open| open.configured);
        (configured && own.next().is_none()).then_some(())
    };
    if let Err(error) = simulation.devices.board().wait("one sysclient", alone).await {
        let open = simulation.devices.board().read(|state| {
            let own = state.connections.iter().filter(|(_, open)| open.hw_id.as_deref() == Some(hwid.as_str()));
            own.map(|(id, open)| (*id, open.proven, open.configured)).collect::<Vec<_>>()
        });
        panic!("{error}; open (number, proven, configured): {open:?}; seen: {:#?}", simulation.devices.seen(&hwid));
    }
}
