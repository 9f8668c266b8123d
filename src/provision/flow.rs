//! Decides the next step for a phone: one pure function per facet maps the record, a few facts outside it and the time
//! to a [`NextStep`]. No state is kept here; after a restart the same record gives the same decisions.
//!
//! Carrying out an action always changes the inputs of its function (the record or the state of the sysclient pool),
//! whether it succeeds or fails. Repeated decisions therefore settle.

mod account;
mod devices;
mod lifecycle;
mod redirect;
mod server;
#[cfg(test)]
mod tests;

use gangway_base::secret::Secret;
use jiff::Timestamp;
use url::Url;

pub use self::{
    account::{FLAGS_SLOWLY, GRACE_AFTER_DELIVERY, flags_written, registration_pause},
    devices::{credential, has_untried, in_back_off, sysclient_target},
    lifecycle::{AFTER_FIRST_DELIVERY, ends_window, overdue_at, release_is_delivered, unused},
    redirect::{CHECKED_EVERY, needs_moving},
    server::{ServerContext, ServerDecision, ServerEntryProgress, server_entry},
};
use crate::{
    devices::sysclients::{Credential, SysclientIdentity},
    phone::{
        facet::Wanted,
        public_url::UrlError,
        record::{Flags, Phone},
    },
};

/// A part of a phone that is decided separately. At most one action per phone and task is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FacetTask {
    /// The sysclient connection to Devices.
    Devices,
    /// The entry at the redirect service.
    Redirect,
    /// Whether the phone sends requests as often as it should.
    Request,
    /// The bootstrap window.
    Window,
    /// The deletion of a removed phone.
    Life,
    /// Flags on the user object of the account on this line.
    UserObject(u16),
    /// Registration of the account on this line.
    Registration(u16),
    /// Whether the account on this line stays enabled in the file.
    Presence(u16),
}

impl FacetTask {
    /// All tasks of a phone.
    fn of(phone: &Phone) -> impl Iterator<Item = Self> {
        let of_phone = [Self::Devices, Self::Redirect, Self::Request, Self::Window, Self::Life];
        let of_account = |line| [Self::UserObject(line), Self::Registration(line), Self::Presence(line)];
        of_phone.into_iter().chain(phone.accounts.iter().flat_map(move |account| of_account(account.line)))
    }
}

/// The next step of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// Carry out this action now.
    Act(Action),
    /// Nothing to do before this time.
    WaitUntil(Timestamp),
    /// Nothing to do until this happens. It changes the record or the context, which triggers a new decision.
    WaitFor(WaitReason),
    /// Nothing to do.
    Settled,
}

/// What a task may wait for without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitReason {
    /// A PBX that announces the Devices app.
    DevicesUrl,
    /// The result of the open sysclient connection.
    Devices,
    /// The device configuration.
    Configuration,
    /// The URL at which phones reach us.
    PhoneUrl,
    /// The server entry of the redirect account.
    ServerEntry,
    /// A complete delivery of the personal file.
    Delivery,
    /// An administrator or user: a new provisioning, a click, or a changed setting.
    Person,
    /// The completion of the other tasks of a removed phone.
    Farewell,
}

/// An action to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Hold a sysclient with this URL and credential.
    Connect(SysclientTarget),
    /// Close the sysclient.
    Disconnect,
    /// Record that no Devices URL is known.
    RecordNoDevices,
    /// Record that there is neither a password nor a code.
    RecordNoCredential,
    /// Record that no redirect account is configured.
    RecordNotConfigured,
    /// Record why the URL to send the phone to is not known.
    RecordNoUrl(UrlError),
    /// Record that the redirect service is away, with the time of the next attempt.
    RecordRedirectUnavailable(Timestamp),
    /// Record that the account's server entry was rejected, with this sentence.
    RecordServerRejected(String),
    /// Register the phone at the redirect service with this URL.
    Register {
        /// The URL that the phone is sent to.
        url: Secret,
        /// The server entry, if the service has them.
        server_name: String,
    },
    /// Ask the redirect service whether it sends the phone to this URL.
    Verify {
        /// The URL that the service was given.
        url: Secret,
    },
    /// Remove the phone from the redirect service.
    Deregister,
    /// Record that the phone has not asked for too long.
    MarkOverdue,
    /// Close the bootstrap window. If it was unused, the users' passwords are dropped as well.
    CloseWindow,
    /// Turn a removed phone into a tombstone.
    Archive,
    /// Write these flags on the account's HW-ID.
    WriteFlags(Flags),
    /// Ask the PBXs for the account's registration.
    CheckRegistration,
    /// Disable the account in the phone's file.
    DisableAccount,
}

