//! The moments of the flow in which a crash would leave most to be put right: before and after every commit, before and
//! after everything that is told to somebody outside. A test lets the gateway die in each of them.
//!
//! In a debug build a child process kills itself where the environment variable `GANGWAY_CRASH_AT` names a point
//! (SIGKILL), and a test in the same thread can stop the flow there and drop it. A release build has neither: an
//! environment variable must not end a gateway in service. `tests/release.rs` shows it.

/// Declares the points once, each below the scenario in which a test dies there: none is without one.
macro_rules! points {
    ($($(#[$scenario_doc:meta])* $scenario:ident { $($(#[$doc:meta])* $point:ident,)+ })+) => {
        /// What a test tells from its beginning to its end, once for every moment in which the gateway may die.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Scenario { $($(#[$scenario_doc])* $scenario,)+ }

        impl Scenario {
            /// Every scenario.
            pub const ALL: &[Self] = &[$(Self::$scenario,)+];
        }

        /// One moment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Failpoint { $($($(#[$doc])* $point,)+)+ }

        impl Failpoint {
            /// Every point, scenario by scenario, in the order in which they are passed.
            pub const ALL: &[Self] = &[$($(Self::$point,)+)+];

            /// The scenario that passes it.
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
        /// Users has asked; nothing is written.
        Requested,
        /// The request is written.
        RequestWritten,
        /// Product and version of the sysclient are written, or need not be; the fleet does not know of it.
        HoldWritten,
        /// The fleet holds the sysclient.
        Held,
        /// Devices told its password, once and for all; it is not written.
        PasswordCame,
        /// The password is written; the fleet does not know that.
        PasswordWritten,
        /// The whole configuration has come; it is not written.
        ConfigCame,
        /// The configuration is written.
        ConfigWritten,
        /// Devices told the administrative password; it is not written.
        AdminPasswordCame,
        /// It is.
        AdminPasswordWritten,
        /// Something of the configuration was changed in Devices; it is not written.
        ItemCame,
        /// It is.
        ItemWritten,
        /// The server entry stands at the redirect service; nobody here knows.
        ServerAnswered,
        /// Its name is written; no phone is registered by it yet.
        ServerWritten,
        /// It is written that the phone is about to be registered.
        RegisterWritten,
        /// The redirect service has registered it; that is not written.
        RegisterAnswered,
        /// That is written.
        RegisteredWritten,
        /// The redirect service has told what it holds; that is not written.
        VerifyAnswered,
        /// That is written.
        VerifiedWritten,
        /// What Users waits for has come; it has not been told.
        VerdictReached,
        /// The flags are about to be written at the PBX.
        FlagsWanted,
        /// They are; that is not written here.
        FlagsAnswered,
        /// That is written.
        FlagsWritten,
        /// The PBX has told where the phone is registered; that is not written.
        RegistrationAnswered,
        /// That is written.
        RegistrationWritten,
        /// The redirect service has forgotten a removed phone; that is not written.
        DeregisterAnswered,
        /// That is written.
        DeregisteredWritten,
        /// The fleet has closed the sysclient of a removed phone.
        Dropped,
        /// The time in which bootstrap admits is over; that is not written.
        WindowWanted,
        /// It is.
        WindowClosed,
        /// A removed phone's record is about to be emptied.
        BuryWanted,
        /// It is.
        Buried,
    }
    /// Devices, redirect service and PBX are away, and come back.
    Outage {
        /// Why the phone has to wait is about to be written: nothing else comes of it.
        NoteWanted,
        /// It is written.
        NoteWritten,
        /// The sysclient's connection came up, ended or found nobody; that is not written.
        LineNewsCame,
        /// It is.
        LineNewsWritten,
        /// A PBX is back; nothing is written of what may be tried again.
        PbxCame,
        /// It is, of one phone.
        Hurried,
    }
    /// The user is gone for a week and the phone does not ask; then both are back.
    Absence {
        /// The PBX has told in its daily look-up whether the user is there; that is not written.
        PresenceAnswered,
        /// It is.
        PresenceWritten,
        /// The phone has not asked for too long; that is not written.
        OverdueWanted,
        /// It is.
        OverdueWritten,
        /// The account has been gone for too long; that it is withheld is not written.
        WithholdWanted,
        /// It is.
        WithholdWritten,
        /// The phone has shown that it is alive; that is not written.
        SignOfLifeCame,
        /// It is.
        SignOfLifeWritten,
    }
    /// The redirect service refuses the phone until a person corrects the account, and Devices throws it out.
    Refusal {
        /// A person has corrected the redirect account; nothing is written of the phones that were refused.
        RetryWanted,
        /// It is, of one phone.
        RetryWritten,
        /// It is of all of them; that the account was corrected is still news.
        RetriesWritten,
        /// Devices told that the device was removed; that is not written.
        RemovalTold,
        /// It is.
        RemovalWritten,
    }
    /// The PBX tells the gateway its URL, then another one, and all phones are moved.
    Move {
        /// There is no bootstrap account for all phones yet.
        SharedAccountWanted,
        /// There is.
        SharedAccountWritten,
        /// An app object named a URL; nothing is written.
        UrlNamed,
        /// The URL is written.
        UrlWritten,
        /// Two app objects name different URLs; that is not written.
        ConflictNamed,
        /// It is.
        ConflictWritten,
        /// One of them is left, and nothing is written but that there is no conflict any more.
        ConflictOver,
    }
    /// What people want of a phone.
    People {
        /// Something is wanted; it is not written.
        IntentWanted,
        /// It is; nobody has acted on it.
        IntentWritten,
        /// A command waits for the serving gateway to see its change; it has, and has not said so.
        AwaitedSeen,
        /// It has.
        AwaitedTold,
        /// A one-time URL is wanted.
        TicketWanted,
        /// The former one is worth nothing any more; there is no new one.
        FormerTicketGone,
        /// It is written which one is the phone's; it is worth nothing yet.
        TicketNamed,
        /// It is worth something; nobody has been told.
        TicketWritten,
        /// A phone has come with it; it is good for another one.
        TicketCame,
        /// It is not; no byte has left.
        TicketSpent,
    }
    /// Another sealing key takes over.
    Keys {
        /// The new key is in the key file.
        KeyWritten,
        /// It seals.
        KeyAdmitted,
        /// A portion is sealed with it.
        Resealed,
        /// It alone may seal.
        KeyAlone,
        /// Nothing of the old one is left in free pages and log.
        OldSealsGone,
        /// The old one has left the file.
        OldKeyGone,
        /// No copy needs it.
        CopiesRenewed,
    }
    /// A phone fetches its files, is refused, and proves its own credentials.
    Requests {
        /// The phone has asked for its first file; the window is not bound.
        BindWanted,
        /// The window is bound; no byte of the file has left.
        Bound,
        /// The file has left; that is not written.
        FileSent,
        /// That is written.
        DeliveryWritten,
        /// The phone has proved its own credentials; the window is open still.
        ProofCame,
        /// It is closed; no byte has left.
        ProofWritten,
    }
    /// What is written behind an answer and by itself only: refusals, and what certificates are worth.
    Remarks {
        /// A phone did not get what it asked for; that is not written.
        RefusalWanted,
        /// It is.
        RefusalWritten,
        /// A certificate was judged; that is not written.
        CertificateWanted,
        /// It is.
        CertificateWritten,
    }
    /// A file of phones is imported by a command.
    Import {
        /// The gateway has taken the file; the command's question stands.
        ImportTaken,
        /// Nothing of the question is left on disk; no line is begun.
        ImportBegun,
        /// Devices has made a code for a line; nothing is written of the phone.
        ImportCodeCame,
        /// The phone of a line is provisioned; who imported it is not written.
        ImportLineDone,
        /// It is.
        ImportLineWritten,
    }
}

impl Failpoint {
    /// Its name in the environment: as in the source.
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

    /// Nothing.
    #[inline]
    pub async fn failpoint(_: Failpoint) {}
}

#[cfg(debug_assertions)]
mod armed {
    use std::{cell::RefCell, rc::Rc, sync::OnceLock};

    use tokio::sync::Notify;

    use super::Failpoint;

    /// The variable that names the point at which the process dies.
    pub const VARIABLE: &str = "GANGWAY_CRASH_AT";

    struct Trap {
        point: Failpoint,
        /// Times it is still passed.
        spared: u32,
        caught: Rc<Notify>,
    }

    thread_local! {
        static TRAP: RefCell<Option<Trap>> = const { RefCell::new(None) };
    }

    /// Passes a point, dies there or stays there for ever.
    pub async fn failpoint(point: Failpoint) {
        if from_environment() == Some(point) {
            // Nothing after this line runs.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::future::pending::<()>().await;
        }
        let is_caught = TRAP.with_borrow_mut(|trap| match trap {
            Some(trap) if trap.point == point && trap.spared > 0 => {
                trap.spared -= 1;
                false
            }
            Some(trap) if trap.point == point => {
                trap.caught.notify_one();
                true
            }
            _ => false,
        });
        if is_caught {
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

    /// Holds whoever comes to this point on this thread after it was passed so many times, until it is dropped; the
    /// returned signal tells that somebody came. Setting another one, or none, takes the former away.
    #[must_use]
    pub fn set_trap(trap: Option<(Failpoint, u32)>) -> Rc<Notify> {
        let caught = Rc::new(Notify::new());
        let trap = trap.map(|(point, spared)| Trap { point, spared, caught: Rc::clone(&caught) });
        TRAP.with_borrow_mut(|place| *place = trap);
        caught
    }
}

pub use armed::*;
