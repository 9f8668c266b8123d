//! All texts of the admin api in English. Parameters are in braces. The page has a list with the same keys for each
//! language.

use gangway_wire::appws::LoginRejection;

use super::{audit_texts, english_notices::NOTICES, english_values::SECRETS_AND_VALUES};
use crate::{
    base::i18n::MessageTemplate,
    phone::admission::Reason,
    provision,
    settings::{REDIRECT_SETTINGS, TABLE},
};

/// Returns the template of a key.
#[must_use]
pub fn template(key: &str) -> Option<&'static str> {
    if let Some(rest) = key.strip_prefix("cause.") {
        let (word, part) = rest.split_once('.')?;
        let (_, parts) = CAUSES.iter().find(|(known, _)| *known == word)?;
        return PARTS.iter().position(|known| *known == part).and_then(|place| parts.get(place)).copied();
    }
    if let Some(word) = key.strip_prefix("rule.") {
        return Reason::ALL.iter().find(|reason| reason.as_str() == word).map(|reason| reason.sentence());
    }
    if let Some(word) = key.strip_prefix("refusal.") {
        return LoginRejection::ALL.iter().find(|refusal| refusal.as_str() == word).map(|refusal| refusal.sentence());
    }
    if let Some(name) = key.strip_prefix("help.") {
        return helped().find(|(known, _)| known == name).map(|(_, help)| help);
    }
    if key.starts_with("happened.") {
        return sayings().find(|saying| saying.key == key).map(|saying| saying.english);
    }
    others().find(|(known, _)| *known == key).map(|(_, text)| *text)
}

fn others() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    OTHERS.iter().chain(NOTICES).chain(SECRETS_AND_VALUES)
}

/// The texts of timelines.
fn sayings() -> impl Iterator<Item = MessageTemplate> {
    let all = provision::timeline_texts::SAYINGS.iter().chain(audit_texts::SAYINGS).copied();
    all.chain([audit_texts::ASKED, crate::store::RESTORED])
}

/// Returns all keys, so that pages can check their translations.
pub fn keys() -> impl Iterator<Item = String> {
    let causes = CAUSES.iter().flat_map(|(word, _)| PARTS.iter().map(move |part| format!("cause.{word}.{part}")));
    let rules = Reason::ALL.iter().map(|reason| format!("rule.{}", reason.as_str()));
    let refusals = LoginRejection::ALL.iter().map(|refusal| format!("refusal.{}", refusal.as_str()));
    let help = helped().map(|(name, _)| format!("help.{name}"));
    let happened = sayings().map(|saying| saying.key.to_owned());
    causes.chain(rules).chain(refusals).chain(help).chain(happened).chain(others().map(|(key, _)| (*key).to_owned()))
}

/// The help texts of all settings. Those of redirect services are the same for all vendors.
fn helped() -> impl Iterator<Item = (String, &'static str)> {
    let named = TABLE.iter().map(|setting| (setting.name.to_owned(), setting.help));
    named.chain(REDIRECT_SETTINGS.iter().map(|setting| (format!("redirect.{}", setting.name), setting.help)))
}

/// The parts of a diagnosis.
const PARTS: [&str; 3] = ["state", "why", "next"];

