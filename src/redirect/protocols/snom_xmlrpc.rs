//! Snom's XML-RPC interface ("XML-RPC API" of the service portal), which SRAPS keeps beside its REST interface: check
//! first, never touch a phone of somebody else, a URL per phone and no server entries.
//!
//! Registering an own phone again is not documented to replace its URL: the service is asked what it holds, and what is
//! stale is removed and registered anew.

use gangway_base::{mac::Mac, secret::Secret};
use url::Url;

use super::xmlrpc_call::{Caller, Spoken, heard, no_result, normal};
use crate::redirect::{
    account_cache::Surroundings,
    operation::{Operation, RedirectAccount},
    protocol::{Answer, Command, Exchange, Step, Turn},
    result::{Done, EntryUsed, Outcome},
};

/// What a probe asks about: an address of Snom's that no phone has. Whatever the answer, it proves the credentials.
const PROBED: &str = "000413000000";

/// Begins an operation.
pub(crate) fn start(operation: &Operation, account: &RedirectAccount, url: Url, _: &Surroundings) -> Box<dyn Exchange> {
    let caller = Caller::new(url, account);
    let (command, method, mac, judge): (_, _, _, Judge) = match operation {
        Operation::EnsureServer(_) => return Box::new(NoServers),
        Operation::Register { mac, unique_url, server, .. } => {
            let (url, entry) = match unique_url {
                Some(url) => (url.clone(), EntryUsed::UniqueUrl),
                None => (server.url.clone(), EntryUsed::Server { name: server.name.clone() }),
            };
            return Box::new(Register { caller, mac: *mac, url, entry, state: State::Begin, was_ours: false });
        }
        Operation::Check { mac } => (Command::CheckDevice, "redirect.checkPhone", mac.to_string(), ownership),
        Operation::Verify { mac, url } => {
            return Box::new(Verify { caller, mac: Some(*mac), url: url.clone() });
        }
        Operation::Deregister { mac } => {
            (Command::DeregisterDevice, "redirect.deregisterPhone", mac.to_string(), meaning)
        }
        Operation::Probe => (Command::CheckDevice, "redirect.checkPhone", PROBED.to_owned(), |_| Outcome::done()),
    };
    Box::new(Single { caller, call: Some((command, method, mac)), judge })
}

type Judge = fn(&Spoken) -> Outcome;

/// What a result means, for every method but `checkPhone`.
fn meaning(said: &Spoken) -> Outcome {
    match normal(&said.text).as_str() {
        "owned_by_other_user" => Outcome::OwnedByOther,
        "malformed_mac" => Outcome::InvalidMac,
        "malformed_url" => Outcome::InvalidUrl(said.text.trim().to_owned()),
        "no_such_mac" => Outcome::NotFound,
        _ if said.success => Outcome::done(),
        _ => Outcome::Unknown(said.text.trim().to_owned()),
    }
}

/// What `checkPhone` says.
fn ownership(said: &Spoken) -> Outcome {
    match meaning(said) {
        Outcome::Ok(_) => Outcome::AlreadyMine,
        other => other,
    }
}

/// The service knows phones and their URLs, nothing else.
struct NoServers;

impl Exchange for NoServers {
    fn next(&mut self, _last: Option<&Answer>) -> Turn {
        Turn { meant: None, step: Step::Done(Outcome::done()) }
    }
}

