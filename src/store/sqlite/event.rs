//! Table `event`: the timeline of a phone.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{
    Sqlite,
    codec::{ms, time},
    error_context::ErrorContext,
};
use crate::{
    base::telemetry::escape_control,
    phone::record::PhoneId,
    store::api::{
        error::StoreError,
        event::{EVENTS_KEPT, EventRepository, EventRow, NewEvent},
    },
};

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

impl EventRepository for Sqlite {
    async fn events(&self, phone: PhoneId, limit: u32) -> Result<Vec<EventRow>, StoreError> {
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
