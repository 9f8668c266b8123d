//! Table `event`: the timeline of a phone.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::codec::{ms, time};
use crate::store::{
    Store,
    api::error::{ErrorContext, StoreError},
};
use crate::{
    base::{i18n::Message, telemetry::escape_control},
    phone::record::PhoneId,
};

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

/// Appends events and deletes those beyond [`EVENTS_KEPT`].
pub(in crate::store) async fn add(
    connection: &mut SqliteConnection,
    phone: PhoneId,
    at: Timestamp,
    events: &[NewEvent],
) -> Result<(), StoreError> {
    let at = ms(at);
    for event in events {
        // Sentences may contain text from services or phones. Control characters are escaped so that an event is always
        // one line.
        let text = escape_control::line(&event.text);
        let detail = event.detail.as_deref().map(escape_control::lines);
        let (text, detail) = (&*text, detail.as_deref());
        sqlx::query!(
            "INSERT INTO event (phone_id, at, kind, text, detail, said) VALUES (?, ?, ?, ?, ?, ?)",
            phone.0,
            at,
            event.kind,
            text,
            detail,
            event.said
        )
        .execute(&mut *connection)
        .await
        .attempt("note what happened to the phone")?;
    }
    if !events.is_empty() {
        sqlx::query!(
            "DELETE FROM event WHERE phone_id = ?1 AND id <=
                (SELECT id FROM event WHERE phone_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            phone.0,
            EVENTS_KEPT
        )
        .execute(connection)
        .await
        .attempt("forget the oldest events of the phone")?;
    }
    Ok(())
}

impl Store {
    /// The newest events of a phone, newest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn events(&self, phone: PhoneId, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT id AS "id!", at, kind, text, detail, said FROM event WHERE phone_id = ? ORDER BY id DESC LIMIT ?"#,
            phone.0,
            limit
        )
        .fetch_all(&self.readers()?)
        .await
        .attempt("read the events of the phone")?;
        Ok(rows
            .into_iter()
            .map(|row| EventRow {
                id: row.id,
                at: time(row.at),
                kind: row.kind,
                text: row.text,
                detail: row.detail,
                said: row.said,
            })
            .collect())
    }
}
