//! Interprets the answers of Yealink's YMCS: pages, bulk results with status 200 although every entry failed, and
//! errors as `{code, message, details}` beside the HTTP status.

use gangway_base::{mac::Mac, secret::Secret};
use serde_json::Value;

use crate::redirect::{
    protocol::ServiceResponse,
    redact::shortened,
    result::{RedirectFailure, RedirectResult, SerialTrouble},
};

/// Maximum length of a text of the service that is quoted in a sentence.
const LONGEST_TEXT: usize = 300;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum YmcsError {
    /// The token is invalid or expired.
    Token,
    /// The nonce was seen before: the same call arrived twice.
    Replay,
    /// The object to add exists already.
    Exists(String),
    /// Any other error, in the terms common to all vendors.
    Other(RedirectResult),
}

impl YmcsError {
    /// The result when nothing else can be tried.
    pub(crate) fn outcome(&self) -> RedirectResult {
        match self {
            Self::Token => RedirectResult::Transport(RedirectFailure::TokenRefused),
            Self::Replay => RedirectResult::Unknown("the nonce was used before".to_owned()),
            Self::Exists(text) => RedirectResult::Unknown(text.clone()),
            Self::Other(outcome) => outcome.clone(),
        }
    }
}

/// The JSON of a successful answer (`Null` if there is no body), or the error.
pub(crate) fn read(answer: &ServiceResponse) -> Result<Value, YmcsError> {
    let text = answer.text();
    let text = text.trim_start_matches('\u{feff}').trim();
    let parsed = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str::<Value>(text) };
    if (200..=299).contains(&answer.status) {
        let value = parsed.map_err(|error| {
            let trouble = if text.starts_with(['{', '[']) {
                RedirectFailure::HalfAnswer(error.to_string())
            } else {
                RedirectFailure::NotTheProtocol(text.chars().take(80).collect())
            };
            YmcsError::Other(RedirectResult::Transport(trouble))
        })?;
        // Status 200 with an error in the body; the code for success is 900200.
        return match code_of(value.get("code")) {
            Some(code) if code != 900_200 => Err(refusal(answer, Some(code), &value)),
            _ => Ok(value),
        };
    }
    let value = parsed.unwrap_or(Value::Null);
    Err(refusal(answer, code_of(value.get("code")), &value))
}

/// Reads a code given as a number, as a text, or at the beginning of a text.
fn code_of(value: Option<&Value>) -> Option<u32> {
    match value? {
        Value::Number(number) => number.as_u64().and_then(|code| u32::try_from(code).ok()),
        Value::String(text) => {
            let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
            digits.parse().ok()
        }
        _ => None,
    }
}

/// `<code> <message> (<field>: <message>)`, with the parts that are present.
fn error_text(code: Option<u32>, value: &Value) -> String {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let mut parts: Vec<String> = code.map(|code| code.to_string()).into_iter().collect();
    parts
        .extend(["message", "error_description", "error"].iter().map(|name| text(value, name)).find(|t| !t.is_empty()));
    for detail in value.get("details").and_then(Value::as_array).into_iter().flatten().take(5) {
        parts.push(format!("({}: {})", text(detail, "field"), text(detail, "message")));
    }
    shortened(parts.join(" "), LONGEST_TEXT)
}

fn refusal(answer: &ServiceResponse, code: Option<u32>, value: &Value) -> YmcsError {
    let error_text = error_text(code, value);
    let outcome = match code {
        Some(900_401 | 900_440) => return YmcsError::Token,
        Some(500_403) => return YmcsError::Replay,
        Some(800_003 | 800_130) => return YmcsError::Exists(error_text),
        Some(500_401) => RedirectResult::Unknown(format!(
            "{error_text}; time or address may be wrong: compare the clock of this machine, and redirect.<vendor>.url with \
             the region of the account"
        )),
        Some(code) => match result_of_code(code, &error_text, value) {
            Some(outcome) => outcome,
            None => by_status(answer, error_text),
        },
        None => by_status(answer, error_text),
    };
    YmcsError::Other(outcome)
}

