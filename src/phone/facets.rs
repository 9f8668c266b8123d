//! The table of facets: what page, REST and commands show of a phone's state. The decision of each facet is in
//! `provision/flow`, its transitions are in `provision/transitions`.

use jiff::Timestamp;

use super::{
    facet::{DevicesState, Facet, FacetState, RedirectState, RegistrationState, RequestState, UserObjectState},
    record::{Account, Phone},
};
use crate::base::i18n::english;

/// One facet as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FacetView<'f> {
    /// The key of the facet ([`FacetRow::key`]).
    pub key: &'static str,
    /// The stable name of the state.
    pub state: &'static str,
    /// The position of the state among all states of the facet, in the order a phone usually passes them.
    pub rank: usize,
    /// How bad the state is, from 0. Of several accounts a list shows the worst.
    pub severity: u8,
    /// When the state was reached.
    pub since: Timestamp,
    /// The last error, as a sentence that says what to do.
    pub error: Option<&'f str>,
    /// When the next automatic attempt is due.
    pub next_attempt: Option<Timestamp>,
}

impl<S: FacetState + PartialEq> Facet<S> {
    /// The facet as it is shown.
    #[must_use]
    pub fn view(&self) -> FacetView<'_> {
        FacetView {
            key: S::KEY,
            state: self.state.name(),
            rank: S::states().iter().position(|state| *state == self.state).unwrap_or(0),
            severity: self.state.severity(),
            since: self.since,
            error: self.error.as_deref(),
            next_attempt: self.next_attempt,
        }
    }
}

impl FacetView<'_> {
    /// The state in English. Looked up here, because lists filter and sort by states and never need it.
    #[must_use]
    pub fn text(&self) -> &'static str {
        english(&format!("state.{}.{}", self.key, self.state)).unwrap_or(self.state)
    }
}

/// A row of the table. `T` is what has the facet: a phone or an account.
#[derive(Debug, Clone, Copy)]
pub struct FacetRow<T> {
    /// The key in JSON of page and REST, and in the keys of its texts (`state.<key>.<name>`).
    pub key: &'static str,
    /// The key in JSON of commands.
    pub command_key: &'static str,
    /// The title in the output of commands.
    pub title: &'static str,
    /// The names of all states, in the order a phone usually passes them.
    pub states: fn() -> Vec<&'static str>,
    /// Reads the facet.
    pub view: for<'t> fn(&'t T) -> FacetView<'t>,
}

/// The facets of a phone.
pub const PHONE_FACETS: [FacetRow<Phone>; 3] = [
    FacetRow {
        key: DevicesState::KEY,
        command_key: "device_config",
        title: "Device Config",
        states: names::<DevicesState>,
        view: |phone| phone.devices.view(),
    },
    FacetRow {
        key: RedirectState::KEY,
        command_key: "redirect",
        title: "Redirect",
        states: names::<RedirectState>,
        view: |phone| phone.redirect.view(),
    },
    FacetRow {
        key: RequestState::KEY,
        command_key: "phone_requests",
        title: "Phone Requests",
        states: names::<RequestState>,
        view: |phone| phone.request.view(),
    },
];

/// The facets of an account.
pub const ACCOUNT_FACETS: [FacetRow<Account>; 2] = [
    FacetRow {
        key: UserObjectState::KEY,
        command_key: "pbx_flags",
        title: "PBX flags",
        states: names::<UserObjectState>,
        view: |account| account.user_object.view(),
    },
    FacetRow {
        key: RegistrationState::KEY,
        command_key: "registered",
        title: "Registered",
        states: names::<RegistrationState>,
        view: |account| account.registration.view(),
    },
];

/// The facet with this key; of an account's facets that of the account with the worst state. `None` without accounts
/// or without such a facet.
#[must_use]
pub fn facet_of<'p>(phone: &'p Phone, key: &str) -> Option<FacetView<'p>> {
    if let Some(row) = PHONE_FACETS.iter().find(|row| row.key == key) {
        return Some((row.view)(phone));
    }
    let row = ACCOUNT_FACETS.iter().find(|row| row.key == key)?;
    phone.accounts.iter().map(row.view).max_by_key(|view| view.severity)
}

fn names<S: FacetState>() -> Vec<&'static str> {
    S::states().iter().map(|state| state.name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_every_facet_has_a_text() {
        let rows = PHONE_FACETS.map(|row| (row.key, (row.states)())).into_iter();
        let rows = rows.chain(ACCOUNT_FACETS.map(|row| (row.key, (row.states)())));
        for (key, states) in rows {
            assert!(states.len() > 1, "{key}");
            for state in states {
                assert!(english(&format!("state.{key}.{state}")).is_some(), "{key} {state}");
            }
        }
    }

    #[test]
    fn a_row_reads_its_facet() {
        let mut phone = Phone::sample();
        phone.redirect.fail(RedirectState::Refused, "why", None, phone.created);
        let [_, redirect, _] = PHONE_FACETS;
        let view = (redirect.view)(&phone);
        assert_eq!(
            (redirect.key, view.state, view.text(), view.error),
            ("redirect", "refused", "Refused", Some("why"))
        );
        let account = phone.accounts.first().unwrap();
        let shown = ACCOUNT_FACETS.map(|row| (row.view)(account).state);
        assert_eq!(shown, [account.user_object.state.as_str(), account.registration.state.as_str()]);
    }
}
