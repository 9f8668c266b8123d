//! The messages of the admin API.

/// A message for users; see [`crate::base::i18n`].
pub type Text = crate::base::i18n::Message;
