//! Notifies the provisioning engine of phones' requests. The records are already written and the engine follows their
//! changes, so it only has to know that the phone is alive.

use crate::{
    http::interfaces::Deliveries,
    phone::{admission::Reason, record::PhoneId},
    provision::Provisioning,
};

/// Forwards events to the engine.
pub struct DeliveryEvents(pub Provisioning);

impl Deliveries for DeliveryEvents {
    fn delivered(&self, phone: PhoneId) {
        self.0.note_request(phone);
    }

    fn notify_request(&self, phone: PhoneId, reason: Reason) {
        // All other reasons are for requests that did not prove that the phone sent them.
        if matches!(reason, Reason::BeforeConfig | Reason::Orphaned | Reason::Released | Reason::Insecure) {
            self.0.note_request(phone);
        }
    }
}
