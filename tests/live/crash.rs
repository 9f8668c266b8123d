//! Kills the gateway at many points and restarts it. The final state must be the same as without a crash: one record,
//! one entry at the redirection service, and flags written once. Anything not yet stored is repaired by provisioning
//! again. The real binary is killed by SIGKILL.

use gangway::{
    base::failpoint::{Failpoint, Scenario, VARIABLE},
    phone::facet::{DevicesState, RedirectState},
};
use gangway_base::mac::Mac;
use gangway_sim::{
    devices::Station as SysclientRecord,
    simulation::Simulation,
    users::ProvisionRequest,
    yealink_phone::{YealinkPhone, model},
};

use crate::support::{
    bench::{TITLE, comes_up, simulation, wait_single_sysclient},
    in_background, mac,
    options::Options,
    process::{Process, Site, run},
    records::Records,
};

/// The progress of the gateway when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Station {
    /// Users has sent its request.
    Requested,
    /// The sysclient has identified itself with the code; Devices has not answered.
    Identified,
    /// Devices has used up the code; the password has not been sent.
    BeforePassword,
    /// The password is stored; the configuration has not been sent.
    BeforeConfiguration,
    /// Everything except the end of the configuration has been sent.
    BeforeLast,
    /// The gateway has asked the redirection service who owns the phone.
    RedirectCheck,
    /// The phone is about to be registered at the redirection service.
    RedirectRegister,
    /// The phone is registered at the redirection service; the answer has not been sent.
    RedirectAnswer,
    /// The phone has its file, but the delivery is not yet stored.
    Delivering,
    /// The phone has its file and the delivery is stored; no later step is done.
    Delivered,
    /// The flags are about to be written.
    FlagsRequest,
    /// The flags are written; the answer has not been sent.
    FlagsAnswer,
}

impl Station {
    /// Whether the phone has booted by then.
    fn lies_behind_delivery(self) -> bool {
        matches!(self, Self::Delivering | Self::Delivered | Self::FlagsRequest | Self::FlagsAnswer)
    }

    /// Whether the gateway could store the one thing it cannot get again: the password of the sysclient.
    fn knows_the_password(self) -> bool {
        !matches!(self, Self::Requested | Self::Identified | Self::BeforePassword)
    }

    /// Pauses the simulators at this point.
    fn arm(self, simulation: &Simulation) {
        match self {
            Self::Requested => {}
            Self::Identified => simulation.devices.switch(|switches| switches.never_answers = true),
            Self::BeforePassword => simulation.devices.gates().arm("password"),
            Self::BeforeConfiguration => simulation.devices.gates().arm("config"),
            Self::BeforeLast => simulation.devices.gates().arm("last"),
            Self::RedirectCheck => simulation.rps.gates().arm("checkDevice"),
            Self::RedirectRegister => simulation.rps.gates().arm("registerDeviceWithUniqueUrl"),
            Self::RedirectAnswer => simulation.rps.gates().arm("registerDeviceWithUniqueUrl answer"),
            Self::Delivering | Self::Delivered => simulation.pbx.gates().arm("GetObject"),
            Self::FlagsRequest => simulation.pbx.gates().arm("UpdateObject"),
            Self::FlagsAnswer => simulation.pbx.gates().arm("UpdateObjectResult"),
        }
    }