/// A sysclient to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysclientTarget {
    /// `.../sysclients`.
    pub url: Url,
    /// The credential that it identifies with.
    pub credential: Credential,
    /// What the phone is, as far as it is known.
    pub identity: SysclientIdentity,
}

/// A Devices app that may know the phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicesCandidate {
    /// Its sysclient URL.
    pub url: Url,
    /// It could not be reached at the last attempt.
    pub is_away: bool,
}

/// The facts outside the record that decisions depend on.
#[derive(Debug, Clone)]
pub struct FlowContext {
    /// The Devices apps that the PBXs grant, in the order in which a code is tried there.
    pub devices: Vec<DevicesCandidate>,
    /// What the phone tells Devices about itself.
    pub identity: SysclientIdentity,
    /// The sysclient that the pool holds for this phone.
    pub target: Option<SysclientTarget>,
    /// The redirect service of this phone.
    pub redirect: RedirectContext,
    /// The flags that the settings require.
    pub flags: Flags,
    /// Interval of the phone's requests in minutes; 0 = only when it starts.
    pub interval_minutes: u32,
    /// When the phone sent its last request.
    pub last_request: Option<Timestamp>,
}

/// The facts about the redirect service of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectContext {
    /// Whether an account is configured.
    pub configured: bool,
    /// The URL to send this phone to, or why it is not known.
    pub url: Result<Secret, UrlError>,
    /// The service is away; only a probe calls it before this time.
    pub away_until: Option<Timestamp>,
    /// The account's server entry.
    pub server: ServerReadiness,
}

/// The state of the server entry of a redirect account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerReadiness {
    /// The entry is being written.
    Pending,
    /// The entry exists under this name.
    Ready(String),
    /// The entry was rejected; an administrator must act.
    Refused(String),
}

/// The decisions for every task of the phone.
#[must_use]
pub fn decide(phone: &Phone, context: &FlowContext, now: Timestamp) -> Vec<(FacetTask, NextStep)> {
    FacetTask::of(phone).map(|task| (task, decide_one(task, phone, context, now))).collect()
}

/// The decision for one task; [`NextStep::Settled`] for a line that no longer exists.
#[must_use]
pub fn decide_one(concern: FacetTask, phone: &Phone, context: &FlowContext, now: Timestamp) -> NextStep {
    match concern {
        FacetTask::Devices => devices::decide(phone, context),
        FacetTask::Redirect => redirect::decide(phone, &context.redirect, now),
        FacetTask::Request => lifecycle::request(phone, context, now),
        FacetTask::Window => lifecycle::window(phone, now),
        FacetTask::Life => lifecycle::end(phone, context),
        FacetTask::UserObject(line) => {
            phone.account(line).map_or(NextStep::Settled, |account| account::user_object(phone, account, context, now))
        }
        FacetTask::Registration(line) => {
            phone.account(line).map_or(NextStep::Settled, |account| account::registration(phone, account, now))
        }
        FacetTask::Presence(line) => {
            phone.account(line).map_or(NextStep::Settled, |account| account::presence(phone, account, now))
        }
    }
}

/// Whether nothing is kept outside for the phone: it is removed, or released and has fetched its last file.
fn is_leaving(phone: &Phone) -> bool {
    phone.wanted == Wanted::Removed || release_is_delivered(phone)
}

/// Acts if the time of the next attempt has come.
fn when_due(next: Option<Timestamp>, now: Timestamp, action: impl FnOnce() -> NextStep) -> NextStep {
    match next {
        Some(at) if at > now => NextStep::WaitUntil(at),
        _ => action(),
    }
}
