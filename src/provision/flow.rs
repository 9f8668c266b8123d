//! What is to be done next for a phone: one pure function per facet from the record, the few facts outside it and the
//! time to a [`Decision`]. Nothing here remembers anything; after a restart the same record gives the same decisions.
//!
//! An action always changes what the function looks at (the record or what the fleet holds) when it is carried out,
//! whether it succeeds or fails, so that deciding again comes to rest.

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
    account::{FLAGS_SLOWLY, PATIENCE_AFTER_DELIVERY, flags_written, registration_pause},
    devices::{credential, in_back_off, sysclient_target},
    lifecycle::{AFTER_FIRST_DELIVERY, ends_window, overdue_at, release_is_delivered, unused},
    redirect::{CHECKED_EVERY, needs_moving},
    server::{ServerContext, ServerDecision, ServerEntryProgress, server_entry},
};
use crate::{
    devices::sysclients::Credential,
    phone::{
        facet::Wanted,
        public_url::UrlError,
        record::{Flags, Phone},
    },
};

/// A part of a phone that is decided by itself. At most one action per phone and concern is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FacetTask {
    /// The sysclient towards Devices.
    Devices,
    /// The entry at the redirect service.
    Redirect,
    /// Whether the phone asks as often as it should.
    Request,
    /// The time in which bootstrap admits.
    Window,
    /// The end of a removed phone.
    Life,
    /// Flags on the user object of the account on this line.
    UserObject(u16),
    /// Registration of the account on this line.
    Registration(u16),
    /// Whether the account on this line is still worth a place in the file.
    Presence(u16),
}

/// What comes next for one concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextStep {
    /// Do this now.
    Act(Action),
    /// Nothing before this time.
    WaitUntil(Timestamp),
    /// Nothing until this happens; its arrival changes the record or the context, which decides again.
    WaitFor(Awaited),
    /// Nothing to do.
    Settled,
}

/// What a concern may wait for without a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// A PBX that announces the Devices app.
    DevicesUrl,
    /// What the open sysclient brings.
    Devices,
    /// The device configuration.
    Configuration,
    /// The URL under which phones reach us.
    PhoneUrl,
    /// The server entry of the redirect account.
    ServerEntry,
    /// A complete delivery of the personal file.
    Delivery,
    /// A new provisioning, a click, a changed setting.
    Person,
    /// The other concerns of a removed phone.
    Farewell,
}

/// Something to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Hold a sysclient with this URL and credential.
    Connect(SysclientTarget),
    /// Close the sysclient.
    Disconnect,
    /// Record that no Devices URL is known.
    RecordNoDevices,
    /// Record that neither password nor code is there.
    RecordNoCredential,
    /// Record that no redirect account is configured.
    RecordNotConfigured,
    /// Record why it is not known where the phone is to be sent.
    RecordNoUrl(UrlError),
    /// Record that the redirect service is away; the next attempt is at this time.
    RecordRedirectUnavailable(Timestamp),
    /// Record that the account's server entry was refused, with this sentence.
    RecordServerRejected(String),
    /// Register the phone at the redirect service with this URL.
    Register {
        /// The URL the phone is sent to.
        url: Secret,
        /// The server entry, where the service has them.
        server_name: String,
    },
    /// Ask the redirect service whether it sends the phone to this URL.
    Verify {
        /// The URL it was given.
        url: Secret,
    },
    /// Take the phone off the redirect service.
    Deregister,
    /// Record that the phone has not asked for too long.
    MarkOverdue,
    /// Close the window; of an unused one the user's password is dropped as well.
    CloseWindow,
    /// Turn a removed phone into a tombstone.
    Archive,
    /// Write these flags on the account's HW-ID.
    WriteFlags(Flags),
    /// Ask the PBXs for the account's registration.
    CheckRegistration,
    /// Write the account off in the phone's file.
    DisableAccount,
}

/// With what a sysclient is to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysclientTarget {
    /// `.../sysclients`.
    pub url: Url,
    /// How it identifies.
    pub credential: Credential,
}

/// The facts outside the record that decide.
#[derive(Debug, Clone)]
pub struct FlowContext {
    /// The Devices URL as a PBX announced it last.
    pub devices_url: Option<Url>,
    /// What the fleet holds for this phone.
    pub held: Option<SysclientTarget>,
    /// The redirect service of this phone.
    pub redirect: RedirectContext,
    /// The flags settings want.
    pub flags: Flags,
    /// How often the phone asks, in minutes; 0 = only when it starts.
    pub interval_minutes: u32,
    /// When it asked last.
    pub last_request: Option<Timestamp>,
}

/// The facts about the redirect service of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectContext {
    /// Whether there is an account.
    pub configured: bool,
    /// Where this phone is to be sent, or why that is not known.
    pub url: Result<Secret, UrlError>,
    /// The service is away; nobody but the probe asks before this time.
    pub away_until: Option<Timestamp>,
    /// The account's server entry.
    pub server: ServerReadiness,
}

/// How far the server entry of a redirect account is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerReadiness {
    /// Being written.
    Pending,
    /// There, under this name.
    Ready(String),
    /// Refused; needs a person.
    Refused(String),
}

/// The decisions for every concern of the phone.
#[must_use]
pub fn decide(phone: &Phone, context: &FlowContext, now: Timestamp) -> Vec<(FacetTask, NextStep)> {
    let mut decisions = vec![
        (FacetTask::Devices, devices::decide(phone, context)),
        (FacetTask::Redirect, redirect::decide(phone, &context.redirect, now)),
        (FacetTask::Request, lifecycle::request(phone, context, now)),
        (FacetTask::Window, lifecycle::window(phone, now)),
        (FacetTask::Life, lifecycle::end(phone, context)),
    ];
    for account in &phone.accounts {
        decisions.push((FacetTask::UserObject(account.line), account::user_object(phone, account, context, now)));
        decisions.push((FacetTask::Registration(account.line), account::registration(phone, account, now)));
        decisions.push((FacetTask::Presence(account.line), account::presence(phone, account, now)));
    }
    decisions
}

/// The decision for one concern; [`Decision::Settled`] for a line that is gone.
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

/// Whether nothing outside is kept for the phone any more: removed, or released and its last file fetched.
fn is_leaving(phone: &Phone) -> bool {
    phone.wanted == Wanted::Removed || release_is_delivered(phone)
}

/// Acts when the time of the next attempt has come.
fn when_due(next: Option<Timestamp>, now: Timestamp, action: impl FnOnce() -> NextStep) -> NextStep {
    match next {
        Some(at) if at > now => NextStep::WaitUntil(at),
        _ => action(),
    }
}
