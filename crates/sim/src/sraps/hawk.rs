//! The server side of Hawk, written from the scheme's description: what is signed, the order of the checks, and the
//! error texts. Payloads are always validated.

use actix_web::{HttpRequest, http::header};
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::state::SrapsState;

/// Maximum clock difference to a client, in seconds.
const SKEW: i64 = 60;

/// The signed fields, line by line; the hash is replaced for the answer.
#[derive(Debug, Clone)]
pub(super) struct Artifacts {
    before_hash: String,
    hash: String,
}

/// Why a request was rejected.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: &'static str,
    /// The server's time and its signature, for a client whose clock is wrong.
    pub(super) time: Option<(i64, String)>,
}

fn refused(error: &'static str) -> Refused {
    Refused { error, time: None }
}

/// Verifies a request and returns the account, the signed fields and the secret.
pub(super) fn check(
    state: &mut SrapsState,
    request: &HttpRequest,
    body: &[u8],
    now: i64,
) -> Result<(String, Artifacts, String), Refused> {
    let header = |name: header::HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let authorization = header(header::AUTHORIZATION);
    let fields = authorization.strip_prefix("Hawk ").ok_or(refused("Missing Hawk"))?;
    let field = |name: &str| {
        fields.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'))
    };
    let missing = refused("Missing attributes");
    let (Some(id), Some(ts), Some(nonce), Some(mac)) = (field("id"), field("ts"), field("nonce"), field("mac")) else {
        state.refused.push(missing.error);
        return Err(missing);
    };
    let result = (|| {
        let secret =
            state.accounts.get(id).map(|account| account.secret.clone()).ok_or(refused("Unknown credentials"))?;
        let hash = field("hash").unwrap_or_default().to_owned();
        let host = header(header::HOST);
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) => (host.to_lowercase(), port.to_owned()),
            None => (host.to_lowercase(), "80".to_owned()),
        };
        let resource = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let method = request.method().as_str();
        let before_hash = format!("{ts}\n{nonce}\n{method}\n{resource}\n{host}\n{port}\n");
        let artifacts = Artifacts { before_hash, hash };
        if mac != artifacts.mac("header", field("ext").unwrap_or_default(), &secret) {
            return Err(refused("Bad mac"));
        }
        if artifacts.hash.is_empty() {
            return Err(refused("Missing required payload hash"));
        }
        if artifacts.hash != payload_hash(&header(header::CONTENT_TYPE), body) {
            return Err(refused("Bad payload hash"));
        }
        if !state.nonces.insert(format!("{id} {ts} {nonce}")) {
            return Err(refused("Invalid nonce"));
        }
        let is_stale = ts.parse::<i64>().map_or(true, |ts| (ts - now).abs() > SKEW);
        if is_stale || state.switches.always_stale {
            let forged = if state.switches.forge_time { "somebody else's secret" } else { &secret };
            let tsm = hmac(forged, &format!("hawk.1.ts\n{now}\n"));
            return Err(Refused { error: "Stale timestamp", time: Some((now, tsm)) });
        }
        Ok((id.to_owned(), artifacts, secret))
    })();
    if let Err(refused) = &result {
        state.refused.push(refused.error);
    }
    result
}

/// The header that authenticates an answer.
pub(super) fn sign_answer(request: &Artifacts, secret: &str, kind: &str, body: &[u8]) -> String {
    let hash = payload_hash(kind, body);
    let artifacts = Artifacts { hash, ..request.clone() };
    format!("Hawk mac=\"{}\", hash=\"{}\"", artifacts.mac("response", "", secret), artifacts.hash)
}

impl Artifacts {
    fn mac(&self, kind: &str, ext: &str, secret: &str) -> String {
        let Self { before_hash, hash } = self;
        hmac(secret, &format!("hawk.1.{kind}\n{before_hash}{hash}\n{ext}\n"))
    }
}

fn payload_hash(kind: &str, body: &[u8]) -> String {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_lowercase();
    let mut text = format!("hawk.1.payload\n{kind}\n").into_bytes();
    text.extend_from_slice(body);
    text.push(b'\n');
    BASE64_STANDARD.encode(Sha256::digest(&text))
}

fn hmac(secret: &str, text: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(text.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}
