//! Requests without a socket. The messages are those of the page, and each answer is one object. A script thus gets the
//! same answers, errors, and audit entries as the page.

use gangway_wire::appws::Envelope;
use serde_json::{Map, Value};

use super::{AdminService, response::RequestError, session::AdminSession, text::Text};
use crate::{
    net::appwebsocket::link,
    service::caller::{API, Caller},
};

/// Members of messages that are not part of the answer.
const OF_THE_MESSAGE: [&str; 5] = ["mt", "api", "src", "part", "last"];

/// A caller that sends requests. A checked file is available to the following request.
pub struct Inquiry {
    session: AdminSession,
}

impl Inquiry {
    /// Creates a session with the admin service.
    #[must_use]
    pub fn new(desk: &AdminService, person: Caller) -> Self {
        // There are no subscriptions, so nothing is ever sent.
        let (out, _nobody) = link();
        Self { session: AdminSession::new(desk.clone(), person, out) }
    }

    /// Sends one request. Returns the members of all parts of the answer, with lists joined.
    ///
    /// # Errors
    /// Why it is rejected.
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
    /// If it is too long.
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
