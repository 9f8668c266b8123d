//! Starts everything a gateway talks to: a PBX, Users, Devices, the redirection services of Yealink and Snom, and
//! phones. The gateway is added last with [`Simulation::connect_gateway`], because its port is known only then.

use std::{collections::HashMap, io, sync::Arc};

use gangway_base::{
    clock::{SharedClock, SystemClock},
    mac::Mac,
};

use crate::{
    board::{Board, NotInTime},
    devices::Devices,
    host::{HostHandle, SimHost},
    pbx::{AppObject, Pbx, PbxConfig, PbxUser},
    snom_phone::{self, SnomPhone},
    sraps::Sraps,
    users::{ProvisionAnswer, ProvisionRequest, Users, UsersError},
    yealink_phone::{SipNetwork, YealinkModel, YealinkPhone},
    yealink_rps::YealinkRps,
};

/// Configuration of a [`Simulation`].
#[derive(Clone)]
pub struct SimulationBuilder {
    domain: String,
    instance: String,
    password: String,
    providers: Vec<String>,
    users: usize,
    clock: SharedClock,
}

impl std::fmt::Debug for SimulationBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorldBuilder").field("domain", &self.domain).finish_non_exhaustive()
    }
}

impl SimulationBuilder {
    /// Sets the PBX's system name, which is also the first part of the gateway's paths; `example.com` by default.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = domain.into();
        self
    }

    /// Sets the gateway's instance name, `gangway` by default, and the password it shares with its app objects.
    #[must_use]
    pub fn instance(mut self, name: &str, password: &str) -> Self {
        self.instance = name.into();
        self.password = password.into();
        self
    }

    /// Sets the providers to create app objects for, `yealink` by default.
    #[must_use]
    pub fn providers(mut self, names: &[&str]) -> Self {
        self.providers = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Sets the number of PBX users: `user1`, `user2`, ...; 3 by default.
    #[must_use]
    pub fn users(mut self, count: usize) -> Self {
        self.users = count;
        self
    }

    /// Sets the clock that decides whether provisioning codes are valid and that timestamps records.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// Starts everything except the gateway.
    pub async fn start(self) -> io::Result<Simulation> {
        let host = SimHost::start()?;
        let handle = host.handle();
        let devices = Devices::start(&handle, &self.domain, "devices password", self.clock.clone()).await?;
        let rps = YealinkRps::start(&handle, Simulation::RPS_USER, Simulation::RPS_PASSWORD).await?;
        let sraps = Sraps::start(&handle, Simulation::SRAPS_ID, Simulation::SRAPS_SECRET).await?;
        let network = SipNetwork::new(HashMap::new());
        let config = PbxConfig { domain: self.domain.clone(), name: "pbx".into(), dns: format!("pbx.{}", self.domain) };
        let pbx = start_pbx(&handle, config, &network).await?;
        pbx.add_app(devices.app_object());
        for number in 1..=self.users {
            let user = PbxUser::new(&format!("user{number}"), &format!("User {number}"), &format!("secret-{number}"));
            let _ = pbx.add_user(user.with_crowded_devices());
        }
        let names: Vec<String> = self.providers.iter().map(|name| format!("gangway-{name}")).collect();
        let ticked: Vec<&str> = names.iter().map(String::as_str).collect();
        let users = Users::start(&handle, &pbx, &devices, &ticked);
        Ok(Simulation {
            pbx,
            devices,
            rps,
            sraps,
            users,
            network,
            phones: Board::default(),
            snom_phones: Board::default(),
            builder: self,
            host,
        })
    }
}

/// The running simulators. Dropping it stops all of them.
#[derive(Debug)]
pub struct Simulation {
    /// The PBX.
    pub pbx: Pbx,
    /// The Devices service.
    pub devices: Devices,
    /// Yealink's redirection service.
    pub rps: YealinkRps,
    /// Snom's redirection service.
    pub sraps: Sraps,
    /// The Users service.
    pub users: Users,
    /// The DNS names phones can resolve, each with its registrar.
    pub network: SipNetwork,
    phones: Board<Vec<YealinkPhone>>,
    snom_phones: Board<Vec<SnomPhone>>,
    builder: SimulationBuilder,
    host: SimHost,
}

impl Simulation {
    /// Access key of Snom's redirection service.
    pub const SRAPS_ID: &str = "sraps-id";
    /// Secret of [`Simulation::SRAPS_ID`].
    pub const SRAPS_SECRET: &str = "sraps-secret";
    /// Account at Yealink's redirection service.
    pub const RPS_USER: &str = "rps-user";
    /// Password of [`Simulation::RPS_USER`].
    pub const RPS_PASSWORD: &str = "rps-password";