    /// Waits until the gateway has reached this point.
    async fn reached(self, simulation: &Simulation, records: &Records, mac: Mac) {
        if matches!(self, Self::RedirectCheck | Self::RedirectRegister | Self::RedirectAnswer) {
            // If Users was faster than the messages of Devices, the phone is redirected before it has its password.
            records.wait_phone(mac, "the password on disk", |phone| phone.sysclient.password.is_some()).await;
        }
        match self {
            Self::Requested => {}
            Self::Identified => {
                let hwid = mac.to_string();
                let there = |state: &gangway_sim::devices::DevicesState| state.connection(&hwid).map(|_| ());
                simulation.devices.board().wait("the sysclient", there).await.unwrap();
            }
            Self::BeforePassword => simulation.devices.gates().wait_until_held("password").await.unwrap(),
            Self::BeforeConfiguration => {
                simulation.devices.gates().wait_until_held("config").await.unwrap();
                records.wait_phone(mac, "the password on disk", |phone| phone.sysclient.password.is_some()).await;
            }
            Self::BeforeLast => {
                simulation.devices.gates().wait_until_held("last").await.unwrap();
                records.wait_phone(mac, "the password on disk", |phone| phone.sysclient.password.is_some()).await;
            }
            Self::RedirectCheck => simulation.rps.gates().wait_until_held("checkDevice").await.unwrap(),
            Self::RedirectRegister => {
                simulation.rps.gates().wait_until_held("registerDeviceWithUniqueUrl").await.unwrap();
            }
            Self::RedirectAnswer => {
                simulation.rps.gates().wait_until_held("registerDeviceWithUniqueUrl answer").await.unwrap();
            }
            Self::Delivering => {}
            Self::Delivered => {
                records.wait_phone(mac, "the delivery on disk", |phone| phone.delivery.is_some()).await;
            }
            Self::FlagsRequest => simulation.pbx.gates().wait_until_held("UpdateObject").await.unwrap(),
            Self::FlagsAnswer => simulation.pbx.gates().wait_until_held("UpdateObjectResult").await.unwrap(),
        }
    }

    /// Resumes the simulators.
    fn release(self, simulation: &Simulation) {
        simulation.devices.switch(|switches| switches.never_answers = false);
        for gate in ["password", "config", "last"] {
            simulation.devices.gates().release(gate);
        }
        for gate in ["checkDevice", "registerDeviceWithUniqueUrl", "registerDeviceWithUniqueUrl answer"] {
            simulation.rps.gates().release(gate);
        }
        for gate in ["GetObject", "UpdateObject", "UpdateObjectResult"] {
            simulation.pbx.gates().release(gate);
        }
    }
}

/// Starts the gateway and waits until the PBX is connected to this process.
async fn serve(site: &Site, simulation: &Simulation) -> Process {
    serve_until(site, simulation, None).await
}

/// Starts the gateway with a fail point at which it kills itself.
async fn serve_until(site: &Site, simulation: &Simulation, point: Option<Failpoint>) -> Process {
    let logins = || simulation.pbx.board().read(|pbx| pbx.links.values().map(|link| link.logins).collect::<Vec<_>>());
    let before = logins();
    let name = point.map(Failpoint::name).unwrap_or_default();
    let process = site.serve_with(&[(VARIABLE, &name)]);
    let back = |state: &gangway_sim::pbx::PbxState| {
        let now = state.links.values().map(|link| link.logins);
        let fresh = !before.is_empty() && now.zip(&before).all(|(now, before)| now > *before);
        (before.is_empty() || fresh).then_some(())
    };
    simulation.pbx.board().wait("the PBX to connect again", back).await.unwrap();
    process
}

