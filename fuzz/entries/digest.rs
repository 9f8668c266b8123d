//! Fuzzes the parsing and checking of Authorization headers. The first byte selects the scheme. No input contains the
//! password, so every request must be rejected.

use std::time::Duration;

use gangway_base::secret::Secret;
use gangway_wire::http_auth::{Algorithm, Authenticator, NonceKey, Outcome, Request, Scheme};
use jiff::Timestamp;

pub fn enter(data: &[u8]) {
    let Some((choice, header)) = data.split_first() else { return };
    let Ok(header) = std::str::from_utf8(header) else { return };
    let scheme = match choice % 3 {
        0 => Scheme::Digest(Algorithm::Md5),
        1 => Scheme::Digest(Algorithm::Sha256),
        _ => Scheme::Basic,
    };
    let guard = Authenticator::new(scheme, "example.com", NonceKey::new(&[7; 32]), Duration::from_secs(300));
    let now = Timestamp::UNIX_EPOCH;
    let request = Request { method: "GET", target: "/phone/001565aabbcc.cfg", authorization: Some(header) };
    let known = guard.verifier("001565aabbcc", &Secret::new("Zq3mX8vKp2LwT9sYb4Nc"));
    let outcome = guard.check(&request, now, |user| (user == "001565aabbcc").then_some(known));
    assert!(!matches!(outcome, Outcome::Valid { .. }), "let in without the password");
}
