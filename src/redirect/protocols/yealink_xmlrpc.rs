//! Yealink's RPS over XML-RPC ("XML API for RPS", versions 1.3 and 1.6). It checks first, never changes a phone of
//! another account, and sets a URL per phone if the service knows that method, else a server entry.

pub mod response;

use gangway_base::{mac::Mac, secret::Secret};
use url::Url;

use super::{
    xmlrpc_call::{RpcCaller, RpcResponse, no_result, parse_result},
    yealink_xmlrpc::response::{Meaning, Ownership, meaning, ownership},
};
use crate::redirect::{
    account_cache::ProtocolContext,
    operation::{Operation, RedirectAccount, ServerEntry},
    protocol::{CallKind, NextCall, ProtocolTurn, RedirectProtocol, ServiceResponse},
    result::{Done, EntryUsed, RedirectResult},
    server_name::alternative_name,
};

/// The MAC used for a probe: a Yealink address that no phone has. Any answer proves the credentials.
const PROBED: &str = "001565000000";
/// Number of other names to try when a server name belongs to another customer.
const OTHER_NAMES: u32 = 3;

/// Starts an operation.
pub(crate) fn start(
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    _: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    let caller = RpcCaller::new(url, account);
    match operation {
        Operation::EnsureServer(server) => Box::new(Single {
            call: Some((
                CallKind::AddServer,
                "redirect.addServer",
                vec![server.name.clone(), server.url.expose().to_owned()],
            )),
            map_result: judge_server,
            server: server.name.clone(),
            caller,
        }),
        // The service does not report where it sends a phone.
        Operation::Check { mac } | Operation::Verify { mac, .. } => {
            Box::new(single(caller, CallKind::CheckDevice, "redirect.checkDevice", mac.to_string(), judge_check))
        }
        Operation::Deregister { mac } => Box::new(single(
            caller,
            CallKind::DeregisterDevice,
            "redirect.deRegisterDevice",
            mac.to_string(),
            judge_deregister,
        )),
        Operation::Probe => {
            Box::new(single(caller, CallKind::CheckDevice, "redirect.checkDevice", PROBED.to_owned(), |_, _, _| {
                RedirectResult::done()
            }))
        }
        Operation::Register { mac, unique_url, server, .. } => Box::new(Register {
            caller,
            mac: *mac,
            unique_url: unique_url.clone(),
            server: server.clone(),
            state: State::Begin,
            entry: Entry::Unasked,
            attempt: 0,
            stale_removed: false,
        }),
    }
}

type YealinkResultMapper = fn(bool, &str, &str) -> RedirectResult;

fn judge_server(success: bool, text: &str, server: &str) -> RedirectResult {
    meaning(success, text).outcome(server)
}

fn judge_check(_: bool, text: &str, _: &str) -> RedirectResult {
    ownership(text).outcome()
}

/// For a phone of another account the answer is `Invalid MAC(s)`: there is nothing to remove.
fn judge_deregister(success: bool, text: &str, _: &str) -> RedirectResult {
    match meaning(success, text) {
        Meaning::InvalidMac => RedirectResult::NotFound,
        other => other.outcome(""),
    }
}

/// An operation of one call.
struct Single {
    caller: RpcCaller,
    call: Option<(CallKind, &'static str, Vec<String>)>,
    map_result: YealinkResultMapper,
    server: String,
}

fn single(
    caller: RpcCaller,
    command: CallKind,
    method: &'static str,
    parameter: String,
    map_result: YealinkResultMapper,
) -> Single {
    Single { caller, call: Some((command, method, vec![parameter])), map_result, server: String::new() }
}

impl RedirectProtocol for Single {
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn {
        if let Some((command, method, parameters)) = self.call.take() {
            let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
            return ProtocolTurn { call_result: None, step: self.caller.call(command, method, &parameters) };
        }
        let outcome = match last.map(parse_result) {
            Some(Ok(reply)) => (self.map_result)(reply.success, &reply.text, &self.server),
            Some(Err(interpreted)) => no_result(interpreted),
            None => RedirectResult::Unknown("no answer was given".to_owned()),
        };
        ProtocolTurn { call_result: Some(outcome.clone()), step: NextCall::Done(outcome) }
    }
}

/// The state of a registration: the call that is waiting for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Checking,
    AddingServer,
    RegisteringUnique,
    RegisteringServer,
    RemovingStale,
    Over,
}

/// What is known of our server entry in this operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Unasked,
    Made,
    /// The name exists: from an earlier call of ours, or from another customer.
    Used,
}

struct Register {
    caller: RpcCaller,
    mac: Mac,
    /// Cleared when the service does not know the method.
    unique_url: Option<Secret>,
    server: ServerEntry,
    state: State,
    entry: Entry,
    attempt: u32,
    stale_removed: bool,
}

impl Register {
    fn check(&mut self) -> NextCall {
        self.state = State::Checking;
        self.caller.call(CallKind::CheckDevice, "redirect.checkDevice", &[&self.mac.to_string()])
    }