async fn killed_at(station: Station) {
    let simulation = simulation().start().await.unwrap();
    let options = Options::default().redirecting(&simulation);
    let site = Site::new(&options);
    let records = site.records(&options).await;
    let process = serve(&site, &simulation).await;
    simulation.connect_gateway(&site.url());
    simulation.wait_gateway().await.unwrap();
    let mac = mac(1);
    let phone = simulation.add_phone(mac, model::T46U);
    let code = simulation.devices.make_code(1, false);
    let request = ProvisionRequest { code: Some(code), ..ProvisionRequest::new(&mac.to_string(), "user1", TITLE) };

    station.arm(&simulation);
    let users = simulation.users.clone();
    let copy = request.clone();
    let provisioning = in_background(async move { users.provision(copy).await });
    if station.lies_behind_delivery() {
        assert!(provisioning.await.unwrap().unwrap().ok);
        records.wait_redirect(mac, RedirectState::Redirected).await;
        phone.boot().await.unwrap();
        station.reached(&simulation, &records, mac).await;
        process.kill();
    } else {
        actix_rt::task::yield_now().await;
        station.reached(&simulation, &records, mac).await;
        process.kill();
        provisioning.await.unwrap().unwrap_err();
    }
    station.release(&simulation);

    let process = serve(&site, &simulation).await;
    simulation.wait_gateway().await.unwrap();
    // Read the records again from disk. What is missing now was never written.
    let records = site.records(&options).await;
    heal(&simulation, &records, station, &request, mac).await;
    if !station.lies_behind_delivery() {
        records.wait_redirect(mac, RedirectState::Redirected).await;
        comes_up(&phone).await;
    }
    if station == Station::Delivering {
        // The gateway learns from the phone's next request what it had not stored.
        phone.poll_once().await.unwrap();
    }
    records.wait_done(mac).await;
    wait_single_sysclient(&simulation, mac).await;
    assert_final_state(&simulation, &records, &phone);
    let (took, exit) = process.terminate();
    assert_eq!(exit, Some(0), "after {took:?}");
}

/// A gateway with its peers that kills itself at this fail point.
async fn crashing_gateway(point: Failpoint) -> (Simulation, Options, Site, Process) {
    let simulation = simulation().start().await.unwrap();
    let options = Options::default().redirecting(&simulation);
    let site = Site::new(&options);
    site.records(&options).await;
    let process = serve_until(&site, &simulation, Some(point)).await;
    simulation.connect_gateway(&site.url());
    simulation.wait_gateway().await.unwrap();
    (simulation, options, site, process)
}

/// Kills the process at a fail point during a phone's request, where no peer can pause it.
async fn dies_at(point: Failpoint) {
    let (simulation, options, site, process) = crashing_gateway(point).await;
    let mac = mac(1);
    let phone = simulation.add_phone(mac, model::T46U);
    assert!(simulation.users.provision(ProvisionRequest::new(&mac.to_string(), "user1", TITLE)).await.unwrap().ok);
    let records = site.records(&options).await;
    records.wait_redirect(mac, RedirectState::Redirected).await;

    let early = phone.boot().await.unwrap();
    let is_proof = matches!(point, Failpoint::ProofCame | Failpoint::ProofWritten);
    if is_proof {
        // The phone uses the credentials from its file.
        let proof = phone.poll_once().await.unwrap();
        assert!(!proof.unchanged, "{point:?}: no byte leaves before the window is closed on disk: {proof:#?}");
    }

    assert_eq!(process.died(), Some(9), "{point:?} is reached: {early:#?}");
    let has_file = !early.files.is_empty() && early.registered;
    let file_is_out = is_proof || matches!(point, Failpoint::FileSent | Failpoint::DeliveryWritten);
    assert_eq!(has_file, file_is_out, "{point:?}: no byte leaves before the window is bound on disk: {early:#?}");
    let process = serve(&site, &simulation).await;
    simulation.wait_gateway().await.unwrap();
    let records = site.records(&options).await;
    let window = records.phone(mac).unwrap().window.clone();
    assert_eq!(window.bound.is_some(), point != Failpoint::BindWanted, "{point:?}");
    assert_eq!(window.closed.is_some(), point == Failpoint::ProofWritten, "{point:?}");
    if file_is_out {
        phone.poll_once().await.unwrap();
    } else {
        assert!(phone.boot().await.unwrap().registered, "the same phone is let in again");
    }
    records.wait_done(mac).await;
    wait_single_sysclient(&simulation, mac).await;
    assert_final_state(&simulation, &records, &phone);
    let (took, exit) = process.terminate();
    assert_eq!(exit, Some(0), "after {took:?}");
}

