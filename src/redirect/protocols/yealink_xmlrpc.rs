//! Yealink's RPS over XML-RPC ("XML API for RPS", versions 1.3 and 1.6): check first, never touch a phone of
//! somebody else, a URL per phone where the service knows that method, else a server entry.

pub mod response;

use gangway_base::{mac::Mac, secret::Secret};
use url::Url;

use super::{
    xmlrpc_call::{Caller, Said, heard, no_result},
    yealink_xmlrpc::response::{Meaning, Ownership, meaning, ownership},
};
use crate::redirect::{
    account_cache::Surroundings,
    operation::{Operation, RedirectAccount, ServerEntry},
    protocol::{Answer, Command, Exchange, Step, Turn},
    result::{Done, EntryUsed, Outcome},
    server_name::alternative_name,
};

/// What a probe asks about: an address of Yealink's that no phone has. Whatever the answer, it proves the credentials.
const PROBED: &str = "001565000000";
/// Other names tried when a server name belongs to somebody else.
const OTHER_NAMES: u32 = 3;

/// Begins an operation.
pub(crate) fn start(operation: &Operation, account: &RedirectAccount, url: Url, _: &Surroundings) -> Box<dyn Exchange> {
    let caller = Caller::new(url, account);
    match operation {
        Operation::EnsureServer(server) => Box::new(Single {
            call: Some((
                Command::AddServer,
                "redirect.addServer",
                vec![server.name.clone(), server.url.expose().to_owned()],
            )),
            judge: judge_server,
            server: server.name.clone(),
            caller,
        }),
        // The service does not tell where it sends a phone.
        Operation::Check { mac } | Operation::Verify { mac, .. } => {
            Box::new(single(caller, Command::CheckDevice, "redirect.checkDevice", mac.to_string(), judge_check))
        }
        Operation::Deregister { mac } => Box::new(single(
            caller,
            Command::DeregisterDevice,
            "redirect.deRegisterDevice",
            mac.to_string(),
            judge_deregister,
        )),
        Operation::Probe => {
            Box::new(single(caller, Command::CheckDevice, "redirect.checkDevice", PROBED.to_owned(), |_, _, _| {
                Outcome::done()
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

type Judge = fn(bool, &str, &str) -> Outcome;

fn judge_server(success: bool, text: &str, server: &str) -> Outcome {
    meaning(success, text).outcome(server)
}

fn judge_check(_: bool, text: &str, _: &str) -> Outcome {
    ownership(text).outcome()
}

/// A phone that is not ours answers `Invalid MAC(s)`: nothing to undo.
fn judge_deregister(success: bool, text: &str, _: &str) -> Outcome {
    match meaning(success, text) {
        Meaning::InvalidMac => Outcome::NotFound,
        other => other.outcome(""),
    }
}

/// An operation of one call.
struct Single {
    caller: Caller,
    call: Option<(Command, &'static str, Vec<String>)>,
    judge: Judge,
    server: String,
}

fn single(caller: Caller, command: Command, method: &'static str, parameter: String, judge: Judge) -> Single {
    Single { caller, call: Some((command, method, vec![parameter])), judge, server: String::new() }
}

impl Exchange for Single {
    fn next(&mut self, last: Option<&Answer>) -> Turn {
        if let Some((command, method, parameters)) = self.call.take() {
            let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
            return Turn { meant: None, step: self.caller.call(command, method, &parameters) };
        }
        let outcome = match last.map(heard) {
            Some(Ok(spoken)) => (self.judge)(spoken.success, &spoken.text, &self.server),
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
    AddingServer,
    RegisteringUnique,
    RegisteringServer,
    RemovingStale,
    Over,
}

/// What we know of our server entry in this operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Unasked,
    Made,
    /// The name exists: ours from before, or another customer's.
    Used,
}

struct Register {
    caller: Caller,
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
    fn check(&mut self) -> Step {
        self.state = State::Checking;
        self.caller.call(Command::CheckDevice, "redirect.checkDevice", &[&self.mac.to_string()])
    }

    fn add_server(&mut self) -> Step {
        self.state = State::AddingServer;
        self.caller.call(Command::AddServer, "redirect.addServer", &[&self.server.name, self.server.url.expose()])
    }

    /// The phone's own URL at once; the server entry only after it has been made or found.
    fn register(&mut self) -> Step {
        let mac = self.mac.to_string();
        match &self.unique_url {
            Some(url) => {
                self.state = State::RegisteringUnique;
                let parameters = [mac.as_str(), &self.server.name, url.expose(), "1"];
                self.caller.call(Command::RedirectDevice, "redirect.registerDeviceWithUniqueUrl", &parameters)
            }
            None if self.entry == Entry::Unasked => self.add_server(),
            None => {
                self.state = State::RegisteringServer;
                let parameters = [mac.as_str(), &self.server.name, "1"];
                self.caller.call(Command::RedirectDevice, "redirect.registerDevice", &parameters)
            }
        }
    }

    fn remove_stale(&mut self) -> Step {
        self.state = State::RemovingStale;
        self.stale_removed = true;
        self.caller.call(Command::DeregisterDevice, "redirect.deRegisterDevice", &[&self.mac.to_string()])
    }

    fn success(&self) -> Outcome {
        let entry = if self.state == State::RegisteringUnique {
            EntryUsed::UniqueUrl
        } else {
            EntryUsed::Server { name: self.server.name.clone() }
        };
        let renamed = (self.attempt > 0).then(|| self.server.name.clone());
        Outcome::Ok(Done { entry: Some(entry), renamed, confirmation: None })
    }

    /// The service does not know the server entry the registration named.
    fn unknown_server(&mut self, text: String) -> Step {
        match self.entry {
            Entry::Unasked => self.add_server(),
            Entry::Used if self.attempt < OTHER_NAMES => {
                // The name exists but not for us: it is another customer's (names are unique over all customers).
                self.attempt += 1;
                self.server.name = alternative_name(&self.server.name, self.server.url.expose(), self.attempt);
                self.add_server()
            }
            Entry::Used => Step::Done(Outcome::ServerNameTaken { name: self.server.name.clone(), foreign: true }),
            Entry::Made if self.unique_url.is_some() => {
                self.unique_url = None;
                self.register()
            }
            Entry::Made => Step::Done(Outcome::InvalidServerName(text)),
        }
    }

    fn answered(&mut self, answer: &Answer) -> (Outcome, Step) {
        let (success, text) = match heard(answer) {
            Ok(spoken) => (spoken.success, spoken.text),
            Err(Said::Fault(text)) if self.state == State::RegisteringUnique => {
                // Version 1.3 of the interface does not know the method.
                self.unique_url = None;
                return (Outcome::Unknown(text), self.register());
            }
            Err(said) => {
                let outcome = no_result(said);
                return (outcome.clone(), Step::Done(outcome));
            }
        };
        if self.state == State::Checking {
            let owner = ownership(&text);
            let step = match owner {
                Ownership::Mine | Ownership::Nobody => self.register(),
                _ => Step::Done(owner.outcome()),
            };
            return (owner.outcome(), step);
        }
        let said = meaning(success, &text);
        let meant = match (self.state, &said) {
            (State::RemovingStale, Meaning::InvalidMac) => Outcome::NotFound,
            _ => said.outcome(&self.server.name),
        };
        let step = match (self.state, said) {
            (State::AddingServer, Meaning::Done) => {
                self.entry = Entry::Made;
                self.register()
            }
            (State::AddingServer, Meaning::ServerNameUsed) => {
                self.entry = Entry::Used;
                self.register()
            }
            (State::RemovingStale, Meaning::Done | Meaning::InvalidMac) => self.register(),
            (State::RegisteringUnique | State::RegisteringServer, Meaning::Done) => Step::Done(self.success()),
            (State::RegisteringUnique | State::RegisteringServer, Meaning::UnknownServer(text)) => {
                self.unknown_server(text)
            }
            // Ours, but the service keeps the old URL in spite of the override: remove and register again.
            (State::RegisteringUnique | State::RegisteringServer, Meaning::Existing) if !self.stale_removed => {
                self.remove_stale()
            }
            _ => Step::Done(meant.clone()),
        };
        (meant, step)
    }
}

impl Exchange for Register {
    fn next(&mut self, last: Option<&Answer>) -> Turn {
        let turn = match (self.state, last) {
            (State::Begin, _) => Turn { meant: None, step: self.check() },
            (State::Over, _) | (_, None) => {
                Turn { meant: None, step: Step::Done(Outcome::Unknown("no answer was given".to_owned())) }
            }
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
