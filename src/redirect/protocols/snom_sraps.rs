//! Snom's SRAPS over its REST interface (the portal's page "REST API"): whose the phone is, is asked first; a phone's
//! object is written whole, so that one call adds and changes. A person's own entries in it are kept.

pub mod discovery;
pub mod link_header;
pub mod response;
pub mod session;

use std::mem;

use gangway_base::{mac::Mac, secret::Secret};
use serde_json::{Map, Value, json};
use url::Url;

use super::snom_sraps::{
    discovery::{DeviceLocation, DiscoveryNext, DiscoveryStep, SrapsDiscovery},
    response::{SrapsError, SrapsResponse},
    session::{SrapsCall, SrapsSession},
};
use crate::{
    net::http::Method,
    redirect::{
        account_cache::ProtocolContext,
        operation::{Operation, RedirectAccount},
        protocol::{CallKind, NextCall, ProtocolTurn, RedirectProtocol, ServiceResponse},
        result::{Done, EntryUsed, RedirectResult},
    },
};

/// What differs between the services that speak this.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// The setting that sends a phone somewhere.
    pub(crate) setting: &'static str,
    /// The section it must stand in: several may hold the name.
    pub(crate) section: Option<&'static str>,
}

const SNOM: Dialect = Dialect { setting: "setting_server", section: Some("phone-settings") };

/// Fields of a phone's object that are a person's, kept when the object is replaced. A `null` is left out: written
/// back, it would reset the field.
const KEPT: [&str; 3] = ["name", "provisioning_profile", "warranty_exp_warning_period"];

/// Begins an operation.
pub(crate) fn start(
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    surroundings: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    start_as(SNOM, operation, account, url, surroundings)
}

/// The same for a service of the same kind.
pub(crate) fn start_as(
    dialect: Dialect,
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    surroundings: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    let goal = match operation {
        Operation::EnsureServer(_) => return Box::new(NoServers),
        Operation::Probe => Goal::Probe,
        Operation::Check { mac } => Goal::Check { mac: *mac },
        Operation::Verify { mac, url } => Goal::Verify { mac: *mac, url: url.clone() },
        Operation::Deregister { mac } => Goal::Deregister { mac: *mac },
        Operation::Register { mac, unique_url, server, .. } => {
            let (url, entry) = match unique_url {
                Some(url) => (url.clone(), EntryUsed::UniqueUrl),
                None => (server.url.clone(), EntryUsed::Server { name: server.name.clone() }),
            };
            Goal::Register { mac: *mac, url, entry }
        }
    };
    let session = SrapsSession::new(account, url, surroundings);
    Box::new(SrapsOperation {
        route: SrapsDiscovery::new(dialect, session, surroundings),
        goal,
        waiting: Waiting::Nothing,
    })
}

/// The service knows phones and their settings, no named servers.
struct NoServers;

impl RedirectProtocol for NoServers {
    fn next(&mut self, _last: Option<&ServiceResponse>) -> ProtocolTurn {
        ProtocolTurn { meant: None, step: NextCall::Done(RedirectResult::done()) }
    }
}

/// What is wanted in the end.
enum Goal {
    Probe,
    Check { mac: Mac },
    Verify { mac: Mac, url: Secret },
    Deregister { mac: Mac },
    Register { mac: Mac, url: Secret, entry: EntryUsed },
}

/// What is on its way.
enum Waiting {
    Nothing,
    /// The way to the phone's object.
    Stop(DiscoveryStep),
    /// The phone's object.
    Look(DeviceLocation),
    /// What came of writing it.
    Write,
    Removal,
    Over,
}

struct SrapsOperation {
    route: SrapsDiscovery,
    goal: Goal,
    waiting: Waiting,
}

impl SrapsOperation {
    /// On to the next place that is not known yet, then to the phone.
    fn travel(&mut self) -> NextCall {
        let is_probe = matches!(self.goal, Goal::Probe);
        let needs_setting = matches!(self.goal, Goal::Register { .. } | Goal::Verify { .. });
        match self.route.next(is_probe, needs_setting) {
            DiscoveryNext::There(place) => self.arrived(place),
            DiscoveryNext::Ask(stop, ask) => {
                self.waiting = Waiting::Stop(stop);
                self.route.session.send(*ask)
            }
        }
    }

    fn arrived(&mut self, place: DeviceLocation) -> NextCall {
        let (mac, method, command) = match &self.goal {
            Goal::Probe => return NextCall::Done(RedirectResult::done()),
            Goal::Deregister { mac } => (mac, Method::Delete, CallKind::DeregisterDevice),
            Goal::Check { mac } | Goal::Verify { mac, .. } | Goal::Register { mac, .. } => {
                (mac, Method::Get, CallKind::CheckDevice)
            }
        };
        let ask = SrapsCall::new(command, method, place.endpoint(*mac));
        self.waiting = if matches!(method, Method::Delete) { Waiting::Removal } else { Waiting::Look(place) };
        self.route.session.send(ask)
    }

