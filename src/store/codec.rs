//! How times, facets and numbers are stored in columns.

use jiff::Timestamp;

use super::error::StoreError;
use crate::phone::facet::{DevicesState, Facet, RedirectState, RegistrationState, RequestState, UserObjectState};

/// A time as Unix milliseconds.
pub(super) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// An optional time as Unix milliseconds.
pub(super) fn ms_opt(at: Option<Timestamp>) -> Option<i64> {
    at.map(ms)
}

/// Converts Unix milliseconds to a time. Values outside the calendar are clamped to its limits.
pub(super) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Converts optional Unix milliseconds to a time.
pub(super) fn time_opt(ms: Option<i64>) -> Option<Timestamp> {
    ms.map(time)
}

/// Converts a counter to SQLite's signed integer.
pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Converts a counter from SQLite; a negative value becomes 0.
pub(super) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// Converts a small counter from SQLite; a value out of range becomes 0.
pub(super) fn small<T: TryFrom<i64> + Default>(count: i64) -> T {
    T::try_from(count).unwrap_or_default()
}

/// The error for a value this version does not know.
pub(super) fn unknown(place: &str, column: &str, value: &str) -> StoreError {
    StoreError::Unknown { place: format!("{place}, column {column},"), value: value.to_owned() }
}

/// Converts a facet's state to and from its stored name.
pub(super) trait StoredState: Copy + PartialEq + Sized {
    fn read(stored: &str) -> Option<Self>;
}

macro_rules! stored {
    ($($state:ty),+) => {
        $(impl StoredState for $state {
            fn read(stored: &str) -> Option<Self> {
                Self::parse(stored)
            }
        })+
    };
}

stored!(DevicesState, RedirectState, RequestState, UserObjectState, RegistrationState);

/// The five columns of a row that form a facet.
pub(super) struct FacetColumns {
    pub(super) state: String,
    pub(super) since: i64,
    pub(super) error: Option<String>,
    pub(super) next: Option<i64>,
    pub(super) attempts: i64,
}

impl FacetColumns {
    pub(super) fn read<S: StoredState>(self, place: &str, facet: &str) -> Result<Facet<S>, StoreError> {
        Ok(Facet {
            state: S::read(&self.state).ok_or_else(|| unknown(place, facet, &self.state))?,
            since: time(self.since),
            error: self.error,
            next_attempt: time_opt(self.next),
            attempts: small(self.attempts),
        })
    }
}
