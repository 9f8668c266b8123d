//! Every sentence of the phones' timelines in English.

use serde_json::Value;

use crate::base::i18n::{message_keys, message_of};

message_keys! { "happened.":
    REQUESTED = "requested";
    REQUESTED_AGAIN = "requested-again";
    HANDED_OVER = "handed-over";
    HANDSET_ADDED = "handset-added";
    HANDSET_HANDED_OVER = "handset-handed-over";
    ACCOUNT_REMOVED = "account-removed";
    ORPHANED = "orphaned";
    FOUND = "found";
    WITHHELD = "withheld";
    JOINED = "joined";
    MEMBER = "member";
    MEMBER_OF_DOMAIN = "member-of-domain";
    NAMED = "named";
    CONFIG_RECEIVED = "config-received";
    CONFIG_CHANGED = "config-changed";
    DEVICES_AWAY = "devices-away";
    REDIRECTED = "redirected";
    ASKS_PIN = "asks-pin";
    ASKS_SERIAL = "asks-serial";
    TOLD_BY_PNP = "told-by-pnp";
    DEREGISTERED = "deregistered";
    FLAGS_WRITTEN = "flags-written";
    FLAGS_FAILED = "flags-failed";
    REGISTERED = "registered";
    NOT_REGISTERED = "not-registered";
    REGISTRATION_LOST = "registration-lost";
    NO_LONGER_REGISTERED = "no-longer-registered";
    UNCHANGED = "unchanged";
    DELIVERED = "delivered";
    FIRST_DELIVERY = "first-delivery";
    REFUSED = "refused";
    TOO_EARLY = "too-early";
    OVERDUE = "overdue";
    ALLOWED = "allowed";
    ALLOWED_OPEN_PART = "allowed-open-part";
    CREDENTIALS_ROTATED = "credentials-rotated";
    CREDENTIALS_PROVEN = "credentials-proven";
    PROVED = "proved";
    WINDOW_OVER = "window-over";
    WINDOW_UNUSED = "window-unused";
    WANTED = "wanted";
    BURIED = "buried";
    BURIED_WITH_REST = "buried-with-rest";
    ENTRY_LEFT = "entry-left";
    NO_DESCRIPTOR = "no-descriptor";
    NO_DEVICES = "no-devices";
    NO_CREDENTIAL = "no-credential";
    CODE_REFUSED = "code-refused";
    FORGOTTEN = "forgotten";
    REDIRECT_GONE = "redirect-gone";
    SERVICE_AWAY = "service-away";
    CAME = "came";
    CAME_UNCHANGED = "came-unchanged";
    CAME_REFUSED = "came-refused";
    STAYED_SILENT = "stayed-silent";
    STAYED = "stayed";
    WANTS_PROOF = "wants-proof";
    REFUSES = "refuses";
    UNREACHABLE = "unreachable";
    COMES_AT = "comes-at";
    SHOULD_HAVE_COME = "should-have-come";
    COMES_WHEN_IT_STARTS = "comes-when-it-starts";
    NOT_ACTIVE = "not-active";
}

/// The message for a sentence, as a part of another message.
#[must_use]
pub(super) fn part(sentence: &str) -> Value {
    message_of(sentence).nested()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{phone::record::Phone, provision::transitions};

    #[test]
    fn the_reason_of_a_delay_is_a_known_sentence() {
        let (mut phone, now) = (Phone::sample(), Timestamp::UNIX_EPOCH);
        transitions::service_away(&mut phone, None, now, now);
        let sentence = phone.redirect.error.unwrap_or_default();
        assert_eq!(message_of(&sentence).key(), SERVICE_AWAY.0);
    }
}