    fn seen(&mut self, place: &DeviceLocation, heard: SrapsResponse) -> (RedirectResult, NextCall) {
        let held = match heard {
            Ok(page) => Some(page.value),
            Err(SrapsError::NotThere) => None,
            Err(SrapsError::Other(outcome)) => return ended(outcome),
        };
        let meant = if held.is_some() { RedirectResult::AlreadyMine } else { RedirectResult::NotFound };
        match &self.goal {
            Goal::Register { mac, url, .. } => {
                let body = object(held.as_ref(), *mac, &place.setting, url.expose());
                let ask = SrapsCall::new(CallKind::RedirectDevice, Method::Put, place.endpoint(*mac)).json(&body);
                self.waiting = Waiting::Write;
                (meant, self.route.session.send(ask))
            }
            Goal::Verify { url, .. } => match held.as_ref().map(|held| target(held, &place.setting)) {
                Some(found) if found.as_deref() != Some(url.expose()) => {
                    ended(RedirectResult::SentElsewhere(found.unwrap_or_else(|| "nowhere".to_owned())))
                }
                _ => ended(meant),
            },
            _ => ended(meant),
        }
    }

    fn written(&mut self, heard: SrapsResponse) -> (RedirectResult, NextCall) {
        let Goal::Register { url, entry, .. } = &self.goal else { return ended(RedirectResult::done()) };
        match heard {
            Ok(page) => match self.route.setting().and_then(|setting| target(&page.value, &setting)) {
                // The answer shows the object as it is now; one of another form proves nothing against us.
                Some(shown) if shown != url.expose() => ended(RedirectResult::SentElsewhere(shown)),
                _ => {
                    let done = RedirectResult::Ok(Done { entry: Some(entry.clone()), ..Done::default() });
                    (RedirectResult::done(), NextCall::Done(done))
                }
            },
            // The way was remembered from before and may have changed: once more from the beginning.
            Err(refusal) if refusal.maybe_incidental() && self.route.start_again() => {
                (refusal.outcome(), self.travel())
            }
            Err(refusal) => ended(refusal.outcome()),
        }
    }

    fn answered(&mut self, answer: &ServiceResponse) -> (RedirectResult, NextCall) {
        let heard = match self.route.session.receive(answer) {
            Ok(heard) => heard,
            // The same call again, with another time.
            Err(repeated) => return *repeated,
        };
        match mem::replace(&mut self.waiting, Waiting::Over) {
            Waiting::Stop(stop) => match self.route.learn(stop, heard) {
                Ok(()) => (RedirectResult::done(), self.travel()),
                Err(outcome) => ended(outcome),
            },
            Waiting::Look(place) => self.seen(&place, heard),
            Waiting::Write => self.written(heard),
            Waiting::Removal => match heard {
                Ok(_) => ended(RedirectResult::done()),
                Err(refusal) => ended(refusal.outcome()),
            },
            Waiting::Nothing | Waiting::Over => ended(RedirectResult::Unknown("no answer was given".to_owned())),
        }
    }
}

fn ended(outcome: RedirectResult) -> (RedirectResult, NextCall) {
    (outcome.clone(), NextCall::Done(outcome))
}

impl RedirectProtocol for SrapsOperation {
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn {
        let turn = match (&self.waiting, last) {
            (Waiting::Nothing, _) => ProtocolTurn { meant: None, step: self.travel() },
            (Waiting::Over, _) | (_, None) => ProtocolTurn {
                meant: None,
                step: NextCall::Done(RedirectResult::Unknown("no answer was given".to_owned())),
            },
            (_, Some(answer)) => {
                let (meant, step) = self.answered(answer);
                ProtocolTurn { meant: Some(meant), step }
            }
        };
        if matches!(turn.step, NextCall::Done(_)) {
            self.waiting = Waiting::Over;
        }
        turn
    }
}

/// Where a phone's object sends the phone; `None` when nowhere.
fn target(object: &Value, setting: &str) -> Option<String> {
    if object.get("autoprovisioning_enabled") == Some(&Value::Bool(false)) {
        return None;
    }
    object.get("settings_manager")?.get(setting)?.get("value")?.as_str().map(str::to_owned)
}

/// The object to be written: our setting, and what a person has put there besides.
fn object(held: Option<&Value>, mac: Mac, setting: &str, url: &str) -> Value {
    let mut settings = Map::new();
    settings.insert(setting.to_owned(), json!({"value": url, "attrs": {"perm": "RW"}}));
    let others = held.and_then(|held| held.get("settings_manager")).and_then(Value::as_object);
    for (uuid, value) in others.into_iter().flatten() {
        if uuid != setting && value.get("value").is_some() {
            settings.insert(uuid.clone(), value.clone());
        }
    }
    let mut object = Map::new();
    object.insert("mac".to_owned(), mac.to_string().into());
    object.insert("autoprovisioning_enabled".to_owned(), true.into());
    object.insert("settings_manager".to_owned(), settings.into());
    for name in KEPT {
        if let Some(value) = held.and_then(|held| held.get(name)).filter(|value| !value.is_null()) {
            object.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(object)
}
