//! Texts for actions of administrators on a phone, in its timeline and in the audit.

use crate::base::i18n::{MessageKey, message_keys};

message_keys! { "happened.":
    BY = "person";
    RELEASE = "deed-release";
    BLOCK = "deed-block";
    REMOVE = "deed-remove";
    ACTIVATE = "deed-activate";
    ASK_REGISTRATION = "deed-ask-registration";
    RESYNC = "deed-resync";
    REDIRECT_AGAIN = "deed-redirect-again";
    ROTATE = "deed-rotate";
    ALLOW = "deed-allow";
    ALLOW_ANYWHERE = "deed-allow-anywhere";
    ALLOW_FROM = "deed-allow-from";
    NEW_CODE = "deed-new-code";
    REVEAL_FILES = "deed-reveal-files";
    REVEAL_WEB = "deed-reveal-web";
    CHANGE = "deed-change";
    IMPORTED = "deed-imported";
}

/// The last request of a phone, in its timeline.
pub const FILE_REQUESTED: MessageKey = MessageKey("happened.last-request");
