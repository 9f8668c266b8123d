//! Messages for users, in two languages.
//!
//! A message is a key and its parameters. The texts of all keys are in one file per language,
//! `templates/admin/text/<language>.json`, which the gateway and the admin page both read: the gateway fills in the
//! English text for logs, commands and scripts; the page fills in the text of its own language. Timelines store key and
//! parameters beside the English text, so that an entry can be shown in either language later.

mod message;
mod sentence;
mod texts;

pub use message::{Message, MessageKey, filled};
pub use sentence::message_of;
pub use texts::{english, keys};

/// Declares message keys as constants below a common prefix: `REQUESTED = "requested";`.
macro_rules! message_keys {
    ($prefix:literal: $($name:ident = $key:literal;)+) => {
        $(pub(crate) const $name: $crate::base::i18n::MessageKey =
            $crate::base::i18n::MessageKey(concat!($prefix, $key));)+
    };
}
pub(crate) use message_keys;

/// Gives every variant of a `labelled_enum!` its text: the key is the prefix and the name of the variant.
macro_rules! translated {
    ($name:ident, $prefix:expr) => {
        impl $name {
            /// The text for users, as a message that pages translate.
            #[must_use]
            pub fn message(self) -> $crate::base::i18n::Message {
                $crate::base::i18n::Message::new(format!("{}{}", $prefix, self.as_str()))
            }

            /// The English text for users.
            #[must_use]
            pub fn text(self) -> &'static str {
                $crate::base::i18n::english(&format!("{}{}", $prefix, self.as_str())).unwrap_or(self.as_str())
            }
        }
    };
}
pub(crate) use translated;