const SHEET: &str = "mac;user;name;password\n805ec0123401;user1;One;secret-1\n805ec0123402;user2;Two;secret-2\n";

/// Kills the process while it imports a file of phones. Importing the same file again continues with the rest.
async fn dies_importing_at(point: Failpoint) {
    let (simulation, options, site, process) = crashing_gateway(point).await;
    let file = site.config().with_file_name("phones.csv");
    std::fs::write(&file, SHEET).unwrap();
    let (config, file) = (site.config(), file.to_str().unwrap().to_owned());
    let import = move || {
        let (config, file) = (config.clone(), file.clone());
        std::thread::spawn(move || run(&config, &["phones", "import", &file, "--wait", "--category", "1"]))
    };
    let links = |state: &gangway_sim::devices::DevicesState| {
        state.requests.iter().filter(|request| request["mt"] == "GetDevices" && request["recvUpdates"] == true).count()
    };
    let linked = async |before: usize| {
        let more = |state: &_| (links(state) > before).then_some(());
        simulation.devices.board().wait("the link to Devices", more).await.unwrap();
    };
    linked(0).await;
    let before = simulation.devices.board().read(links);

    let answer = import();
    let again = import.clone();
    let died = actix_web::web::block(move || process.died()).await.unwrap();
    assert_eq!(died, Some(9), "{point:?} is reached");

    let process = serve(&site, &simulation).await;
    simulation.wait_gateway().await.unwrap();
    linked(before).await;
    let done = actix_web::web::block(move || {
        let first = answer.join().unwrap();
        let output = String::from_utf8_lossy(&first.stderr).into_owned();
        assert!(!first.status.success() && output.contains("started again"), "{first:?}");
        again().join().unwrap()
    });
    let done = done.await.unwrap();
    assert!(done.status.success(), "{point:?}: {done:?}");
    let records = site.records(&options).await;
    for number in [1, 2] {
        records.wait_devices(mac(number), DevicesState::Received).await;
        records.wait_redirect(mac(number), RedirectState::Redirected).await;
        wait_single_sysclient(&simulation, mac(number)).await;
    }
    assert_eq!(records.store.phones().len(), 2, "{point:?}: one record each");
    let entries = simulation.rps.board().read(|state| {
        let ours = state.phones.values().filter(|entry| entry.owner == Simulation::RPS_USER).count();
        (ours, state.servers.len())
    });
    assert_eq!(entries, (2, 1), "{point:?}: one entry each, one server entry");
    let (took, exit) = process.terminate();
    assert_eq!(exit, Some(0), "after {took:?}");
}

/// The record completes automatically if it has everything it needs. Otherwise Users provisions again.
async fn heal(simulation: &Simulation, records: &Records, station: Station, request: &ProvisionRequest, mac: Mac) {
    let goes_on = records
        .wait_for("the restarted gateway to come to a decision", |records| match records.phone(mac) {
            None => Some(false),
            Some(phone) => match phone.devices.state {
                DevicesState::Received => Some(true),
                DevicesState::NotInDomain => Some(false),
                _ => None,
            },
        })
        .await;
    assert!(goes_on || !station.knows_the_password(), "{station:?} needs provisioning again");
    let hwid = mac.to_string();
    if goes_on {
        let codes = simulation.devices.count(&hwid, SysclientRecord::IdentifiedWithCode)
            + simulation.devices.count(&hwid, SysclientRecord::CodeRefused);
        let answer = simulation.users.provision(request.clone()).await.unwrap();
        assert!(answer.ok, "a repeated request is answered from the record: {:?}", answer.error);
        let after = simulation.devices.count(&hwid, SysclientRecord::IdentifiedWithCode)
            + simulation.devices.count(&hwid, SysclientRecord::CodeRefused);
        assert_eq!(after, codes, "a spent code is sent again");
    } else {
        let fresh = ProvisionRequest { code: None, ..request.clone() };
        let answer = simulation.users.provision(fresh).await.unwrap();
        assert!(answer.ok, "provisioning again heals: {:?}", answer.error);
    }
}

