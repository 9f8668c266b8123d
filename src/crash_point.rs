//! The moments of the flow in which a crash would leave most to be put right: before and after every commit, before and
//! after everything that is told to somebody outside. A test lets the gateway die in each of them.
//!
//! With the feature `sim` a child process kills itself where the environment variable `GANGWAY_CRASH_AT` names a point
//! (SIGKILL: no goodbye), and a test in the same thread can hold the flow there and drop it. Without the feature a point
//! is nothing.

/// One moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CrashPoint {
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
    /// The phone has asked for its first file; the window is not bound.
    BindWanted,
    /// The window is bound; no byte of the file has left.
    Bound,
    /// The file has left; that is not written.
    FileSent,
    /// That is written.
    DeliveryWritten,
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
    /// The time in which bootstrap admits is over; that is not written.
    WindowWanted,
    /// It is.
    WindowClosed,
    /// A removed phone's record is about to be emptied.
    BuryWanted,
    /// It is.
    Buried,
}

impl CrashPoint {
    /// Every point, in the order of a phone's life.
    pub const ALL: &[Self] = &[
        Self::Requested,
        Self::RequestWritten,
        Self::HoldWritten,
        Self::Held,
        Self::PasswordCame,
        Self::PasswordWritten,
        Self::ConfigCame,
        Self::ConfigWritten,
        Self::AdminPasswordCame,
        Self::AdminPasswordWritten,
        Self::ItemCame,
        Self::ItemWritten,
        Self::ServerAnswered,
        Self::ServerWritten,
        Self::RegisterWritten,
        Self::RegisterAnswered,
        Self::RegisteredWritten,
        Self::VerifyAnswered,
        Self::VerifiedWritten,
        Self::BindWanted,
        Self::Bound,
        Self::FileSent,
        Self::DeliveryWritten,
        Self::FlagsWanted,
        Self::FlagsAnswered,
        Self::FlagsWritten,
        Self::RegistrationAnswered,
        Self::RegistrationWritten,
        Self::DeregisterAnswered,
        Self::DeregisteredWritten,
        Self::WindowWanted,
        Self::WindowClosed,
        Self::BuryWanted,
        Self::Buried,
    ];

    /// Its name in the environment: as in the source.
    #[must_use]
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

#[cfg(not(feature = "sim"))]
mod armed {
    use super::CrashPoint;

    /// Nothing.
    #[inline]
    pub async fn pass(_: CrashPoint) {}
}

#[cfg(feature = "sim")]
mod armed {
    use std::{cell::RefCell, rc::Rc, sync::OnceLock};

    use tokio::sync::Notify;

    use super::CrashPoint;

    /// The variable that names the point at which the process dies.
    pub const VARIABLE: &str = "GANGWAY_CRASH_AT";

    struct Trap {
        point: CrashPoint,
        caught: Rc<Notify>,
    }

    thread_local! {
        static TRAP: RefCell<Option<Trap>> = const { RefCell::new(None) };
    }

    /// Passes a point, dies there or stays there for ever.
    pub async fn pass(point: CrashPoint) {
        if from_environment() == Some(point) {
            // Nothing after this line runs.
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            std::future::pending::<()>().await;
        }
        let is_caught = TRAP.with_borrow(|trap| match trap {
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

    fn from_environment() -> Option<CrashPoint> {
        static WHERE: OnceLock<Option<CrashPoint>> = OnceLock::new();
        *WHERE.get_or_init(|| {
            let name = std::env::var(VARIABLE).ok()?;
            CrashPoint::ALL.iter().copied().find(|point| point.name() == name)
        })
    }

    /// Holds whoever comes to this point on this thread, until it is dropped; the returned signal tells that somebody
    /// came. Setting another one, or none, takes the former away.
    #[must_use]
    pub fn set_trap(point: Option<CrashPoint>) -> Rc<Notify> {
        let caught = Rc::new(Notify::new());
        let trap = point.map(|point| Trap { point, caught: Rc::clone(&caught) });
        TRAP.with_borrow_mut(|place| *place = trap);
        caught
    }
}

pub use armed::*;
