//! What phones did, told to provisioning. The records are written already; the engine follows their changes, so all
//! that is left is a phone that shows it is alive.

use crate::{
    http::interfaces::Deliveries,
    phone::{admission::Reason, record::PhoneId},
    provision::Provisioning,
};

/// Passes on to the engine.
pub struct DeliveryEvents(pub Provisioning);

impl Deliveries for DeliveryEvents {
    fn delivered(&self, phone: PhoneId) {
        self.0.asked(phone);
    }

    fn notify_request(&self, phone: PhoneId, reason: Reason) {
        // Everything else is said of requests that did not prove to come from the phone.
        if matches!(reason, Reason::BeforeConfig | Reason::Orphaned | Reason::Released | Reason::Insecure) {
            self.0.asked(phone);
        }
    }
}
