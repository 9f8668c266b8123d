//! How times, facets and numbers are stored in columns.

use jiff::Timestamp;

use crate::{
    phone::facet::{DevicesState, Facet, RedirectState, RegistrationState, RequestState, UserObjectState},
    store::api::error::StoreError,
};

/// A time as Unix milliseconds.
pub(in crate::store) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// An optional time as Unix milliseconds.
pub(in crate::store) fn ms_opt(at: Option<Timestamp>) -> Option<i64> {
    at.map(ms)
}

/// Converts Unix milliseconds to a time. Values outside the calendar are clamped to its limits.
pub(in crate::store) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// Converts optional Unix milliseconds to a time.
pub(in crate::store) fn time_opt(ms: Option<i64>) -> Option<Timestamp> {
    ms.map(time)
}

/// Converts a counter to SQLite's signed integer.
pub(in crate::store) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Converts a counter from SQLite; a negative value becomes 0.
pub(in crate::store) fn unsigned(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

/// Converts a small counter from SQLite; a value out of range becomes 0.
pub(in crate::store) fn small<T: TryFrom<i64> + Default>(count: i64) -> T {
    T::try_from(count).unwrap_or_default()
}

/// The error for a value this version does not know.
pub(in crate::store) fn unknown(place: &str, column: &str, value: &str) -> StoreError {
    StoreError::Unknown { place: format!("{place}, column {column},"), value: value.to_owned() }
}

/// Converts a facet's state to and from its stored name.
pub(in crate::store) trait StoredState: Copy + PartialEq + Sized {
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
pub(in crate::store) struct FacetColumns {
    pub(in crate::store) state: String,
    pub(in crate::store) since: i64,
    pub(in crate::store) error: Option<String>,
    pub(in crate::store) next: Option<i64>,
    pub(in crate::store) attempts: i64,
}

impl FacetColumns {
    pub(in crate::store) fn read<S: StoredState>(self, place: &str, facet: &str) -> Result<Facet<S>, StoreError> {
        Ok(Facet {
            state: S::read(&self.state).ok_or_else(|| unknown(place, facet, &self.state))?,
            since: time(self.since),
            error: self.error,
            next_attempt: time_opt(self.next),
            attempts: small(self.attempts),
        })
    }
}
