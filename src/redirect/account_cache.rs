//! Caches what the operations of one account learned for the next one: a valid token, and the offset of the service's
//! clock from ours. The runner keeps one cache per account. After a failure the cache is cleared, so that wrong values
//! do not persist.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gangway_base::secret::Secret;
use jiff::{SignedDuration, Timestamp};

/// The cache of one account. Cheap to clone; all clones share the data. Lost when the process ends.
#[derive(Clone, Default)]
pub struct AccountCache(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    /// The password in use when the values were learned.
    password: Option<Secret>,
    token: Option<(Secret, Timestamp)>,
    /// The previous token, which the service may still echo.
    former: Option<Secret>,
    clock_offset: Option<SignedDuration>,
    notes: BTreeMap<&'static str, String>,
}

impl AccountCache {
    fn inner(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clears the cache if its values were learned with another password.
    pub(super) fn belongs_to(&self, password: &Secret) {
        let mut inner = self.inner();
        if inner.password.as_ref() != Some(password) {
            *inner = Remembered { password: Some(password.clone()), ..Remembered::default() };
        }
    }

    /// The token, while it is valid.
    #[must_use]
    pub fn token(&self, now: Timestamp) -> Option<Secret> {
        self.inner().token.as_ref().filter(|(_, until)| now < *until).map(|(token, _)| token.clone())
    }

    /// Stores a token and the time until which it is valid.
    pub fn store_token(&self, token: Secret, until: Timestamp) {
        let mut inner = self.inner();
        inner.former = inner.token.replace((token, until)).map(|(former, _)| former).or(inner.former.take());
    }

    /// Removes the token, because the service no longer accepts it.
    pub fn forget_token(&self) {
        let mut inner = self.inner();
        inner.former = inner.token.take().map(|(former, _)| former).or(inner.former.take());
    }

    /// The secrets that must not appear in a history.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let inner = self.inner();
        inner.token.as_ref().map(|(token, _)| token.clone()).into_iter().chain(inner.former.clone()).collect()
    }

    /// How far the service's clock is ahead of ours (negative: behind), as last learned.
    #[must_use]
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.inner().clock_offset
    }

    /// Stores the clock offset that an authenticated answer proved.
    pub fn store_clock_offset(&self, offset: SignedDuration) {
        self.inner().clock_offset = Some(offset);
    }

    /// The value stored under this name: an address or id at the service that takes calls to find.
    #[must_use]
    pub fn note(&self, name: &'static str) -> Option<String> {
        self.inner().notes.get(name).cloned()
    }

    /// Stores a value that is not secret.
    pub fn store_note(&self, name: &'static str, text: &str) {
        self.inner().notes.insert(name, text.to_owned());
    }

    /// Removes the stored values, because they are no longer valid.
    pub fn clear_notes(&self) {
        self.inner().notes.clear();
    }

    /// Clears the cache, so that the next operation starts from the beginning.
    pub fn forget(&self) {
        *self.inner() = Remembered::default();
    }
}

impl fmt::Debug for AccountCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.inner();
        f.debug_struct("AccountMemory")
            .field("token_until", &inner.token.as_ref().map(|(_, until)| *until))
            .field("clock_offset", &inner.clock_offset)
            .finish_non_exhaustive()
    }
}

/// What an exchange starts with besides the operation.
#[derive(Debug, Clone)]
pub struct ProtocolContext {
    /// The account's cache.
    pub memory: AccountCache,
    /// When the operation was requested.
    pub now: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_holds_until_its_time_and_belongs_to_its_password() {
        let memory = AccountCache::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let password = Secret::new("one");
        memory.belongs_to(&password);
        memory.store_token(Secret::new("t"), at(10));
        memory.store_clock_offset(SignedDuration::from_secs(-3));
        memory.belongs_to(&password);
        assert_eq!(memory.token(at(9)), Some(Secret::new("t")));
        assert_eq!(memory.token(at(10)), None);
        assert_eq!(memory.clock_offset(), Some(SignedDuration::from_secs(-3)));
        memory.forget_token();
        assert_eq!((memory.token(at(9)), memory.secrets()), (None, vec![Secret::new("t")]));
        memory.store_token(Secret::new("u"), at(10));
        assert_eq!(memory.secrets(), [Secret::new("u"), Secret::new("t")]);
        memory.belongs_to(&Secret::new("two"));
        assert_eq!((memory.token(at(9)), memory.clock_offset()), (None, None));
        assert!(!format!("{memory:?}").contains("two"));
    }
}
