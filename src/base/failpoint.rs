//! Fail points: the moments in which a crash would leave the most to repair, before and after every commit and every
//! external call. Tests crash gangway at each of them.
//!
//! In a debug build, a child process kills itself (SIGKILL) at the point named by the environment variable
//! `GANGWAY_CRASH_AT`, and a test can stop and drop the flow at a point on its own thread. A release build has neither,
//! because an environment variable must not terminate a production process. `tests/release.rs` verifies this.

/// Declares every fail point once, within the scenario in which a test crashes there. Every point thus has a scenario.
macro_rules! points {
    ($($(#[$scenario_doc:meta])* $scenario:ident { $($(#[$doc:meta])* $point:ident,)+ })+) => {
        /// A test scenario. It runs from start to end once for each of its fail points.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Scenario { $($(#[$scenario_doc])* $scenario,)+ }

        impl Scenario {
            /// All scenarios.
            pub const ALL: &[Self] = &[$(Self::$scenario,)+];
        }

        /// A moment in which a test can crash gangway.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Failpoint { $($($(#[$doc])* $point,)+)+ }

        impl Failpoint {
            /// All points, ordered by scenario and then by execution order.
            pub const ALL: &[Self] = &[$($(Self::$point,)+)+];

            /// The scenario that executes the point.
            #[must_use]
            pub fn scenario(self) -> Scenario {
                match self { $($(Self::$point)|+ => Scenario::$scenario,)+ }
            }
        }
    };
}

points! {
    /// A phone is provisioned, lives for a day and is removed.
    Life {
        /// Users has sent a request; nothing is stored.
        Requested,
        /// The request is stored.
        RequestWritten,
        /// Product and version of the sysclient are stored, or were already; the sysclient pool does not know them yet.
        HoldWritten,
        /// The pool maintains the sysclient.
        Held,
        /// Devices has sent the password, which it does only once; it is not stored.
        PasswordCame,
        /// The password is stored; the pool has not been notified.
        PasswordWritten,
        /// The complete configuration was received; it is not stored.
        ConfigCame,
        /// The configuration is written.
        ConfigWritten,
        /// Devices has sent the administrative password; it is not stored.
        AdminPasswordCame,
        /// The administrative password is stored.
        AdminPasswordWritten,
        /// A part of the configuration was changed in Devices; it is not stored.
        ItemCame,
        /// The changed part is stored.
        ItemWritten,
        /// The server entry exists at the redirect service; gangway has not recorded it.
        ServerAnswered,
        /// Its name is stored; no phone is registered with it yet.
        ServerWritten,
        /// It is stored that the phone is about to be registered.
        RegisterWritten,
        /// The redirect service has registered the phone; this is not stored.
        RegisterAnswered,
        /// The registration is stored.
        RegisteredWritten,
        /// The redirect service has returned its entry; this is not stored.
        VerifyAnswered,
        /// The result of the verification is stored.
        VerifiedWritten,
        /// The result that Users waits for is known; Users has not been notified.
        VerdictReached,
        /// The flags are about to be written to the PBX.
        FlagsWanted,
        /// The PBX has the flags; this is not stored.
        FlagsAnswered,
        /// The result of writing the flags is stored.
        FlagsWritten,
        /// The PBX has returned where the phone is registered; this is not stored.
        RegistrationAnswered,
        /// The address of the registration is stored.
        RegistrationWritten,
        /// The redirect service has deleted a removed phone; this is not stored.
        DeregisterAnswered,
        /// The deletion is stored.
        DeregisteredWritten,
        /// The pool has closed the sysclient of a removed phone.
        Dropped,
        /// The bootstrap window has expired; this is not stored.
        WindowWanted,
        /// The closed bootstrap window is stored.
        WindowClosed,
        /// The record of a removed phone is about to be deleted (reduced to a tombstone).
        BuryWanted,
        /// The tombstone is stored.
        Buried,
    }
    /// Devices, redirect service and PBX are unavailable, and become available again.
    Outage {
        /// The reason why the phone has to wait is about to be stored; nothing else follows from it.
        NoteWanted,
        /// The reason is stored.
        NoteWritten,
        /// The sysclient connected, disconnected or found no peer; this is not stored.
        LineNewsCame,
        /// The connection state is stored.
        LineNewsWritten,
        /// A PBX has reconnected; no phone has been scheduled for a retry.
        PbxCame,
        /// The retry of one phone is stored.
        Hurried,
    }
    /// The user is absent for a week and the phone sends no requests; then both return.
    Absence {
        /// The PBX has answered the daily check of whether the user exists; this is not stored.
        PresenceAnswered,
        /// The result of the check is stored.
        PresenceWritten,
        /// The phone has sent no request for too long; this is not stored.
        OverdueWanted,
        /// The overdue state is stored.
        OverdueWritten,
        /// The user has been missing for too long; the account is not yet stored as disabled.
        WithholdWanted,
        /// The disabled account is stored.
        WithholdWritten,
        /// The phone has sent a request; this is not stored.
        SignOfLifeCame,
        /// The request is stored.
        SignOfLifeWritten,
    }
    /// The redirect service rejects the phone until an administrator corrects the account, and Devices removes the
    /// device.
    Refusal {
        /// An administrator has corrected the redirect account; no rejected phone has been updated.
        RetryWanted,
        /// The retry of one phone is stored.
        RetryWritten,
        /// The retries of all phones are stored; the new account is not yet stored as tried.
        RetriesWritten,
        /// Devices has reported that the device was removed; this is not stored.
        RemovalTold,
        /// The removal is stored.
        RemovalWritten,
    }
    /// The PBX reports gangway's URL, then another one, and all phones are migrated.
    Move {
        /// The shared bootstrap account does not exist yet.
        SharedAccountWanted,
        /// The shared bootstrap account is stored.
        SharedAccountWritten,
        /// An app object contains a URL; nothing is stored.
        UrlNamed,
        /// The URL is written.
        UrlWritten,
        /// Two app objects contain different URLs; this is not stored.
        ConflictNamed,
        /// The conflict is stored.
        ConflictWritten,
        /// Only one URL is left. It is stored that the conflict has ended, but nothing else.
        ConflictOver,
    }
    /// Changes requested by administrators.
    People {
        /// A change is requested; it is not stored.
        IntentWanted,
        /// The change is stored; it has not been acted on.
        IntentWritten,
        /// A one-time URL is requested.
        TicketWanted,
        /// The URL is valid and the previous one is not; it has not been returned.
        TicketWritten,
        /// A phone has used the URL; it is still valid for another request.
        TicketCame,
        /// The URL is marked as used; no byte of the response has been sent.
        TicketSpent,
    }
    /// The sealing key is replaced.
    Keys {
        /// The new key is in the key file.
        KeyWritten,
        /// The new key is accepted for sealing.
        KeyAdmitted,
        /// A batch of rows is resealed with it.
        Resealed,
        /// Only the new key is accepted for sealing.
        KeyAlone,
        /// Free pages and the write-ahead log contain no data sealed with the old key.
        OldSealsGone,
        /// The old key is removed from the key file.
        OldKeyGone,
        /// No snapshot depends on the old key.
        CopiesRenewed,
    }
    /// A phone fetches its files, is rejected, and authenticates with its own credentials.
    Requests {
        /// The phone has requested its first file; the bootstrap window is not bound.
        BindWanted,
        /// The bootstrap window is bound; no byte of the file has been sent.
        Bound,
        /// The file has been sent; this is not stored.
        FileSent,
        /// The delivery is stored.
        DeliveryWritten,
        /// The phone has authenticated with its own credentials; the bootstrap window is still open.
        ProofCame,
        /// The bootstrap window is closed; no byte has been sent.
        ProofWritten,
    }
    /// Data that is stored separately after the response: rejections and the validity of certificates.
    Remarks {
        /// A request of a phone was rejected; this is not stored.
        RefusalWanted,
        /// The rejection is stored.
        RefusalWritten,
        /// A client certificate was checked; this is not stored.
        CertificateWanted,
        /// The result of the check is stored.
        CertificateWritten,
    }
    /// A command imports a file of phones.
    Import {
        /// The command has sent its file; the file is not checked.
        ImportTaken,
        /// The file is checked; no line has been started.
        ImportBegun,
        /// Devices has created a code for a line; nothing is stored for the phone.
        ImportCodeCame,
        /// The phone of a line is provisioned; the user who imported it is not stored.
        ImportLineDone,
        /// The user who imported it is stored.
        ImportLineWritten,
    }
}

impl Failpoint {
    /// Its name in the environment variable: the name of the variant.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// The points of one scenario.
    pub fn of(scenario: Scenario) -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(move |point| point.scenario() == scenario)
    }
}

#[cfg(not(debug_assertions))]
mod armed {
    use super::Failpoint;

    /// Does nothing in release builds.
    #[inline]
    pub async fn failpoint(_: Failpoint) {}
}

#[cfg(debug_assertions)]
mod armed {
    use std::{cell::RefCell, rc::Rc, sync::OnceLock};

    use tokio::sync::Notify;

    use super::Failpoint;

    /// The environment variable that names the point at which the process crashes.
    pub const VARIABLE: &str = "GANGWAY_CRASH_AT";

    struct Trap {
        point: Failpoint,
        /// Number of times the point is still passed before it stops the flow.
        passes_left: u32,
        blocked: Rc<Notify>,
    }

    thread_local! {
        static TRAP: RefCell<Option<Trap>> = const { RefCell::new(None) };
    }

    /// Passes a fail point, or crashes or blocks forever there.
    pub async fn failpoint(point: Failpoint) {
        if from_environment() == Some(point) {
            // The process is killed here.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::future::pending::<()>().await;
        }
        let is_blocked = TRAP.with_borrow_mut(|trap| match trap {
            Some(trap) if trap.point == point && trap.passes_left > 0 => {
                trap.passes_left -= 1;
                false
            }
            Some(trap) if trap.point == point => {
                trap.blocked.notify_one();
                true
            }
            _ => false,
        });
        if is_blocked {
            std::future::pending::<()>().await;
        }
    }

    fn from_environment() -> Option<Failpoint> {
        static WHERE: OnceLock<Option<Failpoint>> = OnceLock::new();
        *WHERE.get_or_init(|| {
            let name = std::env::var(VARIABLE).ok()?;
            Failpoint::ALL.iter().copied().find(|point| point.name() == name)
        })
    }

    /// Blocks the flow on this thread at this point after it was passed the given number of times, until the flow is
    /// dropped. The returned signal fires when the flow is blocked. Setting another trap, or `None`, removes the
    /// previous one.
    #[must_use]
    pub fn set_trap(trap: Option<(Failpoint, u32)>) -> Rc<Notify> {
        let blocked = Rc::new(Notify::new());
        let trap = trap.map(|(point, passes_left)| Trap { point, passes_left, blocked: Rc::clone(&blocked) });
        TRAP.with_borrow_mut(|place| *place = trap);
        blocked
    }
}

pub use armed::*;
