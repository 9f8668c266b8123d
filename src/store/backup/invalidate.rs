//! What a restored record must not go on with. The world went on after the backup was made: a window it knows as open
//! was closed, a code it knows as unused is spent, a token of a program was taken back. All of that would come to life
//! again, so it is ended before anybody is served.

use jiff::Timestamp;

use crate::{base::i18n::MessageTemplate, phone::record::Phone, store::NewEvent};

/// What its time line says of it.
pub const RESTORED: MessageTemplate = MessageTemplate {
    key: "happened.restored",
    english: "Restored from a backup of {made}: what happened to the phone since then is not known here.",
};

/// Ends it in one record, and says so in its time line.
pub(super) fn quieten(phone: &mut Phone, made: Timestamp, now: Timestamp, events: &mut Vec<NewEvent>) {
    if phone.buried.is_some() {
        return;
    }
    if phone.window.is_open(now) {
        phone.window.closed = Some(now);
    }
    // Never sent again: a request that repeats it is answered from the record.
    if let Some(code) = phone.code.take() {
        phone.sysclient.spent.add(code);
    }
    // Compared at once instead of within a day: the entry may lead elsewhere by now.
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
