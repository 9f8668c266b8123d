//! Authenticates requests by a bearer token of the instance (RFC 6750) and checks the client's network.

use std::{net::IpAddr, sync::Arc};

use actix_web::http::header::{self, HeaderMap};
use gangway_base::clock::SharedClock;

use super::{Problem, route::Needs, text_of};
use crate::{
    http::auth::lockout::{FailureCounter, LOCKOUT},
    phone::instance::Instance,
    service::caller::{Caller, CallerKind},
    store::{ApiToken, Store, TokenCheck, TokenScope},
};

/// Checks tokens and counts wrong ones.
pub struct TokenAuthenticator {
    store: Store,
    clock: SharedClock,
    strikes: FailureCounter,
}

impl TokenAuthenticator {
    /// Creates an authenticator that accepts only requests with a token.
    #[must_use]
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock, strikes: FailureCounter::default() }
    }

    /// Returns the token that authorises this request. A right token is accepted regardless of earlier requests from
    /// its address. A wrong one is counted. For an address that is locked out, only tokens in memory are checked,
    /// without a database query. The watch loads tokens created by other processes within a second.
    ///
    /// # Errors
    /// 401, 403, or 429 as problems.
    pub async fn open(
        &self,
        headers: &HeaderMap,
        instance: &Instance,
        source: IpAddr,
        needs: Needs,
    ) -> Result<ApiToken, Problem> {
        if !instance.admin_from.is_empty() && !instance.admin_from.iter().any(|network| network.contains(&source)) {
            return Err(Problem::wrong_network());
        }
        let now = self.clock.now();
        let Some(shown) = bearer(headers) else { return Err(Problem::no_token()) };
        let worth = match self.strikes.is_locked_out(source, now) {
            true => self.store.api_tokens().check(instance.id, shown),
            false => self.store.api_tokens().prove(instance.id, shown).await,
        };
        let token = match worth {
            TokenCheck::Good(token) => token,
            // An expired token is not a guess.
            TokenCheck::Expired(_) => return Err(Problem::bad_token("The token has expired")),
            TokenCheck::Unknown => {
                // Concurrent requests from this address may have been counted during the query.
                if self.strikes.is_locked_out(source, now) {
                    return Err(Problem::too_many_wrong(LOCKOUT.as_secs()));
                }
                self.strikes.add(source, now);
                tracing::warn!(instance = %instance.label(), %source, "a wrong token was shown at the REST api");
                return Err(Problem::bad_token("The token is not known, or it was revoked"));
            }
        };
        if needs == Needs::Write && token.scope == TokenScope::Read {
            return Err(Problem::read_only());
        }
        Ok(token)
    }
}

/// Returns the token in the `Authorization` header. More than one header counts as none, because it is unclear which
/// one applies.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION);
    let (Some(_), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = text_of(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then_some(token)
}

/// Returns the caller for a token.
#[must_use]
pub fn person(instance: &Arc<Instance>, token: &ApiToken, source: IpAddr) -> Caller {
    Caller { instance: Arc::clone(instance), who: CallerKind::Token(token.name.clone()), source }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use gangway_base::{clock::ManualClock, tasks::Tasks};

    use super::*;
    use crate::{
        http::auth::lockout::STRIKES,
        store::{NewToken, TOKEN_PREFIX},
    };

    fn bearing(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
        headers
    }

    fn new(name: &str) -> NewToken {
        NewToken { name: name.into(), scope: TokenScope::Read, expires: None, created_by: "root".into() }
    }

    #[tokio::test]
    async fn an_address_that_is_locked_out_costs_no_look_and_a_known_token_passes() {
        let (dir, tasks) = (tempfile::tempdir().unwrap(), Tasks::new());
        let clock: SharedClock = Arc::new(ManualClock::new("2026-07-01T08:00:00Z".parse().unwrap()));
        let store = Store::open(dir.path(), Arc::clone(&clock), &tasks).await.unwrap();
        let command = Store::open(dir.path(), Arc::clone(&clock), &tasks).await.unwrap();
        let instance = Instance {
            id: store.instance("example.com", "gangway").await.unwrap(),
            domain: "example.com".into(),
            name: "gangway".into(),
            password: "secret".into(),
            admin_password: None,
            public_url: None,
            phone_url: None,
            devices_ca: None,
            devices_url: None,
            devices_pin: None,
            misspelt_service_info: false,
            admin_password_login: false,
            pbx_apply: false,
            admin_from: Vec::new(),
            frame_ancestors: Vec::new(),
        };
        let (known, _) = store.api_tokens().create(instance.id, new("known")).await.unwrap();
        let door = TokenAuthenticator::new(store, clock);
        let status = async |token: &str, host: u8| {
            let opened = door.open(&bearing(token), &instance, [192, 0, 2, host].into(), Needs::Read).await;
            opened.map_or_else(|problem| problem.status(), |_| 200)
        };
        // Send all requests at once, so that all are checked before the first is counted. The last ones are rejected
        // after the query.
        let guess = format!("{TOKEN_PREFIX}{}", "x".repeat(43));
        let all = futures_util::future::join_all((0..STRIKES + 5).map(|_| status(&guess, 1))).await;
        let count = |wanted| u32::try_from(all.iter().filter(|status| **status == wanted).count()).unwrap();
        assert_eq!([count(401), count(429)], [STRIKES, 5]);

        // No watch runs here, so only a query can find tokens that the other process creates.
        let (fresh, _) = command.api_tokens().create(instance.id, new("fresh")).await.unwrap();
        let fresh = fresh.expose();
        assert_eq!(status(fresh, 1).await, 429, "no look for an address that is locked out");
        assert_eq!(status(known.expose(), 1).await, 200, "a known token is let in from there all the same");
        assert_eq!(status(fresh, 2).await, 200, "a look for another address");
        assert_eq!(status(fresh, 1).await, 200, "now it is in memory");
    }
}
