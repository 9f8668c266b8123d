//! A client of the REST API.

use gangway::store::{NewToken, Store, TokenScope};
use serde_json::Value;

use super::{
    gateway::Gateway,
    http::{Answer, request},
};

/// A client with its token.
pub struct Script {
    base: String,
    token: String,
}

/// Creates a token as the page and the command do, but without an audit entry.
pub async fn token(gateway: &Gateway, name: &str, scope: TokenScope, expires: Option<jiff::Timestamp>) -> String {
    let (store, instance): (&Store, _) = (&gateway.records().store, gateway.records().instance);
    let new = NewToken { name: name.into(), scope, expires, created_by: "a test".into() };
    store.api_tokens().create(instance, new).await.unwrap().0.expose().to_owned()
}

impl Script {
    pub async fn new(gateway: &Gateway, name: &str, scope: TokenScope) -> Self {
        Self::with(gateway, &token(gateway, name, scope, None).await)
    }

    pub fn with(gateway: &Gateway, token: &str) -> Self {
        Self { base: format!("{}/api/v1", gateway.instance_url()), token: token.into() }
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends any request. The simulators keep running in the meantime.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let (method, url, body) = (method.to_owned(), self.url(path), body.to_vec());
        let mut headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        if !self.token.is_empty() && !headers.iter().any(|(name, _)| name == "Authorization") {
            headers.push(("Authorization".into(), format!("Bearer {}", self.token)));
        }
        actix_web::web::block(move || {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            request(&method, &url, &headers, &body)
        })
        .await
        .unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"").await
    }

    /// Sends a GET request that must succeed.
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        body(&answer)
    }

    pub async fn change(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.send(method, path, &[("Content-Type", "application/json")], body.to_string().as_bytes()).await
    }
}

pub fn body(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// Checks that a rejection has the expected form.
pub fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem = body(answer);
    assert_eq!(problem["status"], status, "{problem}");
    assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
    problem
}