/// An operation of one call with the MAC as its one parameter.
struct Single {
    caller: Caller,
    call: Option<(Command, &'static str, String)>,
    judge: Judge,
}

impl Exchange for Single {
    fn next(&mut self, last: Option<&Answer>) -> Turn {
        if let Some((command, method, mac)) = self.call.take() {
            return Turn { meant: None, step: self.caller.call(command, method, &[&mac]) };
        }
        let outcome = match last.map(heard) {
            Some(Ok(said)) => (self.judge)(&said),
            Some(Err(said)) => no_result(said),
            None => Outcome::Unknown("no answer was given".to_owned()),
        };
        Turn { meant: Some(outcome.clone()), step: Step::Done(outcome) }
    }
}

/// Asks what the service holds.
struct Verify {
    caller: Caller,
    /// `None` once asked.
    mac: Option<Mac>,
    url: Secret,
}

impl Exchange for Verify {
    fn next(&mut self, last: Option<&Answer>) -> Turn {
        if let Some(mac) = self.mac.take() {
            let step = self.caller.call(Command::CheckDevice, "redirect.getPhoneRedirection", &[&mac.to_string()]);
            return Turn { meant: None, step };
        }
        let outcome = match last.map(heard) {
            // Company and URL; an answer of another form proves nothing against us.
            Some(Ok(said)) if said.success => match said.more.first() {
                Some(held) if held.trim() != self.url.expose() => Outcome::SentElsewhere(held.trim().to_owned()),
                _ => Outcome::AlreadyMine,
            },
            Some(Ok(said)) => meaning(&said),
            Some(Err(said)) => no_result(said),
            None => Outcome::Unknown("no answer was given".to_owned()),
        };
        Turn { meant: Some(outcome.clone()), step: Step::Done(outcome) }
    }
}

/// Where a registration stands: which call is on its way.
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
    caller: Caller,
    mac: Mac,
    url: Secret,
    entry: EntryUsed,
    state: State,
    was_ours: bool,
}

impl Register {
    fn go(&mut self, state: State) -> Step {
        self.state = state;
        let mac = self.mac.to_string();
        let call = |command, method, parameters: &[&str]| self.caller.call(command, method, parameters);
        match state {
            State::Begin | State::Checking => call(Command::CheckDevice, "redirect.checkPhone", &[&mac]),
            State::Registering | State::RegisteringAgain => {
                call(Command::RedirectDevice, "redirect.registerPhone", &[&mac, self.url.expose()])
            }
            State::Verifying => call(Command::CheckDevice, "redirect.getPhoneRedirection", &[&mac]),
            State::RemovingStale => call(Command::DeregisterDevice, "redirect.deregisterPhone", &[&mac]),
            State::Over => Step::Done(Outcome::Unknown("no answer was given".to_owned())),
        }
    }

    fn success(&self) -> Step {
        Step::Done(Outcome::Ok(Done { entry: Some(self.entry.clone()), ..Done::default() }))
    }

    fn answered(&mut self, answer: &Answer) -> (Outcome, Step) {
        let said = match heard(answer) {
            Ok(said) => said,
            Err(said) => {
                let outcome = no_result(said);
                return (outcome.clone(), Step::Done(outcome));
            }
        };
        let meant = match self.state {
            State::Checking => ownership(&said),
            // The text beside the boolean is the owner's company here.
            State::Verifying if said.success => Outcome::done(),
            _ => meaning(&said),
        };
        let step = match (self.state, &meant) {
            (State::Checking, Outcome::AlreadyMine | Outcome::NotFound) => {
                self.was_ours = meant == Outcome::AlreadyMine;
                self.go(State::Registering)
            }
            (State::Registering, Outcome::Ok(_)) if self.was_ours => self.go(State::Verifying),
            (State::Registering | State::RegisteringAgain, Outcome::Ok(_)) => self.success(),
            // Company and URL; an answer of another form proves nothing against us.
            (State::Verifying, Outcome::Ok(_)) => match said.more.first() {
                Some(held) if held.trim() != self.url.expose() => self.go(State::RemovingStale),
                _ => self.success(),
            },
            // It took the registration and does not tell what it holds: its word counts.
            (State::Verifying, Outcome::Unknown(_)) => self.success(),
            (State::RemovingStale, Outcome::Ok(_) | Outcome::NotFound) => self.go(State::RegisteringAgain),
            _ => Step::Done(meant.clone()),
        };
        (meant, step)
    }
}

impl Exchange for Register {
    fn next(&mut self, last: Option<&Answer>) -> Turn {
        let turn = match (self.state, last) {
            (State::Begin, _) => Turn { meant: None, step: self.go(State::Checking) },
            (State::Over, _) | (_, None) => Turn { meant: None, step: self.go(State::Over) },
            (_, Some(answer)) => {
                let (meant, step) = self.answered(answer);
                Turn { meant: Some(meant), step }
            }
        };
        if matches!(turn.step, Step::Done(_)) {
            self.state = State::Over;
        }
        turn
    }
}
