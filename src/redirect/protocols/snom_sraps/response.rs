//! Interprets the answers of SRAPS: JSON, the next page in a header, and errors in the service's own texts.

use serde_json::Value;

use super::link_header::next_page;
use crate::redirect::{
    protocol::ServiceResponse,
    redact::shortened,
    result::{RedirectFailure, RedirectResult},
};

/// Maximum length of a text of the service that is quoted in a sentence.
const LONGEST_TEXT: usize = 300;

/// A successful answer.
#[derive(Debug, Clone)]
pub(crate) struct SrapsPage {
    /// Its JSON; `Null` if there is no body.
    pub(crate) value: Value,
    /// The link to the next page of a list.
    pub(crate) next: Option<String>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SrapsError {
    /// 404: the object does not exist.
    NotThere,
    /// Any other error.
    Other(RedirectResult),
}

/// A page or an error.
pub(crate) type SrapsResponse = Result<SrapsPage, SrapsError>;

impl SrapsError {
    /// The result if the phone's own object was requested.
    pub(crate) fn outcome(&self) -> RedirectResult {
        match self {
            Self::NotThere => RedirectResult::NotFound,
            Self::Other(outcome) => outcome.clone(),
        }
    }

    /// The result if an object was requested that must exist.
    pub(crate) fn incidental_error(self) -> RedirectResult {
        match self {
            Self::NotThere => RedirectResult::Transport(RedirectFailure::Status(404)),
            Self::Other(outcome) => outcome,
        }
    }

    /// Whether the cause may be an address or id that is no longer valid.
    pub(crate) fn maybe_incidental(&self) -> bool {
        matches!(
            self,
            Self::NotThere
                | Self::Other(RedirectResult::Unknown(_) | RedirectResult::Transport(RedirectFailure::Status(_)))
        )
    }
}

/// Reads an answer.
pub(crate) fn read(answer: &ServiceResponse) -> SrapsResponse {
    let text = answer.text();
    let text = text.trim_start_matches('\u{feff}').trim();
    if (200..=299).contains(&answer.status) {
        let value = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(text) };
        let next = answer.header("link").and_then(next_page);
        return value.map(|value| SrapsPage { value, next }).map_err(|error| {
            SrapsError::Other(RedirectResult::Transport(if text.starts_with(['{', '[']) {
                RedirectFailure::HalfAnswer(error.to_string())
            } else {
                RedirectFailure::NotTheProtocol(text.chars().take(80).collect())
            }))
        });
    }
    Err(refusal(answer, &error_text(text)))
}

/// Returns `message`, else `error`, else `detail` of a JSON object; else the text itself, unless it is a web page.
fn error_text(text: &str) -> String {
    let object = serde_json::from_str::<Value>(text).unwrap_or_default();
    let field = |name: &str| object.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let words = ["message", "error", "detail"].iter().find_map(|name| field(name));
    let words = words.unwrap_or(if text.starts_with('<') { "" } else { text });
    shortened(words.to_owned(), LONGEST_TEXT)
}

fn refusal(answer: &ServiceResponse, error_text: &str) -> SrapsError {
    let words = error_text.to_lowercase();
    let is_foreign =
        words.contains("taken_mac_or_forbidden") || (words.contains("permission") && words.contains("endpoint"));
    let with_text = |text: &str| if text.is_empty() { format!("status {}", answer.status) } else { text.to_owned() };
    SrapsError::Other(match answer.status {
        // The texts are documented, their statuses are not.
        400..=499 if is_foreign => RedirectResult::OwnedByOther,
        404 => return SrapsError::NotThere,
        // A signature rejected for a reason other than the secret is caused by gangway or by something in between.
        401 if ["payload hash", "nonce"].iter().any(|word| words.contains(word)) => {
            RedirectResult::Unknown(error_text.to_owned())
        }
        403 => RedirectResult::NotPermitted(with_text(error_text)),
        400 | 409 | 422 if words.contains("url") => RedirectResult::InvalidUrl(error_text.to_owned()),
        400 | 409 | 422 if words.split(|c: char| !c.is_alphanumeric()).any(|word| word == "mac") => {
            RedirectResult::InvalidMac
        }
        400 | 409 | 422 if !error_text.is_empty() => RedirectResult::Unknown(error_text.to_owned()),
        _ => match answer.refused_by_status() {
            Some(outcome) => outcome,
            None => RedirectResult::Transport(RedirectFailure::Status(answer.status)),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_recognised_by_their_words() {
        for (status, body, label) in [
            (403, r#"{"message":"User lacks permission to endpoint"}"#, "owned_by_other"),
            (409, r#"{"error":"taken_mac_or_forbidden"}"#, "owned_by_other"),
            (400, "taken_mac_or_forbidden", "owned_by_other"),
            (403, r#"{"message":"","detail":"Role None"}"#, "not_permitted"),
            (403, "<html>no</html>", "not_permitted"),
            (401, r#"{"message":"Unknown credentials"}"#, "auth_failed"),
            (401, r#"{"message":"Bad mac"}"#, "auth_failed"),
            (401, r#"{"message":"Bad payload hash"}"#, "unknown"),
            (401, r#"{"message":"Invalid nonce"}"#, "unknown"),
            (400, r#"{"detail":"invalid url for setting"}"#, "invalid_url"),
            (422, r#"{"message":"Invalid mac address"}"#, "invalid_mac"),
            (400, r#"{"message":"no such machine"}"#, "unknown"),
            (400, "<html>no</html>", "transport"),
            (429, "", "rate_limited"),
            (503, "<html>no</html>", "transport"),
        ] {
            let Err(refusal) = read(&ServiceResponse::bare(status, body)) else { panic!("{status} {body}") };
            assert_eq!(refusal.outcome().label(), label, "{status} {body}");
        }
        assert_eq!(read(&ServiceResponse::bare(404, "<html>")).unwrap_err(), SrapsError::NotThere);
        assert!(error_text(&format!("{{\"message\":\"{}\"}}", "x".repeat(999))).len() < 310);
        // The order of preference.
        assert_eq!(error_text(r#"{"detail":"c","error":"b","message":"a"}"#), "a");
        assert_eq!(error_text(r#"{"detail":"c","error":"b"}"#), "b");
    }

    #[test]
    fn success_is_json_or_nothing() {
        assert_eq!(read(&ServiceResponse::bare(204, "")).unwrap().value, Value::Null);
        assert_eq!(read(&ServiceResponse::bare(200, "\u{feff} {\"a\":1}")).unwrap().value["a"], 1);
        for (body, part) in [("<!DOCTYPE html><html>", "something else"), ("[{\"uuid\":\"1", "only a part")] {
            let Err(refusal) = read(&ServiceResponse::bare(200, body)) else { panic!("{body}") };
            assert!(refusal.outcome().sentence().contains(part) && refusal.outcome().is_retryable());
        }
    }
}
