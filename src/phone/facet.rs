//! The facets of a phone's state: independent parts, each with its own state, the time it was reached,
//! the last error as a sentence a person can act on, and the next attempt.

use jiff::Timestamp;

/// One independent part of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet<S> {
    /// Where this part stands.
    pub state: S,
    /// Since when.
    pub since: Timestamp,
    /// What went wrong last, as a sentence that says what to do; cleared by success.
    pub error: Option<String>,
    /// When it will be tried again by itself; `None` when nothing is planned.
    pub next_attempt: Option<Timestamp>,
    /// Failed attempts since the last success: drives the back-off.
    pub attempts: u32,
}

impl<S: Copy + PartialEq> Facet<S> {
    /// A facet that has just come to be.
    #[must_use]
    pub fn new(state: S, now: Timestamp) -> Self {
        Self { state, since: now, error: None, next_attempt: None, attempts: 0 }
    }

    /// Reaches a state that is not an error. `since` moves only when the state changes.
    pub fn reach(&mut self, state: S, now: Timestamp) {
        self.enter(state, now);
        self.error = None;
        self.next_attempt = None;
        self.attempts = 0;
    }

    /// Records a failed attempt: state, sentence, and when it is tried again (`None`: needs a person).
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

/// Declares the states of a facet once: variant, name in the database, text in the user interface.
macro_rules! states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $stored:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every state, in the order a phone usually passes them.
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

            /// Reads [`Self::as_str`] back.
            #[must_use]
            pub fn parse(stored: &str) -> Option<Self> {
                match stored { $($stored => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

states! {
    /// "Device Config": the phone's sysclient towards the Devices app.
    DevicesState {
        /// No Devices instance is known or reachable yet.
        Waiting = "waiting", "Waiting for Devices";
        /// The sysclient is being opened or has not received everything.
        Connecting = "connecting", "Connecting";
        /// The whole configuration arrived and the sysclient is up.
        Received = "received", "Config Received";
        /// Code expired or unknown, or the device was removed in Devices: needs a new code.
        NotInDomain = "not-in-domain", "Not in domain";
        /// The configuration is there, the sysclient is down at the moment.
        Lost = "lost", "Connection lost";
    }
}

states! {
    /// "Redirect": the entry at the vendor's redirect service.
    RedirectState {
        /// Not registered yet.
        Pending = "pending", "Pending";
        /// Registered with the phone's present URL.
        Redirected = "redirected", "Redirected";
        /// Somebody else's account holds this MAC.
        ForeignOwner = "foreign-owner", "Owned by another account";
        /// The service refused, with its reason.
        Refused = "refused", "Refused";
        /// No redirect account; DHCP and manual URL are shown instead.
        NotConfigured = "not-configured", "Not configured";
    }
}

states! {
    /// "Phone Requests": what the phone asked for.
    RequestState {
        /// It has not asked.
        NotYet = "not-yet", "Not yet";
        /// It asked before its configuration was there.
        BeforeConfig = "before-config", "Requested before config";
        /// It was refused.
        Rejected = "rejected", "Rejected";
        /// It has its personal file.
        Provisioned = "provisioned", "Provisioned";
        /// It has not asked for three intervals or 7 days.
        Overdue = "overdue", "Overdue";
    }
}

states! {
    /// "PBX flags" on the HW-ID of the user object.
    UserObjectState {
        /// Not written yet.
        Pending = "pending", "Pending";
        /// Written and read back.
        Applied = "applied", "Applied";
        /// The app object lacks the Admin flag.
        NotPermitted = "not-permitted", "Not permitted";
        /// The user object has no device with this HW-ID.
        DeviceNotFound = "device-not-found", "Device not found";
        /// Written, but reading back shows another value.
        DidNotStick = "did-not-stick", "Did not stick";
    }
}

states! {
    /// "Registered": does a PBX see this HW-ID?
    RegistrationState {
        /// Not asked yet.
        Unknown = "unknown", "Unknown";
        /// Seen, with its address.
        Registered = "registered", "Registered";
        /// Asked and not seen.
        NotRegistered = "not-registered", "Not registered";
    }
}

states! {
    /// What people want of a phone.
    Wanted {
        /// In service.
        Active = "active", "Active";
        /// One more file with all accounts off, then nothing.
        Released = "released", "Released";
        /// Nothing is delivered, whoever proves what.
        Blocked = "blocked", "Blocked";
        /// Deregister, close the sysclient, keep a tombstone.
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
