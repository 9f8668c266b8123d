//! Yealink's YMCS, version 2 of its interface. It looks up the MAC, then changes the entry or adds one with the phone's
//! serial number. That a phone belongs to another account shows only when adding it is rejected.
//!
//! Yealink permits only some accounts to add a phone by MAC alone. Such a phone then asks on its screen for a PIN or
//! the last digits of its serial number. Therefore this is done only if an administrator chose it.

pub mod lookup;
pub mod response;
pub mod servers;
pub mod session;

use gangway_base::mac::Mac;
use serde_json::{Value, json};
use url::Url;

use super::yealink_ymcs::{
    lookup::Verify,
    response as answers,
    response::YmcsError,
    servers::{EnsureServer, in_url},
    session::{Move, Plan, YmcsCall, YmcsSession},
};
use crate::redirect::{
    account_cache::ProtocolContext,
    operation::{Operation, RedirectAccount},
    protocol::{CallKind, RedirectProtocol},
    result::{Confirmation, Done, EntryUsed, RedirectResult, SerialTrouble},
};

/// Page size. The filter contains a whole MAC, so more than one entry is the exception.
const PAGE: usize = 100;
/// Limit of pages read.
const MOST_PAGES: usize = 5;

/// Starts an operation.
pub(crate) fn start(
    operation: &Operation,
    account: &RedirectAccount,
    url: Url,
    context: &ProtocolContext,
) -> Box<dyn RedirectProtocol> {
    let plan: Option<Box<dyn Plan>> = match operation {
        Operation::Probe => None,
        Operation::EnsureServer(server) => Some(Box::new(EnsureServer::new(server))),
        Operation::Verify { mac, url } => Some(Box::new(Verify::new(*mac, url.expose()))),
        Operation::Check { mac } => Some(Box::new(Check(DeviceLookup::new(*mac)))),
        Operation::Deregister { mac } => {
            Some(Box::new(Deregister { mac: *mac, search: DeviceLookup::new(*mac), refused: None }))
        }
        Operation::Register { mac, unique_url, server, serial } => {
            let (url, entry) = match unique_url {
                Some(url) => (url.clone(), EntryUsed::UniqueUrl),
                None => (server.url.clone(), EntryUsed::Server { name: server.name.clone() }),
            };
            Some(Box::new(Register {
                search: DeviceLookup::new(*mac),
                mac: *mac,
                target: target(url.expose()),
                serial: serial.clone(),
                mac_only: account.mac_only,
                entry,
                state: State::Searching,
                searched_again: false,
            }))
        }
    };
    Box::new(YmcsSession::new(account, url, context, plan))
}

/// The fields for the target of a phone; the credentials have separate fields.
fn target(url: &str) -> Value {
    let (plain, credentials) = in_url(url);
    match credentials {
        Some((user, password)) => json!({"uniqueServerUrl": plain, "authName": user, "password": password}),
        None => json!({"uniqueServerUrl": plain}),
    }
}

/// Searches for a phone, page by page.
pub(crate) struct DeviceLookup {
    mac: Mac,
    skip: usize,
    pages: usize,
}

/// The result of a search step.
pub(crate) enum LookupResult {
    /// The phone is in our account.
    Yes(answers::Listed),
    /// The phone is not in our account.
    No,
    /// There are more pages.
    Next(YmcsCall),
    /// The answer contained no list.
    Failed(RedirectResult),
}

impl DeviceLookup {
    pub(crate) fn new(mac: Mac) -> Self {
        Self { mac, skip: 0, pages: 0 }
    }

    pub(crate) fn ask(&mut self) -> YmcsCall {
        self.pages += 1;
        let filter = json!({"mac": self.mac.to_string()});
        let body = json!({"skip": self.skip, "limit": PAGE, "autoCount": true, "filter": filter});
        YmcsCall::post(CallKind::CheckDevice, "rps/listDevices", body)
    }

