//! The simulators' HTTP client. It sends one request, follows no redirects, and limits time and size of the answer.

use std::time::Duration;

use awc::{Client, Connector, http::header::HeaderMap};

/// Timeout. All traffic is on loopback, so a slower answer means that the peer hangs.
const TIMEOUT: Duration = Duration::from_secs(15);
const LARGEST: usize = 4 << 20;

/// An HTTP response.
#[derive(Debug)]
pub(super) struct FetchResponse {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl FetchResponse {
    /// The text of a header; empty if it is missing.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// Creates the client; must be called on the thread that uses it.
pub(super) fn client() -> Client {
    Client::builder()
        .connector(Connector::new().limit(0).timeout(TIMEOUT))
        .disable_redirects()
        .timeout(TIMEOUT)
        .finish()
}

/// Sends a GET request with these headers.
pub(super) async fn get(url: &str, headers: &[(&str, &str)]) -> Result<FetchResponse, String> {
    send(url, headers, None).await
}

/// Sends a POST request with this body and these headers.
pub(super) async fn post(url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Result<FetchResponse, String> {
    send(url, headers, Some(body)).await
}

async fn send(url: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Result<FetchResponse, String> {
    let client = client();
    let mut request = if body.is_some() { client.post(url) } else { client.get(url) }.no_decompress();
    for (name, value) in headers {
        request = request.insert_header((*name, *value));
    }
    let sending = match body {
        Some(body) => request.send_body(body),
        None => request.send(),
    };
    let mut answer = sending.await.map_err(|error| format!("{url}: {error}"))?;
    let body = answer.body().limit(LARGEST).await.map_err(|error| format!("{url}: {error}"))?;
    Ok(FetchResponse { status: answer.status().as_u16(), headers: answer.headers().clone(), body: body.to_vec() })
}
