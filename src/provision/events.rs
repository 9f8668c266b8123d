//! The timeline of a phone: every kind of event and its sentence.

use std::net::IpAddr;

use super::timeline_texts;
use crate::{
    base::i18n::{Message, message_of},
    phone::admission::Reason,
    store::NewEvent,
};

/// An event in the timeline of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FacetEvent<'a> {
    /// A provisioning request arrived for this user.
    Requested {
        /// The user's name.
        user: &'a str,
        /// Whether it repeats an earlier request.
        repeated: bool,
    },
    /// The phone was reassigned to another user.
    HandedOver {
        /// The user's name.
        user: &'a str,
    },
    /// Another user got an account on the base.
    HandsetAdded {
        /// The user's name.
        user: &'a str,
        /// Its number on the base.
        line: u16,
    },
    /// The account of a handset was reassigned to another user.
    HandsetHandedOver {
        /// The user's name.
        user: &'a str,
        /// Its number on the base.
        line: u16,
    },
    /// The account of a user was removed from the phone.
    AccountRemoved {
        /// The user's name.
        user: &'a str,
    },
    /// The user object or the device of an account was removed.
    Orphaned {
        /// The user's name.
        user: &'a str,
        /// What was removed, and the solution.
        sentence: &'a str,
    },
    /// The user object or the device of an account exists again.
    Found {
        /// The user's name.
        user: &'a str,
    },
    /// An account was orphaned for too long and is disabled in the phone's file.
    Withheld {
        /// The user's name.
        user: &'a str,
    },
    /// Devices sent a sysclient password.
    Joined,
    /// Devices told where the phone belongs.
    Member {
        /// Name of its domain.
        domain: &'a str,
        /// Name of its category, if known.
        category: Option<&'a str>,
    },
    /// The PBX told the name of a user's device.
    Named {
        /// The user's name.
        user: &'a str,
        /// The name of the device.
        name: &'a str,
    },
    /// The complete configuration arrived.
    ConfigReceived,
    /// Devices changed single items.
    ConfigChanged,
    /// Devices does not know the phone.
    NotInDomain {
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// Devices or the sysclient is unreachable.
    DevicesAway {
        /// What was tried, and its result.
        reason: &'a str,
    },
    /// Registered at the redirect service.
    Redirected,
    /// The phone asks for something on its screen before it follows the redirection.
    AsksPerson {
        /// The PIN if the service provided one; else the phone asks for the last five digits of its serial number.
        pin: Option<&'a str>,
    },
    /// The entry at the redirect service differs from what it was given.
    RedirectDiffers {
        /// What is different and what to do.
        sentence: &'a str,
    },
    /// The phone was asked to resync.
    Resync {
        /// The result.
        end: &'a Message,
    },
    /// The phone subscribed by multicast and got its URL.
    ToldByPnp {
        /// The address of the phone.
        source: &'a str,
    },
    /// The redirect service rejected the phone.
    RedirectRefused {
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// The entry at the redirect service was removed.
    Deregistered,
    /// The flags were written on the user object.
    FlagsWritten {
        /// The user's name.
        user: &'a str,
    },
    /// The flags could not be written.
    FlagsFailed {
        /// The user's name.
        user: &'a str,
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// A PBX sees the account as registered.
    Registered {
        /// The user's name.
        user: &'a str,
        /// The address that it registered from.
        address: &'a str,
    },
    /// No PBX sees the account as registered.
    NotRegistered {
        /// The user's name.
        user: &'a str,
    },
    /// A PBX does not see the account as registered any more.
    RegistrationLost {
        /// The user's name.
        user: &'a str,
    },
    /// The phone proved that it has the current file.
    Held {
        /// The address of the phone.
        source: &'a str,
    },
    /// The bootstrap window was bound to the first source that got the personal file.
    FirstDelivery {
        /// The address of the phone.
        source: IpAddr,
        /// The family of the phone.
        family: &'a str,
    },
    /// The personal file was delivered completely.
    Delivered {
        /// The address of the phone.
        source: &'a str,
    },
    /// The phone asked before there was anything to deliver.
    TooEarly,
    /// A request was rejected.
    Refused {
        /// The rule that rejected it.
        reason: Reason,
        /// The evidence in the request.
        seen: &'a str,
    },
    /// The assessment of the certificate that the phone presented.
    Certificate {
        /// The assessment.
        sentence: &'a str,
    },
    /// The phone has not asked for too long.
    Overdue,
    /// An administrator or a provisioning opened the bootstrap window.
    Allowed {
        /// Its users' passwords were dropped when the previous bootstrap window expired unused.
        without_passwords: bool,
    },
    /// The phone's own credentials were changed. The former ones are valid until the phone has authenticated with the
    /// new ones.
    CredentialsRotated,
    /// The phone authenticated with its new credentials.
    CredentialsProven,
    /// The phone authenticated with its own credentials: the bootstrap window closes permanently.
    Proved,
    /// The bootstrap window closed, used or unused.
    WindowClosed {
        /// The phone never fetched its file while it was open.
        unused: bool,
    },
    /// An administrator requested another state: released, blocked, removed or active again.
    Wanted {
        /// The requested state.
        what: &'a str,
    },
    /// A removed phone was deleted (tombstone); everything was undone except what the sentence names.
    Archived {
        /// What could not be undone.
        left: Option<&'a str>,
    },
}

impl FacetEvent<'_> {
    /// The kind, as used in filters and JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::HandedOver { .. } => "handed-over",
            Self::HandsetAdded { .. } => "handset-added",
            Self::HandsetHandedOver { .. } => "handset-handed-over",
            Self::AccountRemoved { .. } => "account-removed",
            Self::Orphaned { .. } => "orphaned",
            Self::Found { .. } => "found",
            Self::Withheld { .. } => "withheld",
            Self::Joined => "joined",
            Self::Member { .. } => "member",
            Self::Named { .. } => "named",
            Self::ConfigReceived => "config-received",
            Self::ConfigChanged => "config-changed",
            Self::NotInDomain { .. } => "not-in-domain",
            Self::DevicesAway { .. } => "devices-away",
            Self::Redirected => "redirected",
            Self::AsksPerson { .. } => "asks-person",
            Self::RedirectDiffers { .. } => "redirect-differs",
            Self::ToldByPnp { .. } => "told-by-pnp",
            Self::Resync { .. } => "resync",
            Self::RedirectRefused { .. } => "redirect-refused",
            Self::Deregistered => "deregistered",
            Self::FlagsWritten { .. } => "flags-written",
            Self::FlagsFailed { .. } => "flags-failed",
            Self::Registered { .. } => "registered",
            Self::NotRegistered { .. } => "not-registered",
            Self::RegistrationLost { .. } => "registration-lost",
            Self::FirstDelivery { .. } => "first-delivery",
            Self::Delivered { .. } => "delivered",
            Self::Held { .. } => "unchanged",
            Self::TooEarly => "too-early",
            Self::Refused { reason, .. } if reason.is_alarm() => "alarm",
            Self::Refused { .. } => "withheld",
            Self::Certificate { .. } => "certificate",
            Self::Overdue => "overdue",
            Self::Allowed { .. } => "allowed",
            Self::CredentialsRotated => "credentials-rotated",
            Self::CredentialsProven => "credentials-proven",
            Self::WindowClosed { .. } | Self::Proved => "window-closed",
            Self::Wanted { .. } => "wanted",
            Self::Archived { .. } => "buried",
        }
    }

    /// The sentence shown to administrators.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::Requested { user, repeated: false } => timeline_texts::REQUESTED.with("user", *user),
            Self::Requested { user, repeated: true } => timeline_texts::REQUESTED_AGAIN.with("user", *user),
            Self::HandedOver { user } => timeline_texts::HANDED_OVER.with("user", *user),
            Self::HandsetAdded { user, line } => timeline_texts::HANDSET_ADDED.with("user", *user).with("line", *line),
            Self::HandsetHandedOver { user, line } => {
                timeline_texts::HANDSET_HANDED_OVER.with("user", *user).with("line", *line)
            }
            Self::AccountRemoved { user } => timeline_texts::ACCOUNT_REMOVED.with("user", *user),
            Self::Orphaned { user, sentence } => {
                timeline_texts::ORPHANED.with("user", *user).with("sentence", timeline_texts::part(sentence))
            }
            Self::Found { user } => timeline_texts::FOUND.with("user", *user),
            Self::Withheld { user } => timeline_texts::WITHHELD.with("user", *user),
            Self::Joined => timeline_texts::JOINED.message(),
            Self::Member { domain, category: Some(category) } => {
                timeline_texts::MEMBER.with("domain", *domain).with("category", *category)
            }
            Self::Member { domain, category: None } => timeline_texts::MEMBER_OF_DOMAIN.with("domain", *domain),
            Self::Named { user, name } => timeline_texts::NAMED.with("user", *user).with("name", *name),
            Self::ConfigReceived => timeline_texts::CONFIG_RECEIVED.message(),
            Self::ConfigChanged => timeline_texts::CONFIG_CHANGED.message(),
            Self::DevicesAway { reason } => timeline_texts::DEVICES_AWAY.with("reason", *reason),
            Self::NotInDomain { sentence }
            | Self::RedirectDiffers { sentence }
            | Self::RedirectRefused { sentence }
            | Self::Certificate { sentence } => message_of(sentence),
            Self::Resync { end } => (*end).clone(),
            Self::Redirected => timeline_texts::REDIRECTED.message(),
            Self::AsksPerson { pin: Some(pin) } => timeline_texts::ASKS_PIN.with("pin", *pin),
            Self::AsksPerson { pin: None } => timeline_texts::ASKS_SERIAL.message(),
            Self::ToldByPnp { source } => timeline_texts::TOLD_BY_PNP.with("source", *source),
            Self::Deregistered => timeline_texts::DEREGISTERED.message(),
            Self::FlagsWritten { user } => timeline_texts::FLAGS_WRITTEN.with("user", *user),
            Self::FlagsFailed { user, sentence } => {
                timeline_texts::FLAGS_FAILED.with("user", *user).with("sentence", timeline_texts::part(sentence))
            }
            Self::Registered { user, address } => {
                timeline_texts::REGISTERED.with("user", *user).with("address", *address)
            }
            Self::NotRegistered { user } => timeline_texts::NOT_REGISTERED.with("user", *user),
            Self::RegistrationLost { user } => timeline_texts::REGISTRATION_LOST.with("user", *user),
            Self::Held { source } => timeline_texts::UNCHANGED.with("source", *source),
            Self::FirstDelivery { source, family } => {
                timeline_texts::FIRST_DELIVERY.with("source", source.to_string()).with("family", *family)
            }
            Self::Delivered { source } => timeline_texts::DELIVERED.with("source", *source),
            Self::TooEarly => timeline_texts::TOO_EARLY.message(),
            Self::Refused { reason, seen } => {
                timeline_texts::REFUSED.with("reason", reason.message().nested()).with("seen", *seen)
            }
            Self::Overdue => timeline_texts::OVERDUE.message(),
            Self::Allowed { without_passwords: false } => timeline_texts::ALLOWED.message(),
            Self::Allowed { without_passwords: true } => timeline_texts::ALLOWED_OPEN_PART.message(),
            Self::CredentialsRotated => timeline_texts::CREDENTIALS_ROTATED.message(),
            Self::CredentialsProven => timeline_texts::CREDENTIALS_PROVEN.message(),
            Self::Proved => timeline_texts::PROVED.message(),
            Self::WindowClosed { unused: false } => timeline_texts::WINDOW_OVER.message(),
            Self::WindowClosed { unused: true } => timeline_texts::WINDOW_UNUSED.message(),
            Self::Wanted { what } => timeline_texts::WANTED.with("what", timeline_texts::part(what)),
            Self::Archived { left: None } => timeline_texts::BURIED.message(),
            Self::Archived { left: Some(left) } => {
                timeline_texts::BURIED_WITH_REST.with("left", timeline_texts::part(left))
            }
        }
    }
}

impl From<FacetEvent<'_>> for NewEvent {
    fn from(happened: FacetEvent<'_>) -> Self {
        Self::said(happened.kind(), &happened.message())
    }
}
