//! Every sentence of the phones' timelines in English.

use serde_json::Value;

use crate::{
    base::i18n::{Message, sayings},
    phone::{facet::Wanted, record::Gone},
};

sayings! { "happened.":
    REQUESTED = "requested", "Provisioning requested for {user}.";
    REQUESTED_AGAIN = "requested-again", "Provisioning requested again for {user}.";
    HANDED_OVER = "handed-over", "Handed over to {user}: the former user's token and credentials are dead. Reset the phone to factory settings unless it shows a factory certificate.";
    HANDSET_ADDED = "handset-added", "{user} got account {line} of this base.";
    HANDSET_HANDED_OVER = "handset-handed-over", "Account {line} of this base went to {user}.";
    ACCOUNT_REMOVED = "account-removed", "The account of {user} was taken off.";
    ORPHANED = "orphaned", "Account of {user}: {sentence}";
    FOUND = "found", "Account of {user}: user and device are there again.";
    WITHHELD = "withheld", "The account of {user} was gone for 7 days: it is switched off with the phone's next file.";
    JOINED = "joined", "Devices accepted the code and gave the phone its password.";
    CONFIG_RECEIVED = "config-received", "The device configuration arrived.";
    CONFIG_CHANGED = "config-changed", "Devices changed the device configuration.";
    DEVICES_AWAY = "devices-away", "Devices cannot be reached ({reason}); it is tried again at least every 10 s.";
    REDIRECTED = "redirected", "The redirect service sends the phone to us.";
    ASKS_PIN = "asks-pin", "At its first start the phone asks for the PIN {pin} or the last five digits of its serial number.";
    ASKS_SERIAL = "asks-serial", "At its first start the phone asks for the last five digits of its serial number.";
    TOLD_BY_PNP = "told-by-pnp", "It asked by multicast from {source} and was told its URL.";
    DEREGISTERED = "deregistered", "Taken off the redirect service.";
    FLAGS_WRITTEN = "flags-written", "Flags written on the device of {user}.";
    FLAGS_FAILED = "flags-failed", "Flags on the device of {user}: {sentence}.";
    REGISTERED = "registered", "{user} is registered from {address}.";
    NOT_REGISTERED = "not-registered", "{user} has not registered within ten minutes of the delivery.";
    UNCHANGED = "unchanged", "The phone at {source} has its present configuration already.";
    DELIVERED = "delivered", "Configuration delivered to {source}.";
    FIRST_DELIVERY = "first-delivery", "The first personal file goes to {source} ({family}); only this source may repeat it.";
    REFUSED = "refused", "{reason} ({seen})";
    TOO_EARLY = "too-early", "The phone asked before its configuration was there.";
    OVERDUE = "overdue", "The phone has not asked for its configuration as often as it should.";
    ALLOWED = "allowed", "The phone may fetch its file without credentials once more.";
    ALLOWED_OPEN_PART = "allowed-open-part", "The phone may come without credentials once more, but gets the open part only: its users' passwords were dropped when its time ran out. Provision it again.";
    CREDENTIALS_ROTATED = "credentials-rotated", "New credentials of the phone's own: its next request brings them to it, and the former ones are good until it has used the new ones.";
    CREDENTIALS_PROVEN = "credentials-proven", "The phone has proven its new credentials: the former ones are dead.";
    PROVED = "proved", "The phone proved its own credentials; what travelled through the redirect service is spent.";
    WINDOW_OVER = "window-over", "The time for the first contact is over.";
    WINDOW_UNUSED = "window-unused", "The phone never came: redirect entry and password are withdrawn. Provision it again.";
    WANTED = "wanted", "Wanted: {what}.";
    WANTED_ACTIVE = "wanted-active", Wanted::Active.text();
    WANTED_RELEASED = "wanted-released", Wanted::Released.text();
    WANTED_BLOCKED = "wanted-blocked", Wanted::Blocked.text();
    WANTED_REMOVED = "wanted-removed", Wanted::Removed.text();
    BURIED = "buried", "Removed completely.";
    BURIED_WITH_REST = "buried-with-rest", "Removed, but something is left to do by hand: {left}";
    ENTRY_LEFT = "entry-left", "the entry at the redirect service, because no redirect account is configured any more.";
    NO_DESCRIPTOR = "no-descriptor", "The connection to Devices waits: the gateway has no free file descriptor. Raise LimitNOFILE= in the systemd unit (or `ulimit -Hn`) and restart it.";
    CODE_REFUSED = "code-refused", "Devices did not accept the provisioning code (expired, used or unknown): provision the phone again to get a new one.";
    FORGOTTEN = "forgotten", "Devices does not know this phone any more (removed there?): provision it again.";
    GONE_DEVICE = "gone-device", Gone::Device.sentence();
    GONE_USER = "gone-user", Gone::User.sentence();
    GONE_ENTRY = "gone-entry", Gone::Entry.sentence();
    PBX_AWAY = "pbx-away", "no PBX is connected: check that the app object exists, its URL points here and the flag Websocket is ticked";
    PBX_NOT_PERMITTED = "pbx-not-permitted", "the app object lacks the flag Admin: tick it in the PBX Manager";
    PBX_NO_USER = "pbx-no-user", "no connected PBX knows this user";
    PBX_NO_DEVICE = "pbx-no-device", "the user object has no device with this hardware id";
    PBX_SILENT = "pbx-silent", "the PBX did not answer in time";
    REDIRECT_FOREIGN = "redirect-foreign", "The phone is registered to another account at the redirect service: have its former owner or the distributor release it there, then try again.";
    REDIRECT_BAD_MAC = "redirect-bad-mac", "The redirect service does not accept this MAC address: compare it with the label of the phone, and the phone with the vendor.";
    REDIRECT_GONE = "redirect-gone", "The redirect service does not know the phone any more: somebody removed it there. Correct it there, or have the phone registered anew with `gangway phones check MAC --repair`.";
    SERVICE_AWAY = "service-away", "The redirect service cannot be reached or wants no calls at the moment; it is tried again by itself.";
    CAME = "came", "The phone was told to come and fetched its present file.";
    CAME_UNCHANGED = "came-unchanged", "The phone was told to come and has its present file already.";
    CAME_REFUSED = "came-refused", "The phone was told to come, came, and did not get its file ({outcome}).";
    STAYED_SILENT = "stayed-silent", "The phone was told to come and neither answered nor came; {next}.";
    STAYED = "stayed", "The phone was told to come, said yes ({status}) and did not come; {next}.";
    WANTS_PROOF = "wants-proof", "The phone was told to come and wants proof first ({status}); {next}. Let it trust NOTIFY from this gateway.";
    REFUSES = "refuses", "The phone was told to come and refused ({status}); {next}.";
    UNREACHABLE = "unreachable", "The phone cannot be told to come: {why}; {next}.";
    COMES_AT = "comes-at", "it comes by itself at {at}";
    SHOULD_HAVE_COME = "should-have-come", "it should have come by itself already: look whether it is plugged in";
    COMES_WHEN_IT_STARTS = "comes-when-it-starts", "it comes by itself when it starts: have somebody restart it";
    NOT_ACTIVE = "not-active", "Nothing is delivered to this phone, so it is not told to come.";
}

