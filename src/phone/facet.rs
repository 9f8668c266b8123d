//! Facets of a phone's state. Each facet is independent and has its state, the time it was reached, the last error as a
//! sentence for the administrator, and the time of the next attempt.

use jiff::Timestamp;

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

/// Declares the states of a facet: variant, name in the database, text in the user interface.
macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $stored:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// All states, in the order a phone usually passes them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name in the database and in JSON.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $stored,)+ }
            }

            /// The text in the user interface.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Parses the result of [`Self::as_str`].
            #[must_use]
            pub fn parse(stored: &str) -> Option<Self> {
                match stored { $($stored => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

states! {
    /// "Device Config": the state of the phone's sysclient connection to the Devices app.
    DevicesState {
        /// No Devices instance is known or reachable yet.
        Waiting = "waiting", "Waiting for Devices";
        /// The sysclient is being opened or has not received everything.
        Connecting = "connecting", "Connecting";
        /// The complete configuration has arrived and the sysclient is connected.
        Received = "received", "Config Received";
        /// The code is expired or unknown, or the device was removed in Devices. A new code is needed.
        NotInDomain = "not-in-domain", "Not in domain";
        /// The configuration is complete, but the sysclient is currently disconnected.
        Lost = "lost", "Connection lost";
    }
}

states! {
    /// "Redirect": the entry at the vendor's redirect service.
    RedirectState {
        /// Not registered yet.
        Pending = "pending", "Pending";
        /// Registered with the phone's current URL.
        Redirected = "redirected", "Redirected";
        /// Another account owns this MAC.
        ForeignOwner = "foreign-owner", "Owned by another account";
        /// The service rejected the request and gave a reason.
        Refused = "refused", "Refused";
        /// No redirect account; DHCP and manual URL are shown instead.
        NotConfigured = "not-configured", "Not configured";
    }
}

states! {
    /// "Phone Requests": the phone's requests for its files.
    RequestState {
        /// The phone has not sent a request.
        NotYet = "not-yet", "Not yet";
        /// The phone requested its file before its configuration had arrived.
        BeforeConfig = "before-config", "Requested before config";
        /// The request was rejected.
        Rejected = "rejected", "Rejected";
        /// The phone has its personal file.
        Provisioned = "provisioned", "Provisioned";
        /// The phone has not sent a request for three intervals or 7 days.
        Overdue = "overdue", "Overdue";
    }
}

states! {
    /// "PBX flags": the flags on the HW-ID of the user object.
    UserObjectState {
        /// Not written yet.
        Pending = "pending", "Pending";
        /// Written and read back.
        Applied = "applied", "Applied";
        /// The app object lacks the Admin flag.
        NotPermitted = "not-permitted", "Not permitted";
        /// The user object has no device with this HW-ID.
        DeviceNotFound = "device-not-found", "Device not found";
        /// Written, but reading back returned another value.
        DidNotStick = "did-not-stick", "Did not stick";
    }
}

states! {
    /// "Registered": whether a PBX reports a registration for this HW-ID.
    RegistrationState {
        /// No PBX has been queried yet.
        Unknown = "unknown", "Unknown";
        /// Registered; the address is known.
        Registered = "registered", "Registered";
        /// A PBX was queried and reports no registration.
        NotRegistered = "not-registered", "Not registered";
    }
}

states! {
    /// The desired state of a phone, set by an administrator.
    Wanted {
        /// In service.
        Active = "active", "Active";
        /// One more file with all accounts off is delivered, then nothing.
        Released = "released", "Released";
        /// Nothing is delivered, even with valid credentials.
        Blocked = "blocked", "Blocked";
        /// Deregister the phone, close its sysclient and keep a tombstone.
        Removed = "removed", "Removed";
    }
}

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
