//! One request as a handler sees it.

use std::{future::Future, pin::Pin};

use actix_web::web::Query;
use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Problem, response::RestResponse};
use crate::{service::Inquiry, store::ApiToken};

/// How a handler ends.
pub type HandlerResult = Pin<Box<dyn Future<Output = Result<RestResponse, Problem>> + Send>>;

/// A proven request with its body.
pub struct RestRequest {
    /// The desk, asked in the name of the token.
    pub inquiry: Inquiry,
    /// The token.
    pub token: ApiToken,
    /// What stood at the places of the path.
    pub params: Vec<String>,
    /// The query, still encoded.
    pub query: String,
    /// The body.
    pub body: Bytes,
    /// The path everything here lies below.
    pub base: String,
}

impl RestRequest {
    /// What stood at a place of the path.
    #[must_use]
    pub fn param(&self, place: usize) -> &str {
        self.params.get(place).map(String::as_str).unwrap_or_default()
    }

    /// The members of the query; unknown ones, doubled ones and those of another type are errors.
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

    /// The members of the body; an empty one is taken for `{}`.
    ///
    /// # Errors
    /// 400.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let body: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        // A list would be taken for the members in their order.
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(Problem::unreadable("body", "it is no JSON object"));
        }
        serde_json::from_slice(body).map_err(|error| Problem::unreadable("body", error))
    }

    /// Asks the desk; its answer as this api has it.
    ///
    /// # Errors
    /// What the desk refuses.
    pub async fn ask<T: DeserializeOwned>(&mut self, mt: &str, body: Value) -> Result<T, Problem> {
        let members = self.inquiry.ask(mt, body).await?;
        T::deserialize(Value::Object(members)).map_err(|error| Problem::broken(mt, &error))
    }

    /// Asks the desk and answers with what it says.
    ///
    /// # Errors
    /// What the desk refuses.
    pub async fn pass<T: DeserializeOwned + Serialize>(
        mut self,
        mt: &str,
        body: Value,
    ) -> Result<RestResponse, Problem> {
        let answer: T = self.ask(mt, body).await?;
        RestResponse::json(&answer)
    }
}

/// Words separated by commas, as a list.
#[must_use]
pub fn list(words: Option<&str>) -> Vec<&str> {
    words.into_iter().flat_map(|words| words.split(',')).map(str::trim).filter(|word| !word.is_empty()).collect()
}

/// A number of rows within what one answer may hold.
///
/// # Errors
/// 400.
pub fn limit(wanted: Option<u32>, usual: u32, most: u32) -> Result<u32, Problem> {
    match wanted.unwrap_or(usual) {
        count if (1..=most).contains(&count) => Ok(count),
        count => Err(Problem::unreadable("query", format!("limit={count} is not between 1 and {most}"))),
    }
}
