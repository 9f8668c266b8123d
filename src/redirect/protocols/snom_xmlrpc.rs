//! Snom's XML-RPC interface ("XML-RPC API" of the service portal), which SRAPS keeps beside its REST interface. It
//! checks first, never changes a phone of another account, and sets a URL per phone; there are no server entries.
//!
//! It is not documented that registering one's own phone again replaces its URL. Therefore the service is asked for the
//! stored URL, and an outdated registration is removed and made again.

use gangway_base::{mac::Mac, secret::Secret};
use url::Url;

use super::xmlrpc_call::{RpcCaller, RpcConversation, no_result, normal, parse_result};
use crate::redirect::{
    account_cache::ProtocolContext,
    operation::{Operation, RedirectAccount},
    protocol::{CallKind, NextCall, ProtocolTurn, RedirectProtocol, ServiceResponse},
    result::{Done, EntryUsed, RedirectResult},
};

/// The MAC used for a probe: a Snom address that no phone has. Any answer proves the credentials.
const PROBED: &str = "000413000000";

/// Starts an operation.
pub(crate) fn start(
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    _: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    let caller = RpcCaller::new(url, account);
    let (command, method, mac, map_result): (_, _, _, SnomResultMapper) = match operation {
        Operation::EnsureServer(_) => return Box::new(NoServers),
        Operation::Register { mac, unique_url, server, .. } => {
            let (url, entry) = match unique_url {
                Some(url) => (url.clone(), EntryUsed::UniqueUrl),
                None => (server.url.clone(), EntryUsed::Server { name: server.name.clone() }),
            };
            return Box::new(Register { caller, mac: *mac, url, entry, state: State::Begin, was_ours: false });
        }
        Operation::Check { mac } => (CallKind::CheckDevice, "redirect.checkPhone", mac.to_string(), ownership),
        Operation::Verify { mac, url } => {
            return Box::new(Verify { caller, mac: Some(*mac), url: url.clone() });
        }
        Operation::Deregister { mac } => {
            (CallKind::DeregisterDevice, "redirect.deregisterPhone", mac.to_string(), meaning)
        }
        Operation::Probe => {
            (CallKind::CheckDevice, "redirect.checkPhone", PROBED.to_owned(), |_| RedirectResult::done())
        }
    };
    Box::new(Single { caller, call: Some((command, method, mac)), map_result })
}

type SnomResultMapper = fn(&RpcConversation) -> RedirectResult;

/// Interprets a result of any method except `checkPhone`.
fn meaning(rpc: &RpcConversation) -> RedirectResult {
    match normal(&rpc.text).as_str() {
        "owned_by_other_user" => RedirectResult::OwnedByOther,
        "malformed_mac" => RedirectResult::InvalidMac,
        "malformed_url" => RedirectResult::InvalidUrl(rpc.text.trim().to_owned()),
        "no_such_mac" => RedirectResult::NotFound,
        _ if rpc.success => RedirectResult::done(),
        _ => RedirectResult::Unknown(rpc.text.trim().to_owned()),
    }
}

/// Interprets a result of `checkPhone`.
fn ownership(rpc: &RpcConversation) -> RedirectResult {
    match meaning(rpc) {
        RedirectResult::Ok(_) => RedirectResult::AlreadyMine,
        other => other,
    }
}

/// The service has phones and their URLs, but no server entries.
struct NoServers;

impl RedirectProtocol for NoServers {
    fn next(&mut self, _last: Option<&ServiceResponse>) -> ProtocolTurn {
        ProtocolTurn { call_result: None, step: NextCall::Done(RedirectResult::done()) }
    }
}

