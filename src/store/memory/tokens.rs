//! The API tokens of all instances, so that no request reads the database.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use tokio::sync::Mutex;

use crate::{
    phone::instance::InstanceId,
    store::api::token::{ApiToken, TOKEN_PREFIX, TokenCheck},
};

/// The tokens by instance, oldest first.
pub(in crate::store) type ByInstance = HashMap<InstanceId, Vec<ApiToken>>;

/// Minimum pause between two look-ups of an unknown token: unknown clients cause at most fifty a second.
const LOOK: Duration = Duration::from_millis(20);
/// Number of characters of every token.
const LENGTH: usize = TOKEN_PREFIX.len() + 43;

/// The tokens of all instances.
pub(in crate::store) struct TokenCache {
    known: ArcSwap<ByInstance>,
    looked: Mutex<TokenLookup>,
}

/// The last look-up of an unknown token.
#[derive(Default)]
struct TokenLookup {
    begun: Option<Instant>,
    /// When the last completed look-up began.
    ended: Option<Instant>,
}

/// The digest under which a token is stored.
pub(in crate::store) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl TokenCache {
    /// A cache of these tokens.
    pub(in crate::store) fn new(known: ByInstance) -> Self {
        Self { known: ArcSwap::from_pointee(known), looked: Mutex::default() }
    }

    /// All tokens.
    pub(in crate::store) fn all(&self) -> Arc<ByInstance> {
        self.known.load_full()
    }

    /// Replaces all tokens. The caller holds the write lock of the database.
    pub(in crate::store) fn replace(&self, tokens: ByInstance) {
        self.known.store(Arc::new(tokens));
    }

    /// Changes the tokens. The caller holds the write lock of the database.
    pub(in crate::store) fn change(&self, change: impl FnOnce(&mut ByInstance)) {
        let mut tokens = ByInstance::clone(&self.known.load());
        change(&mut tokens);
        self.replace(tokens);
    }

    /// The tokens of an instance, oldest first.
    pub(in crate::store) fn of(&self, instance: InstanceId) -> Vec<ApiToken> {
        self.known.load().get(&instance).cloned().unwrap_or_default()
    }

    /// Checks a token for an instance. All tokens are compared, each in constant time.
    pub(in crate::store) fn check(&self, instance: InstanceId, shown: &str, now: Timestamp) -> TokenCheck {
        let digest = digest(shown);
        let tokens = self.known.load();
        let own = tokens.get(&instance).map(Vec::as_slice).unwrap_or_default();
        let mut found = 0_u32;
        for (token, place) in own.iter().zip(1_u32..) {
            let is_it: Choice = token.digest.ct_eq(&digest);
            found.conditional_assign(&place, is_it);
        }
        let token = found.checked_sub(1).and_then(|place| own.get(place as usize));
        match token {
            None => TokenCheck::Unknown,
            Some(token) => match token.expires {
                Some(end) if end <= now => TokenCheck::Expired(end),
                _ => TokenCheck::Good(token.clone()),
            },
        }
    }

    /// Whether the text has the form of a token.
    pub(in crate::store) fn is_token(shown: &str) -> bool {
        shown.len() == LENGTH && shown.starts_with(TOKEN_PREFIX)
    }

    /// Calls `look` for an unknown token, at most every 20 ms. Concurrent callers share the next look-up.
    pub(in crate::store) async fn look_up(&self, look: impl AsyncFnOnce()) {
        let asked = Instant::now();
        let mut looked = self.looked.lock().await;
        if looked.ended.is_none_or(|ended| ended < asked) {
            if let Some(begun) = looked.begun {
                tokio::time::sleep(LOOK.saturating_sub(begun.elapsed())).await;
            }
            let begun = Instant::now();
            looked.begun = Some(begun);
            look().await;
            looked.ended = Some(begun);
        }
    }
}
