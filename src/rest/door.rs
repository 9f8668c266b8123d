//! Who may come in: a bearer token of the instance (RFC 6750), from a network that may.

use std::{net::IpAddr, sync::Arc};

use actix_web::http::header::{self, HeaderMap};

use super::{Problem, route::Needs, text_of};
use crate::{
    apis::admin::{Person, Who},
    clock::SharedClock,
    http::limits::{LOCKOUT, Strikes},
    phone::instance::Instance,
    store::{ApiToken, Shown, Store, TokenScope},
};

/// Proves tokens and counts wrong ones.
pub struct Door {
    store: Store,
    clock: SharedClock,
    strikes: Strikes,
}

impl Door {
    /// Closed to everybody without a token.
    #[must_use]
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock, strikes: Strikes::default() }
    }

    /// The token that lets this request in. A right token passes whatever came from its address before; a wrong one
    /// counts.
    ///
    /// # Errors
    /// 401, 403 and 429 as problems.
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
        let token = match self.store.prove_token(instance.id, shown).await {
            Shown::Good(token) => token,
            // Who holds an expired token does not guess.
            Shown::Expired(_) => return Err(Problem::bad_token("The token has expired")),
            Shown::Unknown => {
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

/// The token of the one `Authorization` header. Two headers are none: nobody can tell which one counts.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(header::AUTHORIZATION);
    let (Some(_), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = text_of(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then_some(token)
}

/// Whoever holds the token.
#[must_use]
pub fn person(instance: &Arc<Instance>, token: &ApiToken, source: IpAddr) -> Person {
    Person { instance: Arc::clone(instance), who: Who::Token(token.name.clone()), source }
}