/// An operation of one call with the MAC as its only parameter.
struct Single {
    caller: RpcCaller,
    call: Option<(CallKind, &'static str, String)>,
    map_result: SnomResultMapper,
}

impl RedirectProtocol for Single {
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn {
        if let Some((command, method, mac)) = self.call.take() {
            return ProtocolTurn { call_result: None, step: self.caller.call(command, method, &[&mac]) };
        }
        let outcome = match last.map(parse_result) {
            Some(Ok(rpc)) => (self.map_result)(&rpc),
            Some(Err(rpc)) => no_result(rpc),
            None => RedirectResult::Unknown("no answer was given".to_owned()),
        };
        ProtocolTurn { call_result: Some(outcome.clone()), step: NextCall::Done(outcome) }
    }
}

/// Asks for the URL stored at the service.
struct Verify {
    caller: RpcCaller,
    /// `None` once asked.
    mac: Option<Mac>,
    url: Secret,
}

impl RedirectProtocol for Verify {
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn {
        if let Some(mac) = self.mac.take() {
            let step = self.caller.call(CallKind::CheckDevice, "redirect.getPhoneRedirection", &[&mac.to_string()]);
            return ProtocolTurn { call_result: None, step };
        }
        let outcome = match last.map(parse_result) {
            // Company and URL. An answer in another form does not mean failure.
            Some(Ok(rpc)) if rpc.success => match rpc.more.first() {
                Some(existing_url) if existing_url.trim() != self.url.expose() => {
                    RedirectResult::SentElsewhere(existing_url.trim().to_owned())
                }
                _ => RedirectResult::AlreadyMine,
            },
            Some(Ok(rpc)) => meaning(&rpc),
            Some(Err(rpc)) => no_result(rpc),
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
    Registering,
    Verifying,
    RemovingStale,
    RegisteringAgain,
    Over,
}

struct Register {
    caller: RpcCaller,
    mac: Mac,
    url: Secret,
    entry: EntryUsed,
    state: State,
    was_ours: bool,
}

impl Register {
    fn go(&mut self, state: State) -> NextCall {
        self.state = state;
        let mac = self.mac.to_string();
        let call = |command, method, parameters: &[&str]| self.caller.call(command, method, parameters);
        match state {
            State::Begin | State::Checking => call(CallKind::CheckDevice, "redirect.checkPhone", &[&mac]),
            State::Registering | State::RegisteringAgain => {
                call(CallKind::RedirectDevice, "redirect.registerPhone", &[&mac, self.url.expose()])
            }
            State::Verifying => call(CallKind::CheckDevice, "redirect.getPhoneRedirection", &[&mac]),
            State::RemovingStale => call(CallKind::DeregisterDevice, "redirect.deregisterPhone", &[&mac]),
            State::Over => NextCall::Done(RedirectResult::Unknown("no answer was given".to_owned())),
        }
    }

    fn success(&self) -> NextCall {
        NextCall::Done(RedirectResult::Ok(Done { entry: Some(self.entry.clone()), ..Done::default() }))
    }

    fn answered(&mut self, answer: &ServiceResponse) -> (RedirectResult, NextCall) {
        let rpc = match parse_result(answer) {
            Ok(rpc) => rpc,
            Err(rpc) => {
                let outcome = no_result(rpc);
                return (outcome.clone(), NextCall::Done(outcome));
            }
        };
        let call_result = match self.state {
            State::Checking => ownership(&rpc),
            // Here the text beside the boolean is the owner's company.
            State::Verifying if rpc.success => RedirectResult::done(),
            _ => meaning(&rpc),
        };
        let step = match (self.state, &call_result) {
            (State::Checking, RedirectResult::AlreadyMine | RedirectResult::NotFound) => {
                self.was_ours = call_result == RedirectResult::AlreadyMine;
                self.go(State::Registering)
            }
            (State::Registering, RedirectResult::Ok(_)) if self.was_ours => self.go(State::Verifying),
            (State::Registering | State::RegisteringAgain, RedirectResult::Ok(_)) => self.success(),
            // Company and URL. An answer in another form does not mean failure.
            (State::Verifying, RedirectResult::Ok(_)) => match rpc.more.first() {
                Some(existing_url) if existing_url.trim() != self.url.expose() => self.go(State::RemovingStale),
                _ => self.success(),
            },
            // The service accepted the registration but does not return the URL: assume success.
            (State::Verifying, RedirectResult::Unknown(_)) => self.success(),
            (State::RemovingStale, RedirectResult::Ok(_) | RedirectResult::NotFound) => {
                self.go(State::RegisteringAgain)
            }
            _ => NextCall::Done(call_result.clone()),
        };
        (call_result, step)
    }
}

impl RedirectProtocol for Register {
    fn next(&mut self, last: Option<&ServiceResponse>) -> ProtocolTurn {
        let turn = match (self.state, last) {
            (State::Begin, _) => ProtocolTurn { call_result: None, step: self.go(State::Checking) },
            (State::Over, _) | (_, None) => ProtocolTurn { call_result: None, step: self.go(State::Over) },
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
