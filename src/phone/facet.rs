//! Facets of a phone's state. Each facet is independent and has its state, the time it was reached, the last error as a
//! sentence for the administrator, and the time of the next attempt.

use gangway_base::labelled_enum;
use jiff::Timestamp;

use crate::base::i18n::translated;

/// One facet of a phone's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet<S> {
    /// The current state.
    pub state: S,
    /// When the state was reached.
    pub since: Timestamp,
    /// The last error, as a sentence that says what to do. Cleared on success.
    pub error: Option<String>,
    /// When the next automatic attempt is due; `None` when none is planned.
    pub next_attempt: Option<Timestamp>,
    /// Failed attempts since the last success. Determines the back-off.
    pub attempts: u32,
}

impl<S: Copy + PartialEq> Facet<S> {
    /// Creates a facet.
    #[must_use]
    pub fn new(state: S, now: Timestamp) -> Self {
        Self { state, since: now, error: None, next_attempt: None, attempts: 0 }
    }

    /// Sets a state that is not an error. `since` changes only when the state changes.
    pub fn reach(&mut self, state: S, now: Timestamp) {
        self.enter(state, now);
        self.error = None;
        self.next_attempt = None;
        self.attempts = 0;
    }

    /// Records a failed attempt: the state, the sentence, and when to retry (`None`: an administrator has to act).
    pub fn fail(&mut self, state: S, sentence: impl Into<String>, next: Option<Timestamp>, now: Timestamp) {
        self.enter(state, now);
        self.error = Some(sentence.into());
        self.next_attempt = next;
        self.attempts = self.attempts.saturating_add(1);
    }

    fn enter(&mut self, state: S, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
        }
    }
}

/// The states of one facet.
pub trait FacetState: Copy + 'static {
    /// The facet's key: in JSON of page and REST, and in the keys of its texts.
    const KEY: &'static str;

    /// All states, in the order a phone usually passes them.
    fn states() -> &'static [Self];

    /// The stable name of the state.
    fn name(self) -> &'static str;

    /// How bad the state is, from 0. A list shows the account with the worst state of a facet.
    fn severity(self) -> u8;
}

macro_rules! facet_state {
    ($name:ident, $key:literal) => {
        facet_state!($name, $key, |_| 0);
    };
    ($name:ident, $key:literal, $severity:expr) => {
        translated!($name, concat!("state.", $key, "."));

        impl FacetState for $name {
            const KEY: &'static str = $key;

            fn states() -> &'static [Self] {
                Self::ALL
            }

            fn name(self) -> &'static str {
                self.as_str()
            }

            fn severity(self) -> u8 {
                let severity: fn(Self) -> u8 = $severity;
                severity(self)
            }
        }
    };
}

labelled_enum! {
    /// "Device Config": the state of the phone's sysclient connection to the Devices app.
    DevicesState {
        /// No Devices instance is known or reachable yet.
        Waiting = "waiting";
        /// The sysclient is being opened or has not received everything.
        Connecting = "connecting";
        /// The complete configuration has arrived and the sysclient is connected.
        Received = "received";
        /// The code is expired or unknown, or the device was removed in Devices. A new code is needed.
        NotInDomain = "not-in-domain";
        /// The configuration is complete, but the sysclient is currently disconnected.
        Lost = "lost";
    }
}
facet_state!(DevicesState, "deviceConfig");

labelled_enum! {
    /// "Redirect": the entry at the vendor's redirect service.
    RedirectState {
        /// Not registered yet.
        Pending = "pending";
        /// Registered with the phone's current URL.
        Redirected = "redirected";
        /// Another account owns this MAC.
        ForeignOwner = "foreign-owner";
        /// The service rejected the request and gave a reason.
        Refused = "refused";
        /// No redirect account; DHCP and manual URL are shown instead.
        NotConfigured = "not-configured";
    }
}
facet_state!(RedirectState, "redirect");

labelled_enum! {
    /// "Phone Requests": the phone's requests for its files.
    RequestState {
        /// The phone has not sent a request.
        NotYet = "not-yet";
        /// The phone requested its file before its configuration had arrived.
        BeforeConfig = "before-config";
        /// The request was rejected.
        Rejected = "rejected";
        /// The phone has its personal file.
        Provisioned = "provisioned";
        /// The phone has not sent a request for three intervals or 7 days.
        Overdue = "overdue";
    }
}
facet_state!(RequestState, "requests");

labelled_enum! {
    /// "PBX flags": the flags on the HW-ID of the user object.
    UserObjectState {
        /// Not written yet.
        Pending = "pending";
        /// Written and read back.
        Applied = "applied";
        /// The app object lacks the Admin flag.
        NotPermitted = "not-permitted";
        /// The user object has no device with this HW-ID.
        DeviceNotFound = "device-not-found";
        /// Written, but reading back returned another value.
        DidNotStick = "did-not-stick";
    }
}
facet_state!(UserObjectState, "flags", |state| match state {
    UserObjectState::NotPermitted => 4,
    UserObjectState::DeviceNotFound => 3,
    UserObjectState::DidNotStick => 2,
    UserObjectState::Pending => 1,
    UserObjectState::Applied => 0,
});

labelled_enum! {
    /// "Registered": whether a PBX reports a registration for this HW-ID.
    RegistrationState {
        /// No PBX has been queried yet.
        Unknown = "unknown";
        /// Registered; the address is known.
        Registered = "registered";
        /// A PBX was queried and reports no registration.
        NotRegistered = "not-registered";
        /// The same may be expected: the user has no PBX password to register with.
        NoPassword = "no-password";
    }
}
facet_state!(RegistrationState, "registered", |state| match state {
    RegistrationState::NotRegistered | RegistrationState::NoPassword => 2,
    RegistrationState::Unknown => 1,
    RegistrationState::Registered => 0,
});

labelled_enum! {
    /// The desired state of a phone, set by an administrator.
    Wanted {
        /// In service.
        Active = "active";
        /// One more file with all accounts off is delivered, then nothing.
        Released = "released";
        /// Nothing is delivered, even with valid credentials.
        Blocked = "blocked";
        /// Deregister the phone, close its sysclient and keep a tombstone.
        Removed = "removed";
    }
}
translated!(Wanted, "state.wanted.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_names_read_back() {
        for state in DevicesState::ALL {
            assert_eq!(DevicesState::parse(state.as_str()), Some(*state));
        }
        for state in Wanted::ALL {
            assert_eq!(Wanted::parse(state.as_str()), Some(*state));
        }
        assert_eq!(DevicesState::Received.text(), "Config Received");
        assert_eq!(RequestState::Provisioned.text(), "Provisioned");
    }

    #[test]
    fn since_moves_only_with_the_state() {
        let at = |s| Timestamp::from_second(s).unwrap();
        let mut facet = Facet::new(RedirectState::Pending, at(1));
        facet.fail(RedirectState::Pending, "away", Some(at(9)), at(2));
        assert_eq!((facet.since, facet.attempts), (at(1), 1));
        facet.reach(RedirectState::Redirected, at(3));
        assert_eq!((facet.since, facet.attempts, facet.error.is_none()), (at(3), 0, true));
    }
}
