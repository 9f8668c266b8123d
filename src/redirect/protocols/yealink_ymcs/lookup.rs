//! Whether YMCS sends a phone where it should: the list tells its URL, and a phone without a serial number has a PIN that
//! a person will be asked for.

use gangway_base::mac::Mac;
use serde_json::{Value, json};

use super::{
    Found, Search, response as answers,
    response::Refusal,
    servers::in_url,
    session::{Ask, Move, Plan},
};
use crate::redirect::{
    protocol::Command,
    result::{Confirmation, Done, Outcome},
};

/// The plan.
pub(crate) struct Verify {
    mac: Mac,
    /// Without credentials: they have fields of their own, which are not shown.
    url: String,
    search: Search,
    asks_pin: bool,
}

impl Verify {
    pub(crate) fn new(mac: Mac, url: &str) -> Self {
        Self { mac, url: in_url(url).0, search: Search::new(mac), asks_pin: false }
    }

    fn ask_pin(&mut self) -> Move {
        self.asks_pin = true;
        Move::ask(Ask::post(Command::CheckDevice, "rps/listDevicePins", json!({"macs": [self.mac.to_string()]})))
    }
}

impl Plan for Verify {
    fn begin(&mut self) -> Move {
        Move::ask(self.search.ask())
    }

    fn answered(&mut self, said: Result<Value, Refusal>) -> (Outcome, Move) {
        if self.asks_pin {
            let pin = said.ok().and_then(|value| answers::pin(&value, self.mac));
            let confirmation = pin.map_or(Confirmation::SerialEnd, Confirmation::Pin);
            let done = Outcome::Ok(Done { confirmation: Some(confirmation), ..Done::default() });
            return (Outcome::done(), Move::Done(done));
        }
        let outcome = match self.search.answered(said) {
            Found::Next(ask) => return (Outcome::NotFound, Move::ask(ask)),
            Found::Yes(listed) => match listed.url {
                Some(found) if found != self.url => Outcome::SentElsewhere(found),
                _ if !listed.has_serial => return (Outcome::AlreadyMine, self.ask_pin()),
                _ => Outcome::AlreadyMine,
            },
            Found::No => Outcome::NotFound,
            Found::Failed(outcome) => outcome,
        };
        (outcome.clone(), Move::Done(outcome))
    }
}
