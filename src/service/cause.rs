//! What keeps a phone from ringing, and the rough place each cause puts it in.

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $stage:ident;)+) => {
        /// What keeps a phone from ringing, or that it does ring.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause { $($(#[$doc])* $variant,)+ }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The lasting word in messages and keys.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Where it places the phone; of a redirected phone that has not asked, time decides too.
            #[must_use]
            pub fn stage(self) -> ProvisioningStage {
                match self { $(Self::$variant => ProvisioningStage::$stage,)+ }
            }
        }
    };
}

causes! {
    /// Nothing is in the way: registered.
    Working = "working", Working;
    /// Works, but its file has changed since it fetched it.
    ChangePending = "change-pending", Working;
    /// Works, but its sysclient is down.
    DevicesLost = "devices-lost", Working;
    /// It has its file and is to register.
    Registering = "registering", Provisioned;
    /// Its flags are to be written.
    FlagsPending = "flags-pending", Provisioned;
    /// It has its file and no PBX sees it.
    NotRegistered = "not-registered", Stuck;
    /// The same, and its model is none the vendor's folder knows.
    UnknownModel = "unknown-model", Stuck;
    /// The app object lacks the flag Admin.
    FlagsNotPermitted = "flags-not-permitted", Stuck;
    /// The PBX took the flags and shows others.
    FlagsDidNotStick = "flags-did-not-stick", Stuck;
    /// The user object has no such device.
    DeviceNotFound = "device-not-found", Stuck;
    /// No PBX is connected.
    PbxAway = "pbx-away", Underway;
    /// No connected app object has the flag Services.
    ServicesNotGranted = "services-not-granted", Stuck;
    /// No PBX announces a Devices app.
    DevicesNotAnnounced = "devices-not-announced", Stuck;
    /// Devices is known and cannot be reached.
    DevicesAway = "devices-away", Underway;
    /// The gateway has no file descriptor for its sysclient.
    NoDescriptor = "no-descriptor", Stuck;
    /// The sysclient is being opened.
    Connecting = "connecting", Underway;
    /// Devices took no notice of the code, or refused it.
    CodeRefused = "code-refused", Stuck;
    /// Devices knew the phone and does not any more.
    RemovedInDevices = "removed-in-devices", Stuck;
    /// The phone asked before there was anything to give.
    AskedBeforeConfig = "asked-before-config", Underway;
    /// Our own URL is not known.
    NoOwnUrl = "no-own-url", Stuck;
    /// There is no redirect account.
    RedirectNotConfigured = "redirect-not-configured", Underway;
    /// The redirect service has not answered yet.
    RedirectPending = "redirect-pending", Underway;
    /// The redirect service is away or asks for patience.
    RedirectAway = "redirect-away", Underway;
    /// It refused.
    RedirectRefused = "redirect-refused", Stuck;
    /// Somebody else has the phone there.
    RedirectForeignOwner = "redirect-foreign-owner", Stuck;
    /// Let in again by a person, and it has not asked since.
    AllowedNotAsked = "allowed-not-asked", Underway;
    /// Redirected, and it has not asked.
    RedirectedNotAsked = "redirected-not-asked", Underway;
    /// It waits, and at its address somebody refuses our certificate.
    CertificateRefused = "certificate-refused", Stuck;
    /// It waits, nobody knows where it is, and somebody somewhere refuses our certificate.
    CertificatePerhapsRefused = "certificate-perhaps-refused", Underway;
    /// It never came and its time is over.
    WindowExpired = "window-expired", Stuck;
    /// A rule of admission refused it.
    Rejected = "rejected", Stuck;
    /// It has been reset and asks again with its window closed.
    WindowClosed = "window-closed", Stuck;
    /// It has not asked for too long.
    Overdue = "overdue", Overdue;
    /// All its users are gone from the PBX.
    Orphaned = "orphaned", Stuck;
    /// Blocked by a person.
    Blocked = "blocked", Leaving;
    /// To fetch one more file with all accounts off.
    Releasing = "releasing", Leaving;
    /// It has fetched that.
    Released = "released", Leaving;
    /// To be removed.
    Removing = "removing", Leaving;
    /// Removed completely.
    Removed = "removed", Gone;
    /// Removed, but for what could not be undone.
    RemovedWithLeftovers = "removed-with-leftovers", Gone;
}

/// A rough place, for counting and filtering; in the order of how much it is a person's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProvisioningStage {
    /// A tombstone.
    Gone,
    /// Blocked, released or being removed.
    Leaving,
    /// Registered.
    Working,
    /// Has its file.
    Provisioned,
    /// On its way by itself.
    Underway,
    /// Silent for too long.
    Overdue,
    /// Needs a person.
    Stuck,
}

impl ProvisioningStage {
    /// Every stage, in that order.
    pub const ALL: &'static [Self] =
        &[Self::Gone, Self::Leaving, Self::Working, Self::Provisioned, Self::Underway, Self::Overdue, Self::Stuck];

    /// The lasting word in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Provisioned => "provisioned",
            Self::Underway => "underway",
            Self::Stuck => "stuck",
            Self::Overdue => "overdue",
            Self::Leaving => "leaving",
            Self::Gone => "gone",
        }
    }

    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.as_str() == word)
    }
}
