//! The causes that prevent a phone from working, and the stage of each cause.

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $stage:ident;)+) => {
        /// Why a phone does not work, or that it does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Cause { $($(#[$doc])* $variant,)+ }

        impl Cause {
            /// Every cause.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The permanent name in messages and keys.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The stage of the cause. For a redirected phone without a request, it also depends on time.
            #[must_use]
            pub fn stage(self) -> ProvisioningStage {
                match self { $(Self::$variant => ProvisioningStage::$stage,)+ }
            }
        }
    };
}

causes! {
    /// The phone is registered.
    Working = "working", Working;
    /// The phone works, but its file has changed since it was fetched.
    ChangePending = "change-pending", Working;
    /// The phone works, but its sysclient is disconnected.
    DevicesLost = "devices-lost", Working;
    /// The phone has its file and has not registered yet.
    Registering = "registering", Provisioned;
    /// The flags of the user object have not been written yet.
    FlagsPending = "flags-pending", Provisioned;
    /// The phone has its file, but no PBX sees a registration.
    NotRegistered = "not-registered", Stuck;
    /// The user has no PBX password, so the phone cannot register.
    NoPbxPassword = "no-pbx-password", Stuck;
    /// It was registered and is not any more.
    RegistrationLost = "registration-lost", Stuck;
    /// The phone is provisioned, no PBX sees it, and the vendor's folder does not contain the phone's model.
    UnknownModel = "unknown-model", Stuck;
    /// The app object does not have the flag Admin.
    FlagsNotPermitted = "flags-not-permitted", Stuck;
    /// The PBX accepted the flags but still shows different ones.
    FlagsDidNotStick = "flags-did-not-stick", Stuck;
    /// The user object has no such device.
    DeviceNotFound = "device-not-found", Stuck;
    /// No PBX is connected.
    PbxAway = "pbx-away", Underway;
    /// No connected app object has the flag Services.
    ServicesNotGranted = "services-not-granted", Stuck;
    /// No PBX announces a Devices app.
    DevicesNotAnnounced = "devices-not-announced", Stuck;
    /// Devices is known but cannot be reached.
    DevicesAway = "devices-away", Underway;
    /// The gateway has no file descriptor for its sysclient.
    NoDescriptor = "no-descriptor", Stuck;
    /// The sysclient is being opened.
    Connecting = "connecting", Underway;
    /// Devices ignored or rejected the code.
    CodeRefused = "code-refused", Stuck;
    /// The phone was removed from Devices.
    RemovedInDevices = "removed-in-devices", Stuck;
    /// The phone sent a request before it had a configuration.
    AskedBeforeConfig = "asked-before-config", Underway;
    /// The gateway's URL is not known.
    NoOwnUrl = "no-own-url", Stuck;
    /// There is no redirect account.
    RedirectNotConfigured = "redirect-not-configured", Underway;
    /// The redirect service has not answered yet.
    RedirectPending = "redirect-pending", Underway;
    /// The redirect service cannot be reached or requests a pause.
    RedirectAway = "redirect-away", Underway;
    /// The redirect service rejected the request.
    RedirectRefused = "redirect-refused", Stuck;
    /// The phone belongs to a different account at the redirect service.
    RedirectForeignOwner = "redirect-foreign-owner", Stuck;
    /// An administrator allowed the phone again, and it has not sent a request since.
    AllowedNotAsked = "allowed-not-asked", Underway;
    /// The phone is redirected and has not sent a request.
    RedirectedNotAsked = "redirected-not-asked", Underway;
    /// The phone has not sent a request, and a client at its address rejects the gateway's certificate.
    CertificateRefused = "certificate-refused", Stuck;
    /// The phone has not sent a request, its address is unknown, and a client at some address rejects the gateway's
    /// certificate.
    CertificatePerhapsRefused = "certificate-perhaps-refused", Underway;
    /// The phone never sent a request, and its bootstrap window has expired.
    WindowExpired = "window-expired", Stuck;
    /// A rule of admission rejected the phone.
    Rejected = "rejected", Stuck;
    /// The phone was reset and sends requests after its bootstrap window has closed.
    WindowClosed = "window-closed", Stuck;
    /// The phone has not sent a request for too long.
    Overdue = "overdue", Overdue;
    /// All users of the phone have been deleted at the PBX.
    Orphaned = "orphaned", Stuck;
    /// Blocked by an administrator.
    Blocked = "blocked", Leaving;
    /// The phone must fetch one more file, with all accounts disabled.
    Releasing = "releasing", Leaving;
    /// The phone has fetched that file.
    Released = "released", Leaving;
    /// The phone is being removed.
    Removing = "removing", Leaving;
    /// Removed completely.
    Removed = "removed", Gone;
    /// Removed, except for a part that could not be undone.
    RemovedWithLeftovers = "removed-with-leftovers", Gone;
}

/// A stage for counting and filtering. Ordered by how much an administrator's attention is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProvisioningStage {
    /// Deleted (tombstone).
    Gone,
    /// Blocked, released or being removed.
    Leaving,
    /// Registered.
    Working,
    /// The phone has its file.
    Provisioned,
    /// In progress without an administrator.
    Underway,
    /// No request for too long.
    Overdue,
    /// An administrator must act.
    Stuck,
}

impl ProvisioningStage {
    /// All stages, in this order.
    pub const ALL: &'static [Self] =
        &[Self::Gone, Self::Leaving, Self::Working, Self::Provisioned, Self::Underway, Self::Overdue, Self::Stuck];

    /// The permanent name in messages.
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

    /// Parses [`Self::as_str`].
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|stage| stage.as_str() == word)
    }
}