/// The message for a sentence from elsewhere; one of the messages defined here if the text matches.
#[must_use]
pub fn known(sentence: &str) -> Message {
    let ours = SAYINGS.iter().find(|saying| !saying.english.contains('{') && saying.english == sentence);
    ours.map_or_else(|| Message::plain(sentence.to_owned()), |saying| saying.said())
}

/// The same, as a part of another sentence.
#[must_use]
pub(super) fn part(sentence: &str) -> Value {
    known(sentence).nested()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use jiff::Timestamp;

    use super::*;
    use crate::{pbx::user_objects::PbxError, phone::record::Phone, provision::transitions, redirect::RedirectResult};

    /// The text in the record of a phone that waits for a service that is away for an unknown reason.
    fn away() -> String {
        let (mut phone, now) = (Phone::sample(), Timestamp::UNIX_EPOCH);
        transitions::service_away(&mut phone, None, now, now);
        phone.redirect.error.unwrap_or_default()
    }

    #[test]
    fn keys_are_unique_and_sentences_of_others_are_recognised() {
        let keys: HashSet<&str> = SAYINGS.iter().map(|saying| saying.key).collect();
        assert_eq!(keys.len(), SAYINGS.len());
        let errors = [
            PbxError::NoSession,
            PbxError::NotPermitted,
            PbxError::UserNotFound,
            PbxError::DeviceNotFound,
            PbxError::Timeout,
        ];
        let sentences = errors
            .iter()
            .map(ToString::to_string)
            .chain([RedirectResult::OwnedByOther.sentence(), RedirectResult::InvalidMac.sentence()])
            .chain([away(), NO_DESCRIPTOR.english.to_owned()]);
        for sentence in sentences {
            assert!(known(&sentence).kept().is_some(), "{sentence}");
        }
        assert_eq!(known("What a stranger said.").kept(), None);
    }
}
