//! The outgoing HTTP client, through which all HTTP requests to other servers are sent. It hides awc, which is not
//! `Send`, so an [`HttpClient`] stays on the arbiter where it was created.
//!
//! Every request has a time-out and a size limit. Redirects are never followed, because a POST with credentials is only
//! meant for the configured host. Every error names its location and the solution.

mod connector;
mod error;
mod proxy;
mod response_framing;

use std::{fmt, sync::Arc, time::Duration};

use awc::{Connector, http::header};
use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use gangway_base::secret::Secret;
use url::Url;
use zeroize::Zeroizing;

use self::{connector::Dialer, error::UrlOrigin};
pub use self::{
    connector::{Resolve, system_resolver},
    error::{HttpError, WaitStage},
    proxy::{Proxy, ProxyAddressError},
};
use super::egress_policy::EgressPolicy;

/// How an [`HttpClient`] connects.
pub struct Options {
    /// Roots and pins. The ALPN list must contain only `http/1.1`.
    pub tls: rustls::ClientConfig,
    /// If set, all requests go through it, including plain HTTP.
    pub proxy: Option<Proxy>,
    /// The destinations that are allowed. The proxy is from the configuration and always allowed.
    pub reach: EgressPolicy,
    /// Resolves names.
    pub resolve: Resolve,
    /// Limit for name resolution, TCP connect, and the proxy's response together, and again for the TLS handshake.
    pub connect_timeout: Duration,
}

impl Options {
    /// Direct connections to all destinations, with 10 seconds to connect.
    #[must_use]
    pub fn new(tls: rustls::ClientConfig) -> Self {
        Self {
            tls,
            proxy: None,
            reach: EgressPolicy::everywhere(),
            resolve: system_resolver(),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// The supported methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
}

impl Method {
    /// The name as used in the request.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    fn wire(self) -> awc::http::Method {
        match self {
            Self::Get => awc::http::Method::GET,
            Self::Post => awc::http::Method::POST,
            Self::Put => awc::http::Method::PUT,
            Self::Patch => awc::http::Method::PATCH,
            Self::Delete => awc::http::Method::DELETE,
        }
    }
}

/// One request. Its `Debug` shows only method and host: headers, path, and body may contain secrets.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The URL. `user:password@` in it is sent as Basic credentials unless [`Request::basic`] is set.
    pub url: Url,
    /// Additional headers.
    pub headers: Vec<(&'static str, Secret)>,
    /// User and password for HTTP Basic.
    pub basic: Option<(String, Secret)>,
    /// The body, or empty.
    pub body: Bytes,
    /// Time limit from name resolution to the last byte.
    pub timeout: Duration,
    /// Maximum size of the response body.
    pub max_bytes: usize,
}

impl Request {
    /// Creates a request without headers and body, with a time-out of 25 seconds and a limit of 256 KiB.
    #[must_use]
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: Vec::new(),
            basic: None,
            body: Bytes::new(),
            timeout: Duration::from_secs(25),
            max_bytes: 256 * 1024,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<Secret>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets Basic credentials.
    #[must_use]
    pub fn basic(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.basic = Some((user.into(), password));
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.method, UrlOrigin::of(&self.url))
    }
}

/// A response with any status except redirects, which are errors.
#[derive(Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header names in lower case with their values. Values that are not text are omitted.
    pub headers: Vec<(String, String)>,
    /// The complete body as received (no compression is requested).
    pub body: Bytes,
}

impl Response {
    /// Returns the first header with this name (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status, self.body.len())
    }
}

/// The client. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    plain: awc::Client,
    /// Its connector does TLS; awc sees plain HTTP.
    secure: awc::Client,
    reach: EgressPolicy,
    connect_timeout: Duration,
}

impl HttpClient {
    /// Builds a client on the current arbiter.
    #[must_use]
    pub fn new(options: &Options) -> Self {
        let client = |tls| Self::client(Dialer::new(options, tls), options.connect_timeout);
        Self {
            plain: client(None),
            secure: client(Some(Arc::new(options.tls.clone()))),
            reach: options.reach.clone(),
            connect_timeout: options.connect_timeout,
        }
    }

    fn client(dialer: Dialer, connect_timeout: Duration) -> awc::Client {
        // The dialer has limits of its own for connecting and for the handshake.
        let within = connect_timeout.saturating_mul(3);
        let connector = Connector::new()
            .connector(dialer)
            // By default awc allows at most 100 connections, and the 101st request would run into its time-out.
            .limit(0)
            .timeout(within)
            .disconnect_timeout(Duration::from_secs(1));
        awc::ClientBuilder::new()
            .connector(connector)
            .disable_redirects()
            .disable_timeout()
            .no_default_headers()
            .add_default_header((header::USER_AGENT, concat!("gangway/", env!("CARGO_PKG_VERSION"))))
            .finish()
    }