/// The result of a code, regardless of the status.
fn result_of_code(code: u32, error_text: &str, value: &Value) -> Option<RedirectResult> {
    Some(match code {
        // Not a MAC, or the MAC of a device that the service does not redirect.
        800_001 | 800_005 | 800_200 => RedirectResult::InvalidMac,
        800_002 => RedirectResult::NeedsSerial(SerialTrouble::Refused),
        800_004 => RedirectResult::OwnedByOther,
        800_008 => RedirectResult::NotPermitted(error_text.to_owned()),
        800_007 | 900_400 => parameter(error_text, value),
        900_403 => RedirectResult::NotPermitted(error_text.to_owned()),
        900_404 => RedirectResult::NotFound,
        900_408 | 900_409 | 900_412 | 900_500..=900_599 => {
            RedirectResult::Transport(RedirectFailure::OutOfOrder(error_text.to_owned()))
        }
        _ => return None,
    })
}

/// The result for a rejected parameter.
fn parameter(error_text: &str, value: &Value) -> RedirectResult {
    let fields = value.get("details").and_then(Value::as_array).into_iter().flatten();
    for field in fields.filter_map(|detail| detail.get("field").and_then(Value::as_str)) {
        let field = field.to_ascii_lowercase();
        let field = field.rsplit(['.', ']']).find(|part| !part.is_empty()).unwrap_or_default();
        match field {
            "mac" => return RedirectResult::InvalidMac,
            "sn" => return RedirectResult::NeedsSerial(SerialTrouble::Refused),
            "uniqueserverurl" | "url" => return RedirectResult::InvalidUrl(error_text.to_owned()),
            "servername" => return RedirectResult::InvalidServerName(error_text.to_owned()),
            _ => {}
        }
    }
    RedirectResult::Unknown(error_text.to_owned())
}

fn by_status(answer: &ServiceResponse, error_text: String) -> RedirectResult {
    match answer.refused_by_status() {
        _ if answer.status == 400 && !error_text.is_empty() => RedirectResult::Unknown(error_text),
        Some(RedirectResult::NotPermitted(_)) if !error_text.is_empty() => RedirectResult::NotPermitted(error_text),
        Some(outcome) => outcome,
        None => RedirectResult::Unknown(error_text),
    }
}

/// Interprets a rejected token request: wrong credentials are reported as 400 or 401 with the error codes of OAuth.
pub(crate) fn token_refused(answer: &ServiceResponse, refusal: YmcsError) -> RedirectResult {
    let value: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
    let is_client =
        matches!(value.get("error").and_then(Value::as_str), Some("invalid_client" | "unauthorized_client"));
    let is_headers = code_of(value.get("code")) == Some(500_401);
    match refusal {
        refusal if is_headers => refusal.outcome(),
        _ if is_client || answer.status == 401 => RedirectResult::AuthFailed,
        other => other.outcome(),
    }
}

/// A token and its validity in seconds.
pub(crate) fn token(value: &Value) -> Option<(Secret, u32)> {
    let token = value.get("access_token")?.as_str().filter(|token| !token.is_empty())?;
    let usable = token.chars().all(|c| c.is_ascii_graphic());
    let seconds = code_of(value.get("expires_in")).unwrap_or(0);
    usable.then(|| (Secret::new(token), seconds))
}

/// A phone in a list of the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// Whether it was registered with its serial number.
    pub(crate) has_serial: bool,
    /// Its own URL, or the URL of its server entry.
    pub(crate) url: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct YmcsPage<'a> {
    pub(crate) rows: &'a [Value],
    pub(crate) total: u64,
}

/// Reads a page. `data` is an array or null; without `total` the page is the whole list.
pub(crate) fn page(value: &Value) -> Option<YmcsPage<'_>> {
    let object = value.as_object()?;
    let rows = match object.get("data")? {
        Value::Array(rows) => rows.as_slice(),
        Value::Null => &[],
        _ => return None,
    };
    let total = object.get("total").and_then(Value::as_u64).unwrap_or(rows.len() as u64);
    Some(YmcsPage { rows, total })
}

/// Finds the phone in the rows. The service's filter is fuzzy, so MACs are compared exactly.
pub(crate) fn phone_in(rows: &[Value], mac: Mac) -> Option<Listed> {
    let row = rows.iter().find(|row| mac_of(row) == Some(mac))?;
    let has_serial = row.get("sn").and_then(Value::as_str).is_some_and(|sn| !sn.trim().is_empty());
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let url = text("uniqueServerUrl").or_else(|| text("serverUrl")).map(str::to_owned);
    Some(Listed { id: id_of(row)?, has_serial, url })
}

