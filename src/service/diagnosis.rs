//! Where a phone stands, as one word: the first thing in the way of a phone that rings, or that nothing is.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::tls_rejections::{self, Refusal};
use crate::{
    phone::{
        admission::Reason,
        facet::{DevicesState, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        public_url::PublicUrls,
        record::{Account, Phone},
    },
    provision::timeline_texts::NO_DESCRIPTOR,
    store::RequestFacts,
};

/// A redirected phone that has not asked for so long needs a person who resets it.
pub const PATIENCE_AFTER_REDIRECT: SignedDuration = SignedDuration::from_mins(15);

/// What of the world around decides, the same for all phones of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Around {
    /// A PBX is connected.
    pub pbx: bool,
    /// A connected app object has the flag Services.
    pub services: bool,
    /// A PBX announces a Devices app.
    pub devices: bool,
    /// Under which URLs phones reach us.
    pub urls: Arc<PublicUrls>,
    /// The app objects that are connected and lack the flag Admin, by name.
    pub without_admin: Vec<String>,
    /// Who refused our certificate lately, the newest first.
    pub refusals: Vec<Refusal>,
}

/// What beside the record decides about one phone.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The world.
    pub around: &'a Around,
    /// Its last request.
    pub request: Option<&'a RequestFacts>,
    /// Whether the vendor's folder knows its model; true where the model is not known yet.
    pub known_model: bool,
    /// Where it can be sent by DHCP or by hand; no token in it.
    pub manual_url: Option<&'a str>,
}

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
            pub fn stage(self) -> Stage {
                match self { $(Self::$variant => Stage::$stage,)+ }
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
pub enum Stage {
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

impl Stage {
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

/// The first thing in the way, in the order in which it would have to be cleared.
#[must_use]
pub fn cause(phone: &Phone, facts: &Facts<'_>, now: Timestamp) -> Cause {
    let cause = leaving(phone)
        .or_else(|| devices(phone, facts).filter(|cause| *cause == Cause::RemovedInDevices))
        .or_else(|| is_orphaned(phone).then_some(Cause::Orphaned))
        .or_else(|| reset(facts))
        .or_else(|| devices(phone, facts))
        .or_else(|| asking(phone, facts, now))
        .unwrap_or_else(|| registering(phone, facts));
    let seen = match cause {
        Cause::WindowClosed => facts.request.map(|last| last.at),
        Cause::Rejected | Cause::Overdue => Some(phone.request.since),
        _ => None,
    };
    // Somebody has let it in since: it is the phone's turn.
    let cause = match seen {
        Some(_) if phone.window.is_open(now) && phone.window.opened > seen => Cause::AllowedNotAsked,
        _ => cause,
    };
    let waits_since = match cause {
        Cause::RedirectedNotAsked | Cause::RedirectNotConfigured => phone.redirect.since,
        Cause::AllowedNotAsked => phone.window.opened.unwrap_or(phone.created),
        Cause::Overdue => facts.request.map_or(phone.request.since, |last| last.at),
        _ => return cause,
    };
    match tls_rejections::of(phone, facts, waits_since) {
        Some((_, true)) => Cause::CertificateRefused,
        // What is due is a person's matter already, and was seen somewhere.
        Some((_, false)) if cause != Cause::Overdue => Cause::CertificatePerhapsRefused,
        _ => cause,
    }
}

fn is_orphaned(phone: &Phone) -> bool {
    !phone.accounts.is_empty() && phone.accounts.iter().all(|account| account.orphaned.is_some())
}

/// The place of the phone; also what needs time to become a person's matter.
#[must_use]
pub fn stage(cause: Cause, phone: &Phone, now: Timestamp) -> Stage {
    match cause {
        Cause::RedirectedNotAsked | Cause::CertificatePerhapsRefused
            if now.duration_since(phone.redirect.since) >= PATIENCE_AFTER_REDIRECT =>
        {
            Stage::Stuck
        }
        cause => cause.stage(),
    }
}

fn leaving(phone: &Phone) -> Option<Cause> {
    Some(match phone.wanted {
        Wanted::Active => return None,
        Wanted::Blocked => Cause::Blocked,
        Wanted::Released if crate::provision::flow::release_is_delivered(phone) => Cause::Released,
        Wanted::Released => Cause::Releasing,
        Wanted::Removed if phone.buried.is_none() => Cause::Removing,
        Wanted::Removed if phone.redirect_entry.is_some() => Cause::RemovedWithLeftovers,
        Wanted::Removed => Cause::Removed,
    })
}

/// It asks with what travels through the redirect service, as after a factory reset, and its window is closed: it has
/// lost what it had, whatever the record says.
fn reset(facts: &Facts<'_>) -> Option<Cause> {
    let last = facts.request?;
    (last.outcome == Reason::WindowClosed.as_str()).then_some(Cause::WindowClosed)
}

fn devices(phone: &Phone, facts: &Facts<'_>) -> Option<Cause> {
    let around = facts.around;
    Some(match phone.devices.state {
        DevicesState::NotInDomain if phone.sysclient.password.is_some() => Cause::RemovedInDevices,
        DevicesState::NotInDomain => Cause::CodeRefused,
        DevicesState::Waiting if phone.devices.error.as_deref() == Some(NO_DESCRIPTOR.english) => Cause::NoDescriptor,
        DevicesState::Waiting if !around.pbx => Cause::PbxAway,
        DevicesState::Waiting if !around.services => Cause::ServicesNotGranted,
        DevicesState::Waiting if !around.devices => Cause::DevicesNotAnnounced,
        DevicesState::Waiting => Cause::DevicesAway,
        DevicesState::Connecting if phone.request.state == RequestState::BeforeConfig => Cause::AskedBeforeConfig,
        DevicesState::Connecting if phone.device_config.received.is_none() => Cause::Connecting,
        // What it has configured stays: the rest goes on without it.
        DevicesState::Connecting | DevicesState::Received | DevicesState::Lost => return None,
    })
}

fn asking(phone: &Phone, facts: &Facts<'_>, now: Timestamp) -> Option<Cause> {
    Some(match phone.request.state {
        RequestState::Rejected => Cause::Rejected,
        RequestState::Overdue => Cause::Overdue,
        RequestState::BeforeConfig => Cause::AskedBeforeConfig,
        RequestState::Provisioned => return None,
        RequestState::NotYet if crate::provision::flow::unused(phone, now) => Cause::WindowExpired,
        RequestState::NotYet => match phone.redirect.state {
            // Neither a redirect service nor an administrator can send the phone anywhere.
            RedirectState::Pending | RedirectState::NotConfigured if !facts.around.urls.is_known(&phone.provider) => {
                Cause::NoOwnUrl
            }
            RedirectState::NotConfigured => Cause::RedirectNotConfigured,
            RedirectState::Refused => Cause::RedirectRefused,
            RedirectState::ForeignOwner => Cause::RedirectForeignOwner,
            RedirectState::Pending if phone.redirect.error.is_some() => Cause::RedirectAway,
            RedirectState::Pending => Cause::RedirectPending,
            RedirectState::Redirected => Cause::RedirectedNotAsked,
        },
    })
}

fn registering(phone: &Phone, facts: &Facts<'_>) -> Cause {
    let flags = worst_flags(phone).map(|account| account.user_object.state);
    let registered = worst_registration(phone).map(|account| account.registration.state);
    match (flags, registered) {
        (Some(UserObjectState::NotPermitted), _) => Cause::FlagsNotPermitted,
        (Some(UserObjectState::DeviceNotFound), _) => Cause::DeviceNotFound,
        (Some(UserObjectState::DidNotStick), _) => Cause::FlagsDidNotStick,
        (_, Some(RegistrationState::NotRegistered)) if !facts.known_model => Cause::UnknownModel,
        (_, Some(RegistrationState::NotRegistered)) => Cause::NotRegistered,
        (Some(UserObjectState::Pending), _) => Cause::FlagsPending,
        (_, Some(RegistrationState::Unknown)) => Cause::Registering,
        _ if phone.devices.state != DevicesState::Received => Cause::DevicesLost,
        _ if change_is_pending(phone) => Cause::ChangePending,
        _ => Cause::Working,
    }
}

/// Whether the record has changed since the phone fetched its file.
#[must_use]
pub fn change_is_pending(phone: &Phone) -> bool {
    phone.delivery.as_ref().is_some_and(|delivery| delivery.revision < phone.revision)
}

/// The account whose flags are worst off.
#[must_use]
pub fn worst_flags(phone: &Phone) -> Option<&Account> {
    phone.accounts.iter().max_by_key(|account| match account.user_object.state {
        UserObjectState::NotPermitted => 4,
        UserObjectState::DeviceNotFound => 3,
        UserObjectState::DidNotStick => 2,
        UserObjectState::Pending => 1,
        UserObjectState::Applied => 0,
    })
}

/// The account whose registration is worst off.
#[must_use]
pub fn worst_registration(phone: &Phone) -> Option<&Account> {
    phone.accounts.iter().max_by_key(|account| match account.registration.state {
        RegistrationState::NotRegistered => 2,
        RegistrationState::Unknown => 1,
        RegistrationState::Registered => 0,
    })
}

/// The rule that refused it, from the sentence in the record.
#[must_use]
pub fn rule(phone: &Phone) -> Option<Reason> {
    let said = phone.request.error.as_deref()?;
    Reason::ALL.iter().copied().find(|reason| reason.sentence() == said)
}

/// One URL for everybody, as a gateway has it whose configuration names one.
#[cfg(test)]
pub(super) fn known_urls() -> Arc<PublicUrls> {
    Arc::new(PublicUrls::of("/example.com/gangway", "https://gw.example.com".parse().unwrap()))
}