    /// Returns a builder with the default configuration.
    #[must_use]
    pub fn builder() -> SimulationBuilder {
        SimulationBuilder {
            domain: "example.com".into(),
            instance: "gangway".into(),
            password: "shared password".into(),
            providers: vec!["yealink".into()],
            users: 3,
            clock: Arc::new(SystemClock),
        }
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.builder.domain
    }

    /// The gateway's instance name.
    #[must_use]
    pub fn instance(&self) -> &str {
        &self.builder.instance
    }

    /// The password the gateway's app objects share with it.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.builder.password
    }

    /// Returns the handle for starting more simulators on the same thread.
    #[must_use]
    pub fn host(&self) -> HostHandle {
        self.host.handle()
    }

    /// Creates the gateway's app objects on the PBX: `gangway-admin` and one per provider. `base` is
    /// `http(s)://host:port`, without the domain.
    pub fn connect_gateway(&self, base: &str) {
        self.connect_gateway_at(&self.pbx, base);
    }

    /// Does the same as [`Simulation::connect_gateway`] at another PBX of this simulation.
    pub fn connect_gateway_at(&self, pbx: &Pbx, base: &str) {
        let base = base.trim_end_matches('/');
        let SimulationBuilder { domain, instance, password, .. } = &self.builder;
        let names = self.builder.providers.iter().map(|name| format!("gangway-{name}"));
        for name in std::iter::once("gangway-admin".to_owned()).chain(names) {
            let url = format!("{base}/{domain}/{instance}/{name}");
            pbx.add_app(AppObject::new(&name, &url, password).connected().granting("devices-api"));
        }
    }

    /// Waits until every app object of the gateway is connected and has answered AppInfo.
    pub async fn wait_gateway(&self) -> Result<(), NotInTime> {
        self.pbx.wait_connected("gangway-admin").await?;
        for name in &self.builder.providers {
            self.pbx.wait_connected(&format!("gangway-{name}")).await?;
        }
        Ok(())
    }

    /// Starts another PBX of the same domain (a slave). It has its own name and address, no users, and knows Devices.
    pub async fn add_pbx(&self, name: &str) -> io::Result<Pbx> {
        let domain = self.builder.domain.clone();
        let dns = format!("{name}.{domain}");
        let pbx = start_pbx(&self.host(), PbxConfig { domain, name: name.into(), dns }, &self.network).await?;
        pbx.add_app(self.devices.app_object());
        Ok(pbx)
    }

    /// Adds a factory-fresh phone. It contacts this world's redirection service when it boots.
    #[must_use]
    pub fn add_phone(&self, mac: Mac, model: YealinkModel) -> YealinkPhone {
        let phone = YealinkPhone::new(&self.host(), mac, model, Some(self.rps.phone_url()), self.network.clone());
        self.phones.change(|phones| phones.push(phone.clone()));
        phone
    }

    /// The phones added so far.
    #[must_use]
    pub fn phones(&self) -> Vec<YealinkPhone> {
        self.phones.read(Clone::clone)
    }

    /// Adds a factory-fresh Snom device. It contacts this world's redirection service while it has no settings URL.
    #[must_use]
    pub fn add_snom_phone(&self, mac: Mac, model: snom_phone::SnomModel) -> SnomPhone {
        let redirection = Some(self.sraps.phone_url());
        let phone = SnomPhone::new(&self.host(), mac, model, redirection, self.network.clone());
        self.snom_phones.change(|phones| phones.push(phone.clone()));
        phone
    }

    /// The Snom devices added so far.
    #[must_use]
    pub fn snom_phones(&self) -> Vec<SnomPhone> {
        self.snom_phones.read(Clone::clone)
    }

    /// Enters a MAC in Profile as a user does; see [`Users::provision`].
    pub async fn provision(&self, mac: Mac, user: &str, title: &str) -> Result<ProvisionAnswer, UsersError> {
        self.users.provision(ProvisionRequest::new(&mac.to_string(), user, title)).await
    }
}

async fn start_pbx(host: &HostHandle, config: PbxConfig, network: &SipNetwork) -> io::Result<Pbx> {
    let (dns, domain) = (config.dns.clone(), config.domain.clone());
    let pbx = Pbx::start(host, config).await?;
    let url = pbx.register_url();
    network.change(|names| {
        names.insert(dns, url.clone());
        // The first PBX also serves the domain's own name.
        names.entry(domain).or_insert(url);
    });
    Ok(pbx)
}