/// The id of the server entry with exactly this name.
pub(crate) fn server_in(rows: &[Value], name: &str) -> Option<String> {
    let is_named = |row: &&Value| row.get("serverName").and_then(Value::as_str) == Some(name);
    rows.iter().find(is_named).and_then(id_of)
}

fn mac_of(row: &Value) -> Option<Mac> {
    row.get("mac").and_then(Value::as_str)?.parse().ok()
}

/// An id that is safe to use in a path.
fn id_of(row: &Value) -> Option<String> {
    let id = match row.get("id")? {
        Value::String(id) => id.clone(),
        Value::Number(id) => id.to_string(),
        _ => return None,
    };
    let fit = (1..=128).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    fit.then_some(id)
}

/// The result of a bulk call with one entry. The counters decide, not the status.
pub(crate) fn bulk(value: &Value) -> Result<(), YmcsError> {
    let count = |name: &str| value.get(name).and_then(Value::as_u64);
    let errors = value.get("errors").and_then(Value::as_array);
    let first = errors.and_then(|errors| errors.first());
    match (count("successCount"), count("failureCount")) {
        (Some(1..), None | Some(0)) if first.is_none() => Ok(()),
        (None, None) if first.is_none() => {
            Err(YmcsError::Other(RedirectResult::Unknown(shortened(value.to_string(), LONGEST_TEXT))))
        }
        _ => Err(bulk_error(first.unwrap_or(&Value::Null))),
    }
}

