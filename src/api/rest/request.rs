//! One request, as passed to a handler.

use std::{future::Future, pin::Pin};

use actix_web::web::Query;
use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::{Problem, response::RestResponse};
use crate::{
    service::{AdminService, caller::Caller},
    store::ApiToken,
};

/// The result of a handler.
pub type HandlerResult = Pin<Box<dyn Future<Output = Result<RestResponse, Problem>> + Send>>;

/// An authenticated request with its body.
pub struct RestRequest {
    /// The service, and on whose behalf it is called.
    pub service: AdminService,
    /// The holder of the token.
    pub caller: Caller,
    /// The token.
    pub token: ApiToken,
    /// The path parameters.
    pub params: Vec<String>,
    /// The query, still encoded.
    pub query: String,
    /// The body.
    pub body: Bytes,
    /// The base path of the API.
    pub base: String,
}

impl RestRequest {
    /// Returns a path parameter.
    #[must_use]
    pub fn param(&self, place: usize) -> &str {
        self.params.get(place).map(String::as_str).unwrap_or_default()
    }

    /// Parses the query. Unknown, repeated, and invalid members are errors.
    ///
    /// # Errors
    /// 400.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        match Query::<T>::from_query(&self.query) {
            Ok(query) => Ok(query.into_inner()),
            Err(actix_web::error::QueryPayloadError::Deserialize(error)) => Err(Problem::unreadable("query", error)),
            Err(error) => Err(Problem::unreadable("query", error)),
        }
    }

    /// Parses the body. An empty one counts as `{}`.
    ///
    /// # Errors
    /// 400.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        // Serde would accept a list as the members in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::unreadable("body", "it is no JSON object"));
        }
        serde_json::from_slice(body).map_err(|error| Problem::unreadable("body", error))
    }
}

/// Splits a comma-separated list.
#[must_use]
pub fn list(words: Option<&str>) -> Vec<String> {
    let words = words.into_iter().flat_map(|words| words.split(',')).map(str::trim);
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Checks the requested number of rows against the maximum.
///
/// # Errors
/// 400.
pub fn limit(wanted: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    match wanted.unwrap_or(usual) {
        count if (1..=most).contains(&count) => Ok(count),
        count => Err(Problem::unreadable("query", format!("limit={count} is not between 1 and {most}"))),
    }
}
