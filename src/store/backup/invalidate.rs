//! Invalidates parts of a restored record that may be obsolete since the backup was made: an open bootstrap window may
//! have been closed, an unused code may have been used, and an API token may have been revoked. They are invalidated
//! before any phone or client is served.

use jiff::Timestamp;

use crate::{base::i18n::MessageKey, phone::record::Phone, store::NewEvent};

/// The event added to the phone's timeline.
pub const RESTORED: MessageKey = MessageKey("happened.restored");

/// Invalidates such parts of one record and adds an event to its timeline.
pub(super) fn quieten(phone: &mut Phone, made: Timestamp, now: Timestamp, events: &mut Vec<NewEvent>) {
    if phone.removed_at.is_some() {
        return;
    }
    if phone.window.is_open(now) {
        phone.window.closed = Some(now);
    }
    // The code is never sent again. A request that repeats it is answered from the record.
    if let Some(code) = phone.code.take() {
        phone.sysclient.spent.add(code);
    }
    // Compare the entry now instead of within a day: it may have another target by now.
    if phone.redirect_entry.is_some() && phone.redirect.next_attempt.is_none_or(|next| next > now) {
        phone.redirect.next_attempt = Some(now);
    }
    events.push(NewEvent::said("restored", &RESTORED.with("made", format!("{made:.0}"))));
}

#[cfg(test)]
mod tests {
    use gangway_base::secret::Secret;

    use super::*;
    use crate::phone::facet::RedirectState;

    #[test]
    fn windows_and_codes_of_the_past_do_not_come_back() {
        let made: Timestamp = "2026-11-01T08:00:00Z".parse().unwrap();
        let now: Timestamp = "2026-11-05T08:00:00Z".parse().unwrap();
        let mut phone = Phone::sample();
        phone.window.open(made, 7);
        phone.code = Some(Secret::new("the-code"));
        phone.redirect.reach(RedirectState::Redirected, made);
        let (before, mut events) = (phone.clone(), Vec::new());

        quieten(&mut phone, made, now, &mut events);

        assert!(before.window.is_open(now) && !phone.window.is_open(now));
        assert!(phone.code.is_none() && phone.sysclient.spent.holds(&Secret::new("the-code")));
        assert_eq!((&phone.token, &phone.own, &phone.accounts), (&before.token, &before.own, &before.accounts));
        assert!(events[0].text.contains("2026-11-01"), "{events:?}");
    }
}
