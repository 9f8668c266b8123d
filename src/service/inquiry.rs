//! Questions of somebody without a socket: the same messages as the page's, answered as one object each. So a script and
//! a page are told the same, refused for the same reasons and written down alike.

use gangway_wire::appws::Envelope;
use serde_json::{Map, Value};

use super::{AdminService, response::RequestError, session::AdminSession, text::Text};
use crate::{
    net::appwebsocket::link,
    service::caller::{API, Caller},
};

/// Members of messages that are none of the answer's.
const OF_THE_MESSAGE: [&str; 5] = ["mt", "api", "src", "part", "last"];

/// Somebody who asks. What one question prepares (a checked file) serves the next one.
pub struct Inquiry {
    session: AdminSession,
}

impl Inquiry {
    /// At the desk.
    #[must_use]
    pub fn new(desk: &AdminService, person: Caller) -> Self {
        // Nothing is ever told to somebody who only asks.
        let (out, _nobody) = link();
        Self { session: AdminSession::new(desk.clone(), person, out) }
    }

    /// Asks one thing; the members of all parts of the answer, lists joined.
    ///
    /// # Errors
    /// Why it is not carried out.
    pub async fn ask(&mut self, mt: &str, mut body: Value) -> Result<Map<String, Value>, RequestError> {
        if let Some(members) = body.as_object_mut() {
            members.insert("mt".to_owned(), mt.into());
        }
        let message = Envelope { mt: mt.to_owned(), api: Some(API.to_owned()), src: None, body, raw: String::new() };
        let parts = match self.session.answer_of(message).await {
            Some(answer) => answer?,
            None => return Err(Text::new("unknown-action").with("action", mt).into()),
        };
        joined(&parts)
    }

    /// Checks a file for an import.
    ///
    /// # Errors
    /// When it is too long.
    pub fn check_file(&mut self, bytes: &[u8]) -> Result<Map<String, Value>, RequestError> {
        joined(&self.session.check_file(bytes)?)
    }
}

fn joined(parts: &[String]) -> Result<Map<String, Value>, RequestError> {
    let mut whole = Map::new();
    for part in parts {
        let members: Map<String, Value> = serde_json::from_str(part)
            .map_err(|error| RequestError::from(Text::new("bad-request").with("sentence", error.to_string())))?;
        for (name, value) in members {
            if OF_THE_MESSAGE.contains(&name.as_str()) {
                continue;
            }
            match (whole.get_mut(&name), value) {
                (Some(Value::Array(rows)), Value::Array(more)) => rows.extend(more),
                (Some(_), _) => {}
                (None, value) => {
                    whole.insert(name, value);
                }
            }
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parts_become_one_object() {
        let parts = [
            r#"{"mt":"DevicesResult","api":"gangway","total":3,"rows":[1,2],"part":true}"#.to_owned(),
            r#"{"mt":"DevicesResult","api":"gangway","total":3,"rows":[3],"last":true}"#.to_owned(),
        ];
        assert_eq!(Value::Object(joined(&parts).unwrap()), json!({ "total": 3, "rows": [1, 2, 3] }));
    }
}
