//! Errors of outgoing HTTP requests, each with the target and the solution.

use std::{fmt, io, time::Duration};

use actix_web::error::PayloadError;
use awc::error::{ConnectError, SendRequestError};
use rustls::{CertificateError, OtherError};
use url::Url;

use super::connector::DialError;

/// Scheme, host, and port of a URL, which is all that errors and logs may show of it.
pub(super) struct UrlOrigin(String);

impl UrlOrigin {
    pub(super) fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or("(no host)");
        let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
        Self(format!("{}://{host}{port}", url.scheme()))
    }
}

impl fmt::Display for UrlOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What the client was waiting for when the time-out expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitStage {
    /// Name resolution, TCP, proxy, or TLS.
    Connection,
    /// The response.
    Answer,
}

impl fmt::Display for WaitStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connection => "connection",
            Self::Answer => "complete answer",
        })
    }
}

/// Why a request has no response. `target` is scheme, host, and port, never a path or credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the error messages describe the variants")]
pub enum HttpError {
    #[error("the address {target} cannot be called, {reason}: correct it in the settings")]
    Url { target: String, reason: String },
    #[error("the name in {target} was not found ({reason}): check its spelling and the name server of this machine")]
    Dns { target: String, reason: String },
    #[error("nothing was sent to {target}: {reason}")]
    Forbidden { target: String, reason: String },
    #[error("{target} refused the connection: the service is down, or the port is wrong or blocked by a firewall")]
    Refused { target: String },
    #[error("{target} is not reachable ({reason}): check the network and the firewall of this machine")]
    Unreachable { target: String, reason: String },
    #[error("{target} was not reached, {reason}")]
    Proxy { target: String, reason: String },
    #[error(
        "no secure connection to {target} ({reason}): check the certificate there and the clock here; a private CA, or exactly this key after comparing it with the one there, is trusted with [[net.trust]]"
    )]
    Tls { target: String, reason: String },
    #[error(
        "no {stage} from {target} within {seconds} s: it is overloaded or a firewall drops the packets; try again later"
    )]
    Timeout { target: String, stage: WaitStage, seconds: u64 },
    #[error("{target} hung up before it answered; try again")]
    Closed { target: String },
    #[error("{target} hung up in the middle of its answer, after {got} bytes; try again")]
    Truncated { target: String, got: usize },
    #[error(
        "the answer of {target} is larger than {limit} bytes, reading was stopped: check that the address is the right one"
    )]
    TooLarge { target: String, limit: usize },
    #[error(
        "{target} redirects to another server, {to}; nothing was sent there: if that server is the right one, enter its address in the settings"
    )]
    RedirectedAway { target: String, to: String },
    #[error("{target} redirects to another path on the same server: enter the complete address in the settings")]
    Redirected { target: String },
    #[error("{target} does not speak HTTP as expected ({reason}): check the address and the port")]
    Protocol { target: String, reason: String },
}

impl HttpError {
    /// The label in metrics.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Url { .. } => "url",
            Self::Dns { .. } => "dns",
            Self::Forbidden { .. } => "forbidden",
            Self::Refused { .. } => "refused",
            Self::Unreachable { .. } => "unreachable",
            Self::Proxy { .. } => "proxy",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Closed { .. } => "closed",
            Self::Truncated { .. } => "truncated",
            Self::TooLarge { .. } => "too_large",
            Self::RedirectedAway { .. } | Self::Redirected { .. } => "redirect",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// The connection was interrupted in a way that makes an immediate retry promising (the peer closed a kept-alive
    /// connection, or reset it).
    #[must_use]
    pub fn is_momentary(&self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Truncated { .. })
    }

    /// Whether a retry may succeed. If not, an administrator has to change something.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        !matches!(
            self,
            Self::Url { .. } | Self::Forbidden { .. } | Self::RedirectedAway { .. } | Self::Redirected { .. }
        )
    }
}

pub(super) fn from_send(target: &UrlOrigin, error: SendRequestError, connect_timeout: Duration) -> HttpError {
    let target = target.to_string();
    match error {
        SendRequestError::Url(error) => HttpError::Url { target, reason: error.to_string() },
        SendRequestError::Connect(error) => from_connect(target, error, connect_timeout),
        SendRequestError::Send(error) => from_io(target, &error),
        SendRequestError::Timeout => HttpError::Timeout { target, stage: WaitStage::Answer, seconds: 0 },
        SendRequestError::Response(actix_web::error::ParseError::Io(error)) => from_io(target, &error),
        SendRequestError::Response(actix_web::error::ParseError::Incomplete) => HttpError::Closed { target },
        error => HttpError::Protocol { target, reason: error.to_string() },
    }
}