/// State, reason, next step.
const CAUSES: &[(&str, [&str; 3])] = &[
    ("working", ["In service", "The phone has its configuration and is registered since {since}.", "Nothing to do."]),
    (
        "change-pending",
        [
            "In service, change pending",
            "The configuration has changed since the phone fetched it.",
            "The phone takes it with its next request; it can be told to come now.",
        ],
    ),
    (
        "devices-lost",
        [
            "In service, connection to Devices lost",
            "The phone works with what it has, but Devices does not see it since {since}. {error}",
            "gangway opens the connection again by itself.",
        ],
    ),
    (
        "registering",
        [
            "Registering",
            "The phone has its configuration; {user} is expected to register at {pbx}.",
            "Wait a moment: the PBX is asked with growing pauses for ten minutes.",
        ],
    ),
    (
        "flags-pending",
        [
            "Flags not written yet",
            "The flags on the device {hwid} of {user} are not written yet. {error}",
            "gangway tries by itself.",
        ],
    ),
    (
        "not-registered",
        [
            "Provisioned, but not registered",
            "The phone has its configuration, but no connected PBX sees {user} registered.",
            "Look at the account status on the phone; check network, time and whether {pbx} takes SIP over TLS. Then ask the PBX again.",
        ],
    ),
    (
        "unknown-model",
        [
            "Provisioned, but not registered",
            "The phone calls itself {model}, which the folder of the vendor {vendor} does not list, and no PBX sees {user} registered.",
            "Look at the account status on the phone. If the model is new, add it to the vendor's folder.",
        ],
    ),
    (
        "flags-not-permitted",
        [
            "Flags not permitted",
            "gangway may not set the flags of the user's device: the app object {object} lacks the flag Admin.",
            "Tick Admin at the app object {object} in the PBX Manager; gangway goes on by itself.",
        ],
    ),
    (
        "flags-did-not-stick",
        [
            "Flags did not stick",
            "The PBX accepted the flags of the device {hwid} of {user}, but shows others. {error}",
            "Set Media Relay, TLS only and Reverse Proxy at the user's device by hand.",
        ],
    ),
    (
        "device-not-found",
        [
            "Device not found",
            "The PBX knows no user {user} with a device {hwid}. {error}",
            "Add the hardware id {hwid} to the user's devices, or provision the phone again. gangway looks again by itself.",
        ],
    ),
    (
        "pbx-away",
        [
            "Waiting for Devices",
            "No PBX is connected since {since}, so Devices is not known. {error}",
            "Check that the PBX runs, that the app objects exist, that their URL points here and that the flag Websocket is ticked.",
        ],
    ),
    (
        "services-not-granted",
        [
            "Waiting for Devices",
            "No connected app object has the flag Services, so gangway cannot find Devices.",
            "Tick Services at the app object in the PBX Manager; gangway goes on by itself.",
        ],
    ),
    (
        "devices-not-announced",
        [
            "Waiting for Devices",
            "The PBX announces no Devices app to gangway.",
            "Tick the Devices API in the Apps tab of the app object, and check that the Devices app is installed. gangway goes on by itself.",
        ],
    ),
    (
        "devices-away",
        [
            "Waiting for Devices",
            "Devices cannot be reached since {since}. {error}",
            "gangway goes on trying by itself.",
        ],
    ),
    (
        "no-descriptor",
        [
            "Waiting for a free descriptor",
            "The connection of this phone to Devices waits since {since}: the gateway has as many files and sockets open as it may.",
            "Raise LimitNOFILE= in the systemd unit (or `ulimit -Hn`) and restart the gateway. gangway goes on by itself when a descriptor is free.",
        ],
    ),
    (
        "connecting",
        [
            "Connecting to Devices",
            "The phone has been announced to Devices; its configuration has not come yet.",
            "Wait a moment.",
        ],
    ),
    (
        "code-refused",
        [
            "Not in domain",
            "Devices did not accept the provisioning code: it has expired, was used, or is unknown there. {error}",
            "Fetch a new code, or provision the phone again in Profile or UsersAdmin.",
        ],
    ),
    (
        "removed-in-devices",
        [
            "Not in domain",
            "Devices does not know this phone any more; somebody has removed it there. {error}",
            "Fetch a new code to bring it back, or remove it here too.",
        ],
    ),
    (
        "asked-before-config",
        [
            "Requested before config",
            "The phone asked at {since}, before its configuration had come from Devices.",
            "The phone asks again by itself; restart it if it does not within some minutes.",
        ],
    ),
    (
        "no-own-url",
        [
            "Waiting for our own URL",
            "gangway does not know under which URL the phones of gangway-{provider} reach it.",
            "Create the app object gangway-{provider} at the PBX and connect it, or configure public_url.",
        ],
    ),
    (
        "redirect-not-configured",
        [
            "No redirect account",
            "There is no account at the redirect service of {vendor}, so a phone out of its box does not find gangway by itself.",
            "Enter the account in the settings, or send the phone to {url} by DHCP or by hand and allow it once.",
        ],
    ),
    ("redirect-pending", ["Redirect under way", "The redirect service has not answered yet.", "Wait a moment."]),
    ("redirect-away", ["Redirect delayed", "{error}", "gangway tries again by itself."]),
    (
        "redirect-refused",
        [
            "Redirect refused",
            "The redirect service refused the phone. {error}",
            "Clear what it says, then redirect again.",
        ],
    ),
    (
        "redirect-foreign-owner",
        [
            "Owned by another account",
            "Another account at the redirect service of {vendor} holds this phone. {error}",
            "Have the former owner or the distributor release {mac} there, then redirect again.",
        ],
    ),
    (
        "redirected-not-asked",
        [
            "Redirected, waiting for the phone",
            "The phone has been redirected at {since} but has not asked yet.",
            "Reset the phone to factory settings and let it start. If it still does not ask, it may not trust the certificate of gangway: look at its list of trusted certificates.",
        ],
    ),
    (
        "certificate-refused",
        [
            "Refuses our certificate",
            "The phone at {address} refuses the certificate of gangway (alert {alert}, {since}): it does not get as far as asking.",
            "Run `gangway check`: is the chain complete, is the name right, is a CA in it that this model knows, is the clock right? A CA of your own must stand in the phone's list of trusted certificates first.",
        ],
    ),
    (
        "certificate-perhaps-refused",
        [
            "Waiting; perhaps it refuses our certificate",
            "The phone has not asked yet, and a device at {address} refuses the certificate of gangway (alert {alert}, {since}): perhaps it is this one.",
            "If the phone is there: run `gangway check`. Is the chain complete, is the name right, is a CA in it that this model knows, is the clock right? Otherwise reset it to factory settings and let it start.",
        ],
    ),
    (
        "allowed-not-asked",
        [
            "Allowed once, waiting for the phone",
            "Somebody has let the phone in again at {since}; it has not asked since.",
            "Restart the phone; if it was in service before, reset it to factory settings first.",
        ],
    ),
    (
        "window-expired",
        [
            "Never came",
            "The phone did not come before {since}; its redirect entry and the user's password have been withdrawn.",
            "Provision it again in Profile or UsersAdmin.",
        ],
    ),
    ("rejected", ["Rejected", "", "If the phone is yours, allow it once and restart it."]),
    (
        "window-closed",
        [
            "Asks again after a reset",
            "The phone asked at {since} from {address} without its own credentials, as after a factory reset, and its window is closed.",
            "If you have reset it, allow it once; it takes its configuration with its next request.",
        ],
    ),
    (
        "overdue",
        [
            "Overdue",
            "The phone has not asked for its configuration since long before {since}.",
            "Check that it has power and network. If it has been reset, allow it once.",
        ],
    ),
    (
        "orphaned",
        [
            "Orphaned",
            "All users of this phone are gone from the PBX: {users}. After seven days it gets no configuration any more.",
            "Provision it for another user, or remove it.",
        ],
    ),
    (
        "blocked",
        [
            "Blocked",
            "Somebody has blocked the phone: it gets nothing, whatever it proves.",
            "Activate it if it may come back.",
        ],
    ),
    (
        "releasing",
        [
            "Being released",
            "The phone is to fetch one more file with all accounts off.",
            "It does so with its next request; a restart brings that about.",
        ],
    ),
    (
        "released",
        [
            "Released",
            "The phone has been released: its accounts are off.",
            "Activate it to bring it back, or remove it.",
        ],
    ),
    ("removing", ["Being removed", "Redirect entry and connection to Devices are being taken back.", "Wait a moment."]),
    (
        "removed",
        [
            "Removed",
            "Redirect entry and connection to Devices have been taken back.",
            "Nothing to do. Provision it again to bring it back.",
        ],
    ),
    (
        "removed-with-leftovers",
        [
            "Removed, with something left",
            "The entry at the redirect service of {vendor} could not be taken back. {error}",
            "Delete {mac} there by hand.",
        ],
    ),
];

