//! A sample phone for tests.

use jiff::Timestamp;

use crate::phone::record::{Phone, PhoneId};

/// A phone that was just provisioned, before any action.
pub fn phone(now: Timestamp) -> Phone {
    let mut phone = Phone::sample_at(now);
    phone.id = PhoneId(1);
    phone.code = Some("123456789012".into());
    phone
}