fn from_connect(target: String, error: ConnectError, timeout: Duration) -> HttpError {
    match error {
        ConnectError::Timeout => {
            HttpError::Timeout { target, stage: WaitStage::Connection, seconds: timeout.as_secs() }
        }
        ConnectError::Disconnected => HttpError::Closed { target },
        ConnectError::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<DialError>()) {
            Some(DialError::Dns(reason)) => HttpError::Dns { target, reason: reason.to_string() },
            Some(DialError::Forbidden(reason)) => HttpError::Forbidden { target, reason: reason.to_string() },
            Some(DialError::Connect(reason)) if reason.kind() == io::ErrorKind::ConnectionRefused => {
                HttpError::Refused { target }
            }
            Some(DialError::Connect(reason)) => HttpError::Unreachable { target, reason: reason.to_string() },
            Some(dial @ (DialError::ProxyAway { .. } | DialError::Tunnel { .. })) => {
                HttpError::Proxy { target, reason: dial.to_string() }
            }
            Some(DialError::Tls(reason)) => HttpError::Tls { target, reason: tls_reason(reason) },
            Some(DialError::Timeout) => {
                HttpError::Timeout { target, stage: WaitStage::Connection, seconds: timeout.as_secs() }
            }
            None => from_io(target, &error),
        },
        error => HttpError::Protocol { target, reason: error.to_string() },
    }
}

fn from_io(target: String, error: &io::Error) -> HttpError {
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof => HttpError::Closed { target },
        // The codec's message for a connection that was closed within the head of a response. In TLS 1.3, a server that
        // rejects the client's part of the handshake reports this only after it.
        io::ErrorKind::Other if error.to_string().contains("bytes remaining on stream") => HttpError::Closed { target },
        _ if is_tls(error) => HttpError::Tls { target, reason: tls_reason(error) },
        _ => HttpError::Protocol { target, reason: error.to_string() },
    }
}

fn is_tls(error: &io::Error) -> bool {
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
}

/// gangway's own verifier describes the reason in an `OtherError`, which rustls would print as debug text.
fn tls_reason(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))) => inner.to_string(),
        Some(other) => other.to_string(),
        None => error.to_string(),
    }
}

pub(super) fn from_payload(target: &UrlOrigin, error: &PayloadError) -> HttpError {
    let target = target.to_string();
    match error {
        PayloadError::Incomplete(_) => HttpError::Truncated { target, got: 0 },
        PayloadError::Io(error) => from_io(target, error),
        error => HttpError::Protocol { target, reason: error.to_string() },
    }
}

/// A different scheme, host, or port counts as a different server. So does a location that cannot be parsed.
pub(super) fn redirection(target: &UrlOrigin, from: &Url, location: Option<&str>) -> HttpError {
    let to = location.and_then(|location| from.join(location).ok());
    match to {
        Some(to) if to.origin() == from.origin() => HttpError::Redirected { target: target.to_string() },
        Some(to) => HttpError::RedirectedAway { target: target.to_string(), to: UrlOrigin::of(&to).to_string() },
        None => HttpError::RedirectedAway { target: target.to_string(), to: "(no readable address)".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::i18n::message_of;

    #[test]
    fn every_error_has_a_translation() {
        let (target, reason) = (String::from("https://a.example:8443"), String::from("the reason"));
        for error in [
            HttpError::Url { target: target.clone(), reason: reason.clone() },
            HttpError::Dns { target: target.clone(), reason: reason.clone() },
            HttpError::Forbidden { target: target.clone(), reason: reason.clone() },
            HttpError::Refused { target: target.clone() },
            HttpError::Unreachable { target: target.clone(), reason: reason.clone() },
            HttpError::Proxy { target: target.clone(), reason: reason.clone() },
            HttpError::Tls { target: target.clone(), reason: reason.clone() },
            HttpError::Timeout { target: target.clone(), stage: WaitStage::Answer, seconds: 5 },
            HttpError::Closed { target: target.clone() },
            HttpError::Truncated { target: target.clone(), got: 7 },
            HttpError::TooLarge { target: target.clone(), limit: 9 },
            HttpError::RedirectedAway { target: target.clone(), to: "https://b.example".into() },
            HttpError::Redirected { target: target.clone() },
            HttpError::Protocol { target, reason },
        ] {
            let message = message_of(&error.to_string());
            assert!(message.key().starts_with("error.http."), "{error}: {message:?}");
            assert_eq!(message.english(), error.to_string());
        }
    }
}
