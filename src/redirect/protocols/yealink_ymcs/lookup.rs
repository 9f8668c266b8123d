//! Verifies that YMCS sends a phone to the right URL. The list contains the URL. For a phone without a serial number,
//! it also looks up the PIN that the phone will ask for.

use gangway_base::mac::Mac;
use serde_json::{Value, json};

use super::{
    DeviceLookup, LookupResult, response as answers,
    response::YmcsError,
    servers::in_url,
    session::{Move, Plan, YmcsCall},
};
use crate::redirect::{
    protocol::CallKind,
    result::{Confirmation, Done, RedirectResult},
};

/// The plan.
pub(crate) struct Verify {
    mac: Mac,
    /// Without credentials: they have separate fields, which the service does not show.
    url: String,
    search: DeviceLookup,
    asks_pin: bool,
}

impl Verify {
    pub(crate) fn new(mac: Mac, url: &str) -> Self {
        Self { mac, url: in_url(url).0, search: DeviceLookup::new(mac), asks_pin: false }
    }

    fn ask_pin(&mut self) -> Move {
        self.asks_pin = true;
        Move::ask(YmcsCall::post(CallKind::CheckDevice, "rps/listDevicePins", json!({"macs": [self.mac.to_string()]})))
    }
}

impl Plan for Verify {
    fn begin(&mut self) -> Move {
        Move::ask(self.search.ask())
    }

    fn on_answer(&mut self, answer: Result<Value, YmcsError>) -> (RedirectResult, Move) {
        if self.asks_pin {
            let pin = answer.ok().and_then(|value| answers::pin(&value, self.mac));
            let confirmation = pin.map_or(Confirmation::SerialEnd, Confirmation::Pin);
            let done = RedirectResult::Ok(Done { confirmation: Some(confirmation), ..Done::default() });
            return (RedirectResult::done(), Move::Done(done));
        }
        let outcome = match self.search.on_answer(answer) {
            LookupResult::Next(ask) => return (RedirectResult::NotFound, Move::ask(ask)),
            LookupResult::Yes(listed) => match listed.url {
                Some(found) if found != self.url => RedirectResult::SentElsewhere(found),
                _ if !listed.has_serial => return (RedirectResult::AlreadyMine, self.ask_pin()),
                _ => RedirectResult::AlreadyMine,
            },
            LookupResult::No => RedirectResult::NotFound,
            LookupResult::Failed(outcome) => outcome,
        };
        (outcome.clone(), Move::Done(outcome))
    }
}
