//! What the operations of one account tell the next one: a token that still holds, how far the service's clock is from
//! ours. Kept by the runner beside the account's turn; what failed is forgotten, so that nothing wrong is kept for long.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gangway_base::secret::Secret;
use jiff::{SignedDuration, Timestamp};

/// The memory of one account. Cheap to clone; all clones are one. Lost with the process.
#[derive(Clone, Default)]
pub struct AccountCache(Arc<Mutex<Remembered>>);

#[derive(Default)]
struct Remembered {
    /// The password everything here was learned with.
    password: Option<Secret>,
    token: Option<(Secret, Timestamp)>,
    /// The token before, which the service may still echo.
    former: Option<Secret>,
    clock_offset: Option<SignedDuration>,
    notes: BTreeMap<&'static str, String>,
}

impl AccountCache {
    fn inner(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was learned with another password is forgotten.
    pub(super) fn belongs_to(&self, password: &Secret) {
        let mut inner = self.inner();
        if inner.password.as_ref() != Some(password) {
            *inner = Remembered { password: Some(password.clone()), ..Remembered::default() };
        }
    }

    /// The token, while it holds.
    #[must_use]
    pub fn token(&self, now: Timestamp) -> Option<Secret> {
        self.inner().token.as_ref().filter(|(_, until)| now < *until).map(|(token, _)| token.clone())
    }

    /// Keeps a token until then.
    pub fn store_token(&self, token: Secret, until: Timestamp) {
        let mut inner = self.inner();
        inner.former = inner.token.replace((token, until)).map(|(former, _)| former).or(inner.former.take());
    }

    /// The service does not take the token any more.
    pub fn forget_token(&self) {
        let mut inner = self.inner();
        inner.former = inner.token.take().map(|(former, _)| former).or(inner.former.take());
    }

    /// What must not show up in a history.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        let inner = self.inner();
        inner.token.as_ref().map(|(token, _)| token.clone()).into_iter().chain(inner.former.clone()).collect()
    }

    /// How far the service's clock is ahead of ours (negative: behind), as learned last.
    #[must_use]
    pub fn clock_offset(&self) -> Option<SignedDuration> {
        self.inner().clock_offset
    }

    /// Keeps what an answer proved about the service's clock.
    pub fn store_clock_offset(&self, offset: SignedDuration) {
        self.inner().clock_offset = Some(offset);
    }

    /// What was noted under this name: an address or id at the service that costs calls to find.
    #[must_use]
    pub fn note(&self, name: &'static str) -> Option<String> {
        self.inner().notes.get(name).cloned()
    }

    /// Notes something that is no secret.
    pub fn store_note(&self, name: &'static str, text: &str) {
        self.inner().notes.insert(name, text.to_owned());
    }

    /// What was noted does not hold any more.
    pub fn clear_notes(&self) {
        self.inner().notes.clear();
    }

    /// Forgets everything: the next operation starts from nothing.
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

/// What an exchange begins with besides the operation.
#[derive(Debug, Clone)]
pub struct ProtocolContext {
    /// The account's memory.
    pub memory: AccountCache,
    /// The time the operation was asked for.
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