    fn again(&mut self) -> YmcsCall {
        *self = Self::new(self.mac);
        self.ask()
    }

    pub(crate) fn on_answer(&mut self, answer: Result<Value, YmcsError>) -> LookupResult {
        let value = match answer {
            Ok(value) => value,
            Err(refusal) => return LookupResult::Failed(refusal.outcome()),
        };
        let Some(page) = answers::page(&value) else {
            return LookupResult::Failed(RedirectResult::Unknown("an answer without a list of phones".to_owned()));
        };
        if let Some(listed) = answers::phone_in(page.rows, self.mac) {
            return LookupResult::Yes(listed);
        }
        self.skip += page.rows.len();
        if !page.rows.is_empty() && (self.skip as u64) < page.total && self.pages < MOST_PAGES {
            return LookupResult::Next(self.ask());
        }
        LookupResult::No
    }
}

/// Checks whether the phone is in our account; the service does not reveal other owners.
struct Check(DeviceLookup);

impl Plan for Check {
    fn begin(&mut self) -> Move {
        Move::ask(self.0.ask())
    }

    fn on_answer(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        let outcome = match self.0.on_answer(answer) {
            LookupResult::Yes(_) => RedirectResult::AlreadyMine,
            LookupResult::No => RedirectResult::NotFound,
            LookupResult::Next(ask) => return (RedirectResult::NotFound, Move::ask(ask)),
            LookupResult::Failed(outcome) => outcome,
        };
        (outcome.clone(), Move::Done(outcome))
    }
}

/// Removes the phone. If its entry fails, the phone is either absent or was kept; the list shows which.
struct Deregister {
    mac: Mac,
    search: DeviceLookup,
    refused: Option<RedirectResult>,
}

impl Plan for Deregister {
    fn begin(&mut self) -> Move {
        let body = json!({"deviceIdType": "mac", "deviceIds": [self.mac.to_string()]});
        Move::ask(YmcsCall::post(CallKind::DeregisterDevice, "rps/delDevices", body))
    }

    fn on_answer(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        if let Some(refused) = &self.refused {
            let outcome = match self.search.on_answer(answer) {
                LookupResult::Yes(_) => return (RedirectResult::AlreadyMine, Move::Done(refused.clone())),
                LookupResult::No => RedirectResult::NotFound,
                LookupResult::Next(ask) => return (RedirectResult::NotFound, Move::ask(ask)),
                LookupResult::Failed(outcome) => outcome,
            };
            return (outcome.clone(), Move::Done(outcome));
        }
        let outcome = match answer {
            Ok(value) => match answers::bulk(&value) {
                Ok(()) => RedirectResult::done(),
                Err(refusal) => {
                    let refused = refusal.outcome();
                    self.refused = Some(refused.clone());
                    return (refused, Move::ask(self.search.ask()));
                }
            },
            Err(refusal) => refusal.outcome(),
        };
        (outcome.clone(), Move::Done(outcome))
    }
}

/// The state of a registration: the call that is waiting for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Searching,
    Changing {
        /// The phone will ask for a PIN, because the service does not know its serial number.
        asks: bool,
    },
    Adding,
    AddingByMac,
    AskingPin,
}

struct Register {
    search: DeviceLookup,
    mac: Mac,
    target: Value,
    serial: Option<String>,
    mac_only: bool,
    entry: EntryUsed,
    state: State,
    searched_again: bool,
}

impl Register {
    fn success(&self, confirmation: Option<Confirmation>) -> Move {
        Move::Done(RedirectResult::Ok(Done { entry: Some(self.entry.clone()), confirmation, ..Done::default() }))
    }

    fn with(&self, more: &[(&str, &str)]) -> Value {
        let mut body = self.target.clone();
        if let Some(object) = body.as_object_mut() {
            object.insert("mac".to_owned(), self.mac.to_string().into());
            for (name, value) in more {
                object.insert((*name).to_owned(), (*value).into());
            }
        }
        body
    }