const OTHERS: &[(&str, &str)] = &[
    ("said", "{sentence}"),
    ("busy", "Too many requests are open: wait for their answers."),
    ("bad-request", "The request cannot be read: {sentence}"),
    ("bad-mac", "This is no MAC address: {sentence}"),
    ("no-phone", "No phone has the MAC address {mac}."),
    ("bad-address", "'{address}' is no IP address."),
    ("allow-blocked", "The phone {mac} is blocked, and allowing it once does not change that: activate it first."),
    ("phone-is-gone", "The phone {mac} has been removed: provision it again."),
    ("passive", "Nothing is done. {sentence}"),
    ("unknown-action", "There is no action '{action}'."),
    ("store-failed", "Nothing has been changed: {sentence}"),
    ("will.redirect-again", "The phone is registered at the redirect service once more."),
    (
        "will.allow",
        "The window is open for {days} days: the phone may fetch its configuration with what travels through the redirect service.",
    ),
    (
        "will.allow-first-contact",
        "The window is open for {days} days: the first phone that asks for {mac} gets its configuration, also without its redirect URL, from {from}.",
    ),
    ("will.new-code", "gangway joins Devices with a new code of the category {category}."),
    ("will.ask-registration", "The PBXs are asked now whether they see the phone."),
    ("will.resync", "The phone is told to come now; its time line says whether it does."),
    (
        "will.rotate-credentials",
        "The phone gets new credentials with its next file; the former ones are good until it has used the new ones.",
    ),
    (
        "rotation-under-way",
        "New credentials are on their way already: the phone has not used them yet. Have it come now.",
    ),
    ("will.release", "The phone gets one more file with all accounts off, then nothing."),
    ("will.block", "The phone gets nothing any more, whatever it proves."),
    (
        "will.remove",
        "Redirect entry, connection to Devices and record are taken back; what cannot be undone will be said here.",
    ),
    ("will.activate", "The phone is in service again."),
    ("nothing-to-redirect", "The redirect service has not refused this phone: there is nothing to do again ({state})."),
    ("bad-network", "'{network}' is no network: write 10.0.0.0/8, or leave it empty."),
    ("no-category", "Devices has several categories and the phone's own is not known: choose one."),
    ("unknown-category", "Devices has no such category."),
    (
        "category-not-config",
        "Devices uses the category {category} for update or backup jobs, not for provisioning: choose another one.",
    ),
    (
        "category-ambiguous",
        "Several domains of Devices have a category {category}: give its id instead of its name ({ids}).",
    ),
    ("devices-failed", "No code was fetched: {sentence}"),
    ("code-not-needed", "Devices knows this phone: it needs no new code."),
    ("not-rendered", "There is no file to show: {sentence}"),
    ("nothing-delivered", "The phone has not fetched a personal file yet: there is nothing to compare with."),
    (
        "delivered-file-not-kept",
        "The file delivered at {at} was not kept, so there is nothing to compare with. The next one will be.",
    ),
    ("bad-scope", "{sentence}"),
    ("settings-refused", "Nothing has been changed: {count} values are not possible."),
    ("setting-refused", "{sentence}"),
    ("not-for-this-scope", "Only the whole instance has this setting."),
    ("no-redirect-account", "There is no complete account for {vendor}: protocol, user and password are needed."),
    ("unknown-vendor", "There is no vendor '{vendor}'."),
    ("url-not-allowed", "{sentence}"),
    ("redirect-test", "{sentence}"),
    ("token.refused", "No token has been made: see the fields."),
    ("token.name", "A token needs a name of at most {most} characters."),
    ("token.name-taken", "There is a token {name} already: revoke it first, or choose another name."),
    ("token.scope", "The scope is read or write."),
    ("token.days", "A token lives 1 to {most} days, or without a number until it is revoked."),
    ("token.too-many", "There are {most} tokens: revoke those nobody uses."),
    ("token.unknown", "There is no such token: it may have been revoked already."),
    ("import.too-large", "The file is longer than 8 MiB."),
    ("import.nothing", "No file has been checked: send it first."),
    ("import.running", "An import is under way: wait for its end or stop it."),
    ("import.empty", "The file is empty."),
    ("import.no-column", "The head line names no column '{column}'; columns are {columns}."),
    ("import.column-twice", "The head line names the column '{column}' twice."),
    ("import.too-many-lines", "The file has more than {most} lines."),
    ("import.quote", "A quotation mark is opened and never closed."),
    ("import.fields", "The line has {count} fields, the head line {columns}."),
    ("import.missing", "The field '{column}' is empty."),
    ("import.too-long", "The field '{column}' is longer than {most} characters."),
    ("import.control", "The field '{column}' holds a character no phone's file can carry."),
    ("import.twice", "The MAC stands in line {line} already."),
    ("import.vendor-unknown", "The maker of this MAC is not known here: name the vendor in a column 'vendor'."),
    ("import.provider-unknown", "There is no provider '{provider}'; there are {providers}."),
    ("import.other-vendor", "The phone is in service as a {vendor} phone."),
    ("import.blocked", "The phone is blocked: activate it first."),
    (
        "import.password",
        "The user's password is needed for a phone or user that is new here: no PBX tells it. Provision it in UsersAdmin, or add a column 'password'.",
    ),
    ("import.no-pbx", "No PBX is connected, and the line names no 'pbx' and 'domain'."),
    ("import.failed", "{sentence}"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::service::cause::Cause;

    #[test]
    fn every_cause_has_its_texts_and_no_key_stands_twice() {
        for cause in Cause::ALL {
            for part in PARTS {
                assert!(template(&format!("cause.{}.{part}", cause.as_str())).is_some(), "{cause:?} {part}");
            }
        }
        let mut seen = HashSet::new();
        for key in keys() {
            assert!(template(&key).is_some(), "{key}");
            assert!(seen.insert(key.clone()), "{key} stands twice");
        }
        assert_eq!(CAUSES.len(), Cause::ALL.len(), "texts for a cause that does not exist");
    }
}