    /// Checks whether a request with an account's password may be sent to this URL, as far as its text shows. The same
    /// rule is applied when such a URL is set.
    ///
    /// # Errors
    /// [`HttpError::Forbidden`].
    pub fn may_carry_secrets(&self, url: &Url) -> Result<(), HttpError> {
        let forbidden = |error: super::egress_policy::EgressDenied| HttpError::Forbidden {
            target: UrlOrigin::of(url).to_string(),
            reason: error.to_string(),
        };
        self.reach.url(url).map_err(forbidden)
    }

    /// Sends one request and reads its complete response.
    ///
    /// # Errors
    /// See [`HttpError`]. A status of 4xx or 5xx is a response, not an error; 301, 302, 303, 307 and 308 are errors.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        let target = UrlOrigin::of(&request.url);
        let time_limit = request.timeout;
        match tokio::time::timeout(time_limit, self.exchange(&target, request)).await {
            Ok(result) => result,
            Err(_) => Err(HttpError::Timeout {
                target: target.to_string(),
                stage: WaitStage::Answer,
                seconds: time_limit.as_secs(),
            }),
        }
    }

    async fn exchange(&self, target: &UrlOrigin, request: Request) -> Result<Response, HttpError> {
        let outgoing = self.prepare(target, &request)?;
        let sending = if request.body.is_empty() { outgoing.send() } else { outgoing.send_body(request.body.clone()) };
        let mut incoming = sending.await.map_err(|error| error::from_send(target, error, self.connect_timeout))?;
        let status = incoming.status();
        let location = incoming.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Err(error::redirection(target, &request.url, location));
        }
        let announced = incoming
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse::<usize>().ok());
        let too_large = || HttpError::TooLarge { target: target.to_string(), limit: request.max_bytes };
        if announced.is_some_and(|length| length > request.max_bytes) {
            return Err(too_large());
        }
        let headers = incoming
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut body = BytesMut::new();
        while let Some(chunk) = incoming.next().await {
            let chunk = chunk.map_err(|error| error::from_payload(target, &error))?;
            if body.len() + chunk.len() > request.max_bytes {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        // awc ends the stream without an error if the peer closes the connection midway.
        if announced.is_some_and(|length| length != body.len()) {
            return Err(HttpError::Truncated { target: target.to_string(), got: body.len() });
        }
        Ok(Response { status: status.as_u16(), headers, body: body.freeze() })
    }

    fn prepare(&self, target: &UrlOrigin, request: &Request) -> Result<awc::ClientRequest, HttpError> {
        let bad_address = |reason: &str| HttpError::Url { target: target.to_string(), reason: reason.to_owned() };
        if !matches!(request.url.scheme(), "http" | "https") {
            return Err(bad_address("it begins neither with http:// nor with https://"));
        }
        // awc panics on an address without a host.
        if request.url.host_str().is_none_or(str::is_empty) {
            return Err(bad_address("it names no host"));
        }
        let mut url = request.url.clone();
        url.set_fragment(None);
        let from_url = (!url.username().is_empty() || url.password().is_some()).then(|| {
            let user = percent_decoded(url.username());
            (user, Secret::new(percent_decoded(url.password().unwrap_or_default())))
        });
        // Both calls fail only for URLs without a host.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let client = if url.scheme() == "https" {
            // The dialer of this client does TLS. awc leaves the port of HTTPS out of the header `Host`.
            let port = url.port_or_known_default();
            let _ = url.set_scheme("http");
            let _ = url.set_port(port);
            &self.secure
        } else {
            &self.plain
        };
        let mut outgoing = client.request(request.method.wire(), url.as_str()).no_decompress();
        for (name, value) in &request.headers {
            outgoing = outgoing.insert_header((*name, value.expose()));
        }
        if let Some((user, password)) = request.basic.as_ref().or(from_url.as_ref()) {
            outgoing = outgoing.insert_header((header::AUTHORIZATION, basic(user, password).expose()));
        }
        Ok(outgoing)
    }
}

/// Returns the value of an `Authorization` or `Proxy-Authorization` header with Basic credentials (RFC 7617).
pub(crate) fn basic(user: &str, password: &Secret) -> Secret {
    let pair = Zeroizing::new(format!("{user}:{}", password.expose()));
    Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair.as_bytes())))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (first, pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