fn assert_final_state(simulation: &Simulation, records: &Records, phone: &YealinkPhone) {
    let hwid = phone.mac().to_string();
    assert_eq!(records.store.phones().len(), 1, "one record");
    let entries = simulation.rps.board().read(|state| {
        state
            .phones
            .iter()
            .filter(|(_, entry)| entry.owner == Simulation::RPS_USER)
            .map(|(mac, _)| mac.clone())
            .collect::<Vec<_>>()
    });
    assert_eq!(entries, std::slice::from_ref(&hwid), "one entry at the redirection service");
    let servers = simulation.rps.board().read(|state| state.servers.len());
    assert_eq!(servers, 1, "one server entry");
    let record = records.phone(phone.mac()).unwrap();
    assert!(simulation.rps.target(phone.mac()).unwrap().contains(record.token.expose()));
    let device = simulation.pbx.device(&hwid).unwrap();
    assert_eq!((&device["mr"], &device["tls"], &device["trusted"]), (&true.into(), &true.into(), &true.into()));
    let written = simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").len());
    assert_eq!(written, 1, "flags are written once");
    assert!(phone.is_registered());
    assert_eq!(simulation.pbx.violations(), Vec::<String>::new());
}

macro_rules! stations {
    ($($name:ident: $station:ident,)+) => {
        $(
            #[actix_rt::test]
            async fn $name() {
                killed_at(Station::$station).await;
            }
        )+
    };
}

stations! {
    killed_when_users_has_asked: Requested,
    killed_when_the_sysclient_has_identified_itself: Identified,
    killed_before_the_password_comes: BeforePassword,
    killed_before_the_configuration_comes: BeforeConfiguration,
    killed_before_the_configuration_is_complete: BeforeLast,
    killed_while_the_redirection_service_is_asked: RedirectCheck,
    killed_before_the_redirection_service_acts: RedirectRegister,
    killed_after_the_redirection_service_has_acted: RedirectAnswer,
    killed_while_the_phone_gets_its_file: Delivering,
    killed_after_the_phone_has_its_file: Delivered,
    killed_before_the_flags_are_written: FlagsRequest,
    killed_after_the_flags_are_written: FlagsAnswer,
}

macro_rules! points {
    ($list:ident, $dies:ident: $($name:ident: $point:ident,)+) => {
        const $list: &[Failpoint] = &[$(Failpoint::$point,)+];
        $(
            #[actix_rt::test]
            async fn $name() {
                $dies(Failpoint::$point).await;
            }
        )+
    };
}

// All other fail points are covered by tests inside the library: `base::failpoint::Scenario` and
// src/provision/tests/crash.rs.
points! { OF_REQUESTS, dies_at:
    dies_before_the_window_is_bound: BindWanted,
    dies_before_the_file_leaves: Bound,
    dies_before_the_delivery_is_written: FileSent,
    dies_after_the_delivery_is_written: DeliveryWritten,
    dies_before_the_proof_is_written: ProofCame,
    dies_after_the_proof_is_written: ProofWritten,
}

points! { OF_IMPORTS, dies_importing_at:
    dies_after_it_took_a_file_of_phones: ImportTaken,
    dies_before_the_first_line_of_an_import: ImportBegun,
    dies_with_a_code_for_a_line_of_an_import: ImportCodeCame,
    dies_after_a_line_of_an_import: ImportLineDone,
    dies_when_it_is_written_who_imported_a_line: ImportLineWritten,
}

#[test]
fn no_point_of_these_stories_is_left_out() {
    assert!(Failpoint::of(Scenario::Requests).eq(OF_REQUESTS.iter().copied()));
    assert!(Failpoint::of(Scenario::Import).eq(OF_IMPORTS.iter().copied()));
}
