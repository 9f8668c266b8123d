//! Successful responses.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
};
use data_encoding::HEXLOWER;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Problem, text_of};
use crate::http::phone_files::conditional_requests::names_tag;

/// A response.
#[derive(Debug)]
pub struct RestResponse {
    status: StatusCode,
    media: &'static str,
    body: Vec<u8>,
    links: Vec<String>,
    location: Option<String>,
}

impl RestResponse {
    /// 200 with JSON.
    ///
    /// # Errors
    /// If the body cannot be serialised as JSON.
    pub fn json(body: &impl Serialize) -> Result<Self, Problem> {
        Self::with(StatusCode::OK, body)
    }

    /// 202: the request was accepted.
    ///
    /// # Errors
    /// If the body cannot be serialised as JSON.
    pub fn accepted(body: &impl Serialize) -> Result<Self, Problem> {
        Self::with(StatusCode::ACCEPTED, body)
    }

    fn with(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::broken(&error))?;
        Ok(Self { status, media: "application/json", body, links: Vec::new(), location: None })
    }

    /// 200 with a text of a different media type.
    #[must_use]
    pub fn text(media: &'static str, body: String) -> Self {
        Self { status: StatusCode::OK, media, body: body.into_bytes(), links: Vec::new(), location: None }
    }

    /// 204.
    #[must_use]
    pub fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, media: "", body: Vec::new(), links: Vec::new(), location: None }
    }

    /// Adds a link to a related resource (RFC 8288).
    #[must_use]
    pub fn link(mut self, relation: &str, address: &str) -> Self {
        self.links.push(format!("<{address}>; rel=\"{relation}\""));
        self
    }

    /// Adds the address to query next.
    #[must_use]
    pub fn at(mut self, address: String) -> Self {
        self.location = Some(address);
        self
    }

    /// Converts the response to HTTP: 304 if the client already has the content.
    #[must_use]
    pub fn into_response(self, asked: &HeaderMap) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status);
        for link in self.links {
            if let Ok(link) = HeaderValue::try_from(link) {
                answer.append_header((header::LINK, link));
            }
        }
        if let Some(location) = self.location {
            answer.insert_header((header::LOCATION, location));
        }
        if self.status != StatusCode::OK {
            return match self.body.is_empty() {
                true => answer.finish(),
                false => answer.insert_header((header::CONTENT_TYPE, self.media)).body(self.body),
            };
        }
        let etag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&self.body)[..12]));
        let known = text_of(asked, &header::IF_NONE_MATCH).is_some_and(|tags| names_tag(tags, &etag));
        answer.insert_header((header::ETAG, etag));
        answer.insert_header((header::CACHE_CONTROL, "private, no-cache"));
        if known {
            answer.status(StatusCode::NOT_MODIFIED);
            return answer.finish();
        }
        answer.insert_header((header::CONTENT_TYPE, self.media)).body(self.body)
    }
}