    fn add_server(&mut self) -> NextCall {
        self.state = State::AddingServer;
        self.caller.call(CallKind::AddServer, "redirect.addServer", &[&self.server.name, self.server.url.expose()])
    }

    /// Registers the phone's own URL at once; the server entry only after it has been made or found.
    fn register(&mut self) -> NextCall {
        let mac = self.mac.to_string();
        match &self.unique_url {
            Some(url) => {
                self.state = State::RegisteringUnique;
                let parameters = [mac.as_str(), &self.server.name, url.expose(), "1"];
                self.caller.call(CallKind::RedirectDevice, "redirect.registerDeviceWithUniqueUrl", &parameters)
            }
            None if self.entry == Entry::Unasked => self.add_server(),
            None => {
                self.state = State::RegisteringServer;
                let parameters = [mac.as_str(), &self.server.name, "1"];
                self.caller.call(CallKind::RedirectDevice, "redirect.registerDevice", &parameters)
            }
        }
    }

    fn remove_stale(&mut self) -> NextCall {
        self.state = State::RemovingStale;
        self.stale_removed = true;
        self.caller.call(CallKind::DeregisterDevice, "redirect.deRegisterDevice", &[&self.mac.to_string()])
    }

    fn success(&self) -> RedirectResult {
        let entry = if self.state == State::RegisteringUnique {
            EntryUsed::UniqueUrl
        } else {
            EntryUsed::Server { name: self.server.name.clone() }
        };
        let renamed = (self.attempt > 0).then(|| self.server.name.clone());
        RedirectResult::Ok(Done { entry: Some(entry), renamed, confirmation: None })
    }

    /// The service does not know the server entry that the registration named.
    fn unknown_server(&mut self, text: String) -> NextCall {
        match self.entry {
            Entry::Unasked => self.add_server(),
            Entry::Used if self.attempt < OTHER_NAMES => {
                // The name exists but is not ours: it belongs to another customer (names are unique over all
                // customers).
                self.attempt += 1;
                self.server.name = alternative_name(&self.server.name, self.server.url.expose(), self.attempt);
                self.add_server()
            }
            Entry::Used => {
                NextCall::Done(RedirectResult::ServerNameTaken { name: self.server.name.clone(), foreign: true })
            }
            Entry::Made if self.unique_url.is_some() => {
                self.unique_url = None;
                self.register()
            }
            Entry::Made => NextCall::Done(RedirectResult::InvalidServerName(text)),
        }
    }

    fn answered(&mut self, answer: &ServiceResponse) -> (RedirectResult, NextCall) {
        let (success, text) = match parse_result(answer) {
            Ok(reply) => (reply.success, reply.text),
            Err(RpcResponse::Fault(text)) if self.state == State::RegisteringUnique => {
                // Version 1.3 of the interface does not know the method.
                self.unique_url = None;
                return (RedirectResult::Unknown(text), self.register());
            }
            Err(interpreted) => {
                let outcome = no_result(interpreted);
                return (outcome.clone(), NextCall::Done(outcome));
            }
        };
        if self.state == State::Checking {
            let owner = ownership(&text);
            let step = match owner {
                Ownership::Mine | Ownership::Nobody => self.register(),
                _ => NextCall::Done(owner.outcome()),
            };
            return (owner.outcome(), step);
        }
        let interpreted = meaning(success, &text);
        let call_result = match (self.state, &interpreted) {
            (State::RemovingStale, Meaning::InvalidMac) => RedirectResult::NotFound,
            _ => interpreted.outcome(&self.server.name),
        };
        let step = match (self.state, interpreted) {
            (State::AddingServer, Meaning::Done) => {
                self.entry = Entry::Made;
                self.register()
            }
            (State::AddingServer, Meaning::ServerNameUsed) => {
                self.entry = Entry::Used;
                self.register()
            }
            (State::RemovingStale, Meaning::Done | Meaning::InvalidMac) => self.register(),
            (State::RegisteringUnique | State::RegisteringServer, Meaning::Done) => NextCall::Done(self.success()),
            (State::RegisteringUnique | State::RegisteringServer, Meaning::UnknownServer(text)) => {
                self.unknown_server(text)
            }
            // The phone is ours, but the service keeps the old URL in spite of the override: remove and register again.
            (State::RegisteringUnique | State::RegisteringServer, Meaning::Existing) if !self.stale_removed => {
                self.remove_stale()
            }
            _ => NextCall::Done(call_result.clone()),
        };
        (call_result, step)
    }
}

impl RedirectProtocol for Register {
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn {
        let turn = match (self.state, last) {
            (State::Begin, _) => ProtocolTurn { call_result: None, step: self.check() },
            (State::Over, _) | (_, None) => ProtocolTurn {
                call_result: None,
                step: NextCall::Done(RedirectResult::Unknown("no answer was given".to_owned())),
            },
            (_, Some(answer)) => {
                let (call_result, step) = self.answered(answer);
                ProtocolTurn { call_result: Some(call_result), step }
            }
        };
        if matches!(turn.step, NextCall::Done(_)) {
            self.state = State::Over;
        }
        turn
    }
}
