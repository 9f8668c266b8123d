//! The timeline of a phone.

use jiff::Timestamp;

use super::error::StoreError;
use crate::{base::i18n::Message, phone::record::PhoneId};

/// Number of events kept per phone; older ones are deleted.
pub const EVENTS_KEPT: u32 = 500;

/// Something that happened to a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// A stable identifier for programs (`provisioned`, `redirected`, ...).
    pub kind: &'static str,
    /// A sentence for the administrator, without secrets.
    pub text: String,
    /// Further details, if any.
    pub detail: Option<String>,
    /// Message key and parameters of the sentence, if it has them: JSON as returned by [`Message::kept`].
    pub said: Option<String>,
}

impl NewEvent {
    /// An event whose sentence the pages can translate.
    #[must_use]
    pub fn said(kind: &'static str, said: &Message) -> Self {
        Self { kind, text: said.line(), detail: None, said: said.stored() }
    }

    /// An event with an English sentence only, without detail.
    #[must_use]
    pub fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), detail: None, said: None }
    }
}

/// A stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Row id; increases with time.
    pub id: i64,
    /// When it happened.
    pub at: Timestamp,
    /// See [`NewEvent::kind`].
    pub kind: String,
    /// See [`NewEvent::text`].
    pub text: String,
    /// See [`NewEvent::detail`].
    pub detail: Option<String>,
    /// See [`NewEvent::said`].
    pub said: Option<String>,
}

/// The timelines in the database. Events are added with the change of their phone.
pub(in crate::store) trait EventRepository {
    /// The newest events of a phone, newest first, at most `limit`.
    async fn events(&self, phone: PhoneId, limit: u32) -> Result<Vec<EventRow>, StoreError>;
}
