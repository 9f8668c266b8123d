//! Snom's SRAPS over its REST interface (the portal's page "REST API"). It first asks which account the phone belongs
//! to. A phone's object is always written completely, so that one call adds or changes it. Entries that an
//! administrator made in the object are kept.

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

/// The differences between the services that use this interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dialect {
    /// The setting that redirects a phone.
    pub(crate) setting: &'static str,
    /// The section that must contain the setting, because several sections may contain this name.
    pub(crate) section: Option<&'static str>,
}

const SNOM: Dialect = Dialect { setting: "setting_server", section: Some("phone-settings") };

/// Fields of a phone's object that belong to the administrator; they are kept when the object is replaced. A `null` is
/// omitted, because writing it back would reset the field.
const KEPT: [&str; 3] = ["name", "provisioning_profile", "warranty_exp_warning_period"];

/// Starts an operation.
pub(crate) fn start(
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    context: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    start_as(SNOM, operation, account, url, context)
}

/// Starts an operation at a service with another dialect.
pub(crate) fn start_as(
    dialect: Dialect,
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    context: &ProtocolContext,
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
    let session = SrapsSession::new(account, url, context);
    Box::new(SrapsOperation { route: SrapsDiscovery::new(dialect, session, context), goal, waiting: Waiting::Nothing })
}

/// The service has phones and their settings, but no named servers.
struct NoServers;

impl RedirectProtocol for NoServers {
    fn next(&mut self, _last: Option<&ServiceResponse>) -> ProtocolTurn {
        ProtocolTurn { call_result: None, step: NextCall::Done(RedirectResult::done()) }
    }
}

/// What the operation is to achieve.
enum Goal {
    Probe,
    Check { mac: Mac },
    Verify { mac: Mac, url: Secret },
    Deregister { mac: Mac },
    Register { mac: Mac, url: Secret, entry: EntryUsed },
}

/// The call that is waiting for its answer.
enum Waiting {
    Nothing,
    /// A call to find the address of the phone's object.
    Stop(DiscoveryStep),
    /// The phone's object.
    Look(DeviceLocation),
    /// Writing the phone's object.
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
    /// Makes the next discovery call; when the location is known, accesses the phone's object.
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

    fn seen(&mut self, place: &DeviceLocation, response: SrapsResponse) -> (RedirectResult, NextCall) {
        let existing = match response {
            Ok(page) => Some(page.value),
            Err(SrapsError::NotThere) => None,
            Err(SrapsError::Other(outcome)) => return ended(outcome),
        };
        let call_result = if existing.is_some() { RedirectResult::AlreadyMine } else { RedirectResult::NotFound };
        match &self.goal {
            Goal::Register { mac, url, .. } => {
                let body = object(existing.as_ref(), *mac, &place.setting, url.expose());
                let ask = SrapsCall::new(CallKind::RedirectDevice, Method::Put, place.endpoint(*mac)).json(&body);
                self.waiting = Waiting::Write;
                (call_result, self.route.session.send(ask))
            }
            Goal::Verify { url, .. } => match existing.as_ref().map(|existing| target(existing, &place.setting)) {
                Some(found) if found.as_deref() != Some(url.expose()) => {
                    ended(RedirectResult::SentElsewhere(found.unwrap_or_else(|| "nowhere".to_owned())))
                }
                _ => ended(call_result),
            },
            _ => ended(call_result),
        }
    }

    fn written(&mut self, response: SrapsResponse) -> (RedirectResult, NextCall) {
        let Goal::Register { url, entry, .. } = &self.goal else { return ended(RedirectResult::done()) };
        match response {
            Ok(page) => match self.route.setting().and_then(|setting| target(&page.value, &setting)) {
                // The answer shows the object as it is now. An answer in another form does not mean failure.
                Some(current) if current != url.expose() => ended(RedirectResult::SentElsewhere(current)),
                _ => {
                    let done = RedirectResult::Ok(Done { entry: Some(entry.clone()), ..Done::default() });
                    (RedirectResult::done(), NextCall::Done(done))
                }
            },
            // The cached location may be outdated: start again from the beginning.
            Err(refusal) if refusal.maybe_incidental() && self.route.start_again() => {
                (refusal.outcome(), self.travel())
            }
            Err(refusal) => ended(refusal.outcome()),
        }
    }

    fn answered(&mut self, answer: &ServiceResponse) -> (RedirectResult, NextCall) {
        let response = match self.route.session.receive(answer) {
            Ok(response) => response,
            // The same call again, with the corrected time.
            Err(repeated) => return *repeated,
        };
        match mem::replace(&mut self.waiting, Waiting::Over) {
            Waiting::Stop(stop) => match self.route.learn(stop, response) {
                Ok(()) => (RedirectResult::done(), self.travel()),
                Err(outcome) => ended(outcome),
            },
            Waiting::Look(place) => self.seen(&place, response),
            Waiting::Write => self.written(response),
            Waiting::Removal => match response {
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
            (Waiting::Nothing, _) => ProtocolTurn { call_result: None, step: self.travel() },
            (Waiting::Over, _) | (_, None) => ProtocolTurn {
                call_result: None,
                step: NextCall::Done(RedirectResult::Unknown("no answer was given".to_owned())),
            },
            (_, Some(answer)) => {
                let (call_result, step) = self.answered(answer);
                ProtocolTurn { call_result: Some(call_result), step }
            }
        };
        if matches!(turn.step, NextCall::Done(_)) {
            self.waiting = Waiting::Over;
        }
        turn
    }
}

/// The URL that a phone's object sends the phone to; `None` if there is none.
fn target(object: &Value, setting: &str) -> Option<String> {
    if object.get("autoprovisioning_enabled") == Some(&Value::Bool(false)) {
        return None;
    }
    object.get("settings_manager")?.get(setting)?.get("value")?.as_str().map(str::to_owned)
}

/// Builds the object to write: our setting, and the fields that the administrator has set.
fn object(existing: Option<&Value>, mac: Mac, setting: &str, url: &str) -> Value {
    let mut settings = Map::new();
    settings.insert(setting.to_owned(), json!({"value": url, "attrs": {"perm": "RW"}}));
    let others = existing.and_then(|existing| existing.get("settings_manager")).and_then(Value::as_object);
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
        if let Some(value) = existing.and_then(|existing| existing.get(name)).filter(|value| !value.is_null()) {
            object.insert(name.to_owned(), value.clone());
        }
    }
    Value::Object(object)
}
