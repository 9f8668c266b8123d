//! Reads request bodies, with a size limit and a time limit each.

use std::time::Duration;

use actix_web::{
    http::header::{self, HeaderMap},
    web::Payload,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::{Problem, route::Takes, text_of};

/// Maximum size of a JSON body.
pub const JSON_BYTES: usize = 256 << 10;
/// Maximum size of an import file.
pub const CSV_BYTES: usize = crate::service::IMPORT_BYTES;
/// Time limit for a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the body if the route has one.
///
/// # Errors
/// 400, 408, 413, or 415 as problems.
pub async fn read(headers: &HeaderMap, payload: Payload, takes: Takes) -> Result<Bytes, Problem> {
    let (media, limit) = match takes {
        Takes::Nothing => return Ok(Bytes::new()),
        Takes::Json => ("application/json", JSON_BYTES),
        Takes::Csv => ("text/csv", CSV_BYTES),
    };
    let announced = text_of(headers, &header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Problem::too_large(limit));
    }
    let named = text_of(headers, &header::CONTENT_TYPE).unwrap_or_default();
    let named = named.split(';').next().unwrap_or_default().trim();
    if !named.eq_ignore_ascii_case(media) {
        return Err(Problem::wrong_media(media));
    }
    match tokio::time::timeout(PATIENCE, collected(payload, limit)).await {
        Ok(body) => body,
        Err(_elapsed) => Err(Problem::slow(PATIENCE.as_secs())),
    }
}

async fn collected(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| Problem::unreadable("body", error))?;
        if body.len() + chunk.len() > limit {
            return Err(Problem::too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
