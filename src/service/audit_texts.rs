//! Texts for actions of administrators on a phone, in its timeline and in the audit.

use crate::base::i18n::{MessageTemplate, sayings};

sayings! { "happened.":
    BY = "person", "{deed}, by {name}.";
    RELEASE = "deed-release", "Release";
    BLOCK = "deed-block", "Block";
    REMOVE = "deed-remove", "Remove";
    ACTIVATE = "deed-activate", "Activate";
    ASK_REGISTRATION = "deed-ask-registration", "Ask the PBXs for the registration";
    RESYNC = "deed-resync", "Have the phone come now";
    REDIRECT_AGAIN = "deed-redirect-again", "Redirect again";
    ROTATE = "deed-rotate", "Change the phone's own credentials";
    ALLOW = "deed-allow", "Allow once";
    ALLOW_ANYWHERE = "deed-allow-anywhere", "Allow once, also without the redirect URL, from anywhere";
    ALLOW_FROM = "deed-allow-from", "Allow once, also without the redirect URL, from {from}";
    NEW_CODE = "deed-new-code", "Fetch a new code";
    REVEAL_FILES = "deed-reveal-files", "Show the password with which the phone fetches its files";
    REVEAL_WEB = "deed-reveal-web", "Show the generated password of the phone's web page";
    CHANGE = "deed-change", "Change {names}";
    IMPORTED = "deed-imported", "Imported for {user} (line {line})";
}

/// The last request of a phone, in its timeline.
pub const ASKED: MessageTemplate =
    MessageTemplate { key: "happened.last-request", english: "{address} asked for {file}: {outcome}" };