/// Reads `errorInfo` (a code, or a text with a message key) or `msg`.
fn bulk_error(error: &Value) -> YmcsError {
    let info = ["errorInfo", "msg", "message"].iter().find_map(|name| error.get(name));
    let text = match info {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let text = shortened(text, LONGEST_TEXT);
    match code_of(info) {
        Some(800_003) => return YmcsError::Exists(text),
        Some(code) => {
            if let Some(outcome) = result_of_code(code, &text, &Value::Null) {
                return YmcsError::Other(outcome);
            }
        }
        None if text.contains("device.mac.invalid") => return YmcsError::Other(RedirectResult::InvalidMac),
        None => {}
    }
    YmcsError::Other(RedirectResult::Unknown(if text.is_empty() {
        "an entry failed without a reason".to_owned()
    } else {
        text
    }))
}

/// The PIN of the phone, if there is one.
pub(crate) fn pin(value: &Value, mac: Mac) -> Option<Secret> {
    let rows = value.as_array().or_else(|| value.get("data")?.as_array())?;
    let row = rows.iter().find(|row| mac_of(row) == Some(mac))?;
    let pin = match row.get("pin")? {
        Value::String(pin) => pin.trim().to_owned(),
        Value::Number(pin) => pin.to_string(),
        _ => return None,
    };
    let fit = (1..=32).contains(&pin.len()) && pin.chars().all(|c| c.is_ascii_graphic());
    fit.then(|| Secret::new(pin))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(status: u16, body: &Value) -> YmcsError {
        read(&ServiceResponse::bare(status, body.to_string())).unwrap_err()
    }

    #[test]
    fn every_code_has_its_meaning_as_number_and_as_text() {
        for (code, label) in [
            (800_001, "invalid_mac"),
            (800_002, "needs_serial"),
            (800_004, "owned_by_other"),
            (800_005, "invalid_mac"),
            (800_200, "invalid_mac"),
            (800_008, "not_permitted"),
            (900_403, "not_permitted"),
            (900_404, "not_found"),
            (900_408, "transport"),
            (900_412, "transport"),
            (900_504, "transport"),
            (900_599, "transport"),
            (900_401, "transport"),
            (900_440, "transport"),
        ] {
            for code in [json!(code), json!(code.to_string())] {
                let outcome = error(400, &json!({"code": code, "requestId": "r", "message": "m"})).outcome();
                assert_eq!(outcome.label(), label, "{code}");
            }
        }
        assert_eq!(error(401, &json!({"code": 900_401})), YmcsError::Token);
        assert_eq!(error(403, &json!({"code": 500_403, "message": "Request reply"})), YmcsError::Replay);
        assert!(matches!(error(400, &json!({"code": 800_003, "message": "x"})), YmcsError::Exists(_)));
        let headers = error(401, &json!({"code": 500_401, "message": "Invalid request header"})).outcome();
        assert!(headers.sentence().contains("clock"), "{}", headers.sentence());
        // An error with status 200 is still an error.
        assert_eq!(error(200, &json!({"code": 800_004})).outcome(), RedirectResult::OwnedByOther);
    }

    #[test]
    fn a_parameter_is_named_by_its_field() {
        for (field, label) in [
            ("mac", "invalid_mac"),
            ("devices[0].sn", "needs_serial"),
            ("uniqueServerUrl", "invalid_url"),
            ("serverName", "invalid_server_name"),
            ("limit", "unknown"),
        ] {
            let body = json!({"code": 900_400, "message": "bad", "details": [{"field": field, "message": "no"}]});
            let outcome = error(400, &body).outcome();
            assert_eq!(outcome.label(), label, "{field}");
        }
    }

    #[test]
    fn the_counters_decide_about_a_bulk_call() {
        assert_eq!(bulk(&json!({"total": 1, "successCount": 1, "failureCount": 0, "errors": []})), Ok(()));
        let failed = |info: Value| bulk(&json!({"total": 1, "successCount": 0, "failureCount": 1, "errors": [info]}));
        for (info, label) in [
            (json!({"mac": "x", "sn": null, "errorInfo": "800004"}), "owned_by_other"),
            (json!({"errorInfo": 800_001}), "invalid_mac"),
            (json!({"errorInfo": "device.mac.invalid"}), "invalid_mac"),
            (json!({"field": "mac", "msg": "hm"}), "unknown"),
            (json!({}), "unknown"),
        ] {
            assert_eq!(failed(info.clone()).unwrap_err().outcome().label(), label, "{info}");
        }
        for odd in [json!({}), json!(null), json!({"successCount": 0}), json!({"successCount": 1, "failureCount": 1})] {
            assert!(bulk(&odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_phone_is_found_by_its_whole_mac_only() {
        let mac: Mac = "805ec0aabbcc".parse().unwrap();
        let rows = json!([{"id": "1", "mac": "805ec0aabbcd"}, {"id": "../2", "mac": "805ec0aabbcc"}]);
        assert_eq!(phone_in(rows.as_array().unwrap(), mac), None, "another MAC, and an id that is no path segment");
        let rows = json!([{"id": "a-2", "mac": "80:5E:C0:AA:BB:CC", "sn": " "}]);
        assert_eq!(
            phone_in(rows.as_array().unwrap(), mac),
            Some(Listed { id: "a-2".into(), has_serial: false, url: None })
        );
        assert_eq!(page(&json!({"total": 0, "data": null})), Some(YmcsPage { rows: &[], total: 0 }));
        assert_eq!(page(&json!({"total": 0})), None);
        assert_eq!(pin(&json!([{"mac": "805ec0aabbcc", "pin": 1234}]), mac), Some(Secret::new("1234")));
        assert_eq!(pin(&json!([{"mac": "805ec0aabbcd", "pin": "1234"}]), mac), None);
    }

    proptest::proptest! {
        #[test]
        fn no_answer_panics(status in 100_u16..600, body in ".{0,200}", code in proptest::num::u32::ANY) {
            let mac: Mac = "805ec0aabbcc".parse().unwrap();
            let answers = [body.clone(), format!("{{\"code\":{code},\"message\":{body:?}}}"),
                format!("{{\"data\":[{{\"mac\":{body:?},\"id\":{body:?}}}],\"errors\":[{body:?}]}}")];
            for text in answers {
                let answer = ServiceResponse::bare(status, text);
                match read(&answer) {
                    Ok(value) => {
                        let _ = (bulk(&value), pin(&value, mac), token(&value));
                        if let Some(page) = page(&value) {
                            let _ = (phone_in(page.rows, mac), server_in(page.rows, "x"));
                        }
                    }
                    Err(refusal) => {
                        proptest::prop_assert!(!refusal.outcome().sentence().is_empty());
                        let _ = token_refused(&answer, refusal);
                    }
                }
            }
        }
    }
}