    fn change(&mut self, listed: &answers::Listed) -> Move {
        self.state = State::Changing { asks: !listed.has_serial };
        let path = format!("rps/devices/{}", listed.id);
        Move::ask(YmcsCall::patch(CallKind::RedirectDevice, path, self.target.clone()))
    }

    fn add(&mut self) -> Move {
        if let Some(serial) = &self.serial {
            let body = self.with(&[("sn", serial)]);
            self.state = State::Adding;
            return Move::ask(YmcsCall::post(CallKind::RedirectDevice, "rps/devices", body));
        }
        if !self.mac_only {
            return Move::Done(RedirectResult::NeedsSerial(SerialTrouble::Missing));
        }
        self.state = State::AddingByMac;
        Move::ask(YmcsCall::post(CallKind::RedirectDevice, "rps/addDevicesByMac", json!([self.with(&[])])))
    }

    fn ask_pin(&mut self) -> Move {
        self.state = State::AskingPin;
        let body = json!({"macs": [self.mac.to_string()]});
        Move::ask(YmcsCall::post(CallKind::CheckDevice, "rps/listDevicePins", body))
    }

    fn searched(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        match self.search.on_answer(answer) {
            LookupResult::Yes(listed) => (RedirectResult::AlreadyMine, self.change(&listed)),
            // The phone exists but is not in our list: its owner is unknown.
            LookupResult::No if self.searched_again => {
                let outcome = RedirectResult::Unknown("the phone exists already and is not in the list".to_owned());
                (RedirectResult::NotFound, Move::Done(outcome))
            }
            LookupResult::No => (RedirectResult::NotFound, self.add()),
            LookupResult::Next(ask) => (RedirectResult::NotFound, Move::ask(ask)),
            LookupResult::Failed(outcome) => (outcome.clone(), Move::Done(outcome)),
        }
    }

    fn refused(&mut self, refusal: &YmcsError) -> (RedirectResult, Move) {
        if let (YmcsError::Exists(_), State::Adding | State::AddingByMac) = (refusal, self.state)
            && !std::mem::replace(&mut self.searched_again, true)
        {
            // The phone was added in the meantime, for example by an earlier call of ours or by the device management.
            self.state = State::Searching;
            return (RedirectResult::AlreadyMine, Move::ask(self.search.again()));
        }
        let outcome = match (refusal.outcome(), self.state) {
            (RedirectResult::NotPermitted(text), State::AddingByMac) => RedirectResult::NotPermitted(format!(
                "{text}; Yealink enables adding phones by MAC alone for single accounts, else set the phone's \
                 serial_number"
            )),
            (outcome, _) => outcome,
        };
        (outcome.clone(), Move::Done(outcome))
    }
}

impl Plan for Register {
    fn begin(&mut self) -> Move {
        Move::ask(self.search.ask())
    }

    fn on_answer(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        match self.state {
            State::Searching => self.searched(answer),
            State::Changing { asks } => match answer {
                Ok(_) if asks => (RedirectResult::done(), self.ask_pin()),
                Ok(_) => (RedirectResult::done(), self.success(None)),
                Err(refusal) => self.refused(&refusal),
            },
            State::Adding => match answer {
                Ok(_) => (RedirectResult::done(), self.success(None)),
                Err(refusal) => self.refused(&refusal),
            },
            State::AddingByMac => match answer.and_then(|value| answers::bulk(&value)) {
                Ok(()) => (RedirectResult::done(), self.ask_pin()),
                Err(refusal) => self.refused(&refusal),
            },
            // The phone is registered, regardless of the result of this call.
            State::AskingPin => match answer {
                Ok(value) => {
                    let pin = answers::pin(&value, self.mac);
                    (RedirectResult::done(), self.success(Some(pin.map_or(Confirmation::SerialEnd, Confirmation::Pin))))
                }
                Err(refusal) => (refusal.outcome(), self.success(Some(Confirmation::SerialEnd))),
            },
        }
    }
}
