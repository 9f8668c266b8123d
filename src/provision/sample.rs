//! A phone to test with.

use jiff::Timestamp;

use crate::phone::record::{Phone, PhoneId};

/// A phone just provisioned, nothing done yet.
pub fn phone(now: Timestamp) -> Phone {
    let mut phone = Phone::sample_at(now);
    phone.id = PhoneId(1);
    phone.code = Some("123456789012".into());
    phone
}
