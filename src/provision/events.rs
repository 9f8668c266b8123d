//! The time line of a phone: every kind of event and its sentence, in one place.

use crate::store::NewEvent;

/// Something worth remembering about a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened<'a> {
    /// A provisioning request arrived for this user.
    Requested {
        /// The user's name.
        user: &'a str,
        /// Whether the same request came before.
        repeated: bool,
    },
    /// The phone went to another user.
    HandedOver {
        /// The user's name.
        user: &'a str,
    },
    /// A further user got an account of the base.
    HandsetAdded {
        /// The user's name.
        user: &'a str,
        /// Its number on the base.
        line: u16,
    },
    /// The account of a handset went to another user.
    HandsetHandedOver {
        /// The user's name.
        user: &'a str,
        /// Its number on the base.
        line: u16,
    },
    /// The account of a user was taken off the phone.
    AccountRemoved {
        /// The user's name.
        user: &'a str,
    },
    /// The user object or the device of an account is gone.
    Orphaned {
        /// The user's name.
        user: &'a str,
        /// What is gone and what to do.
        sentence: &'a str,
    },
    /// It is there again.
    Found {
        /// The user's name.
        user: &'a str,
    },
    /// It was gone for too long: the account is written off in the phone's file.
    Withheld {
        /// The user's name.
        user: &'a str,
    },
    /// Devices gave a sysclient password.
    Joined,
    /// The whole configuration arrived.
    ConfigReceived,
    /// Devices changed single items.
    ConfigChanged,
    /// Devices does not know the phone.
    NotInDomain {
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// Devices or the sysclient is away.
    DevicesAway {
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// Registered at the redirect service.
    Redirected,
    /// The phone asks for something on its screen before it follows the redirection.
    AsksPerson {
        /// The PIN where the service gave one; else the last five digits of its serial number.
        pin: Option<&'a str>,
    },
    /// The redirect service holds something else than it was given.
    RedirectDiffers {
        /// What is different and what to do.
        sentence: &'a str,
    },
    /// It was told to come.
    Resync {
        /// What came of it.
        sentence: &'a str,
    },
    /// It asked by multicast and was told its URL.
    ToldByPnp {
        /// From where it asked.
        source: &'a str,
    },
    /// The redirect service refused.
    RedirectRefused {
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// Taken off the redirect service.
    Deregistered,
    /// Flags on the user object.
    FlagsWritten {
        /// The user's name.
        user: &'a str,
    },
    /// They could not be written.
    FlagsFailed {
        /// The user's name.
        user: &'a str,
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// A PBX sees the account.
    Registered {
        /// The user's name.
        user: &'a str,
        /// Where it registered from.
        address: &'a str,
    },
    /// No PBX sees it.
    NotRegistered {
        /// The user's name.
        user: &'a str,
    },
    /// The phone showed that it holds the present file.
    Held {
        /// From where.
        source: &'a str,
    },
    /// A complete delivery.
    Delivered {
        /// Where the phone asked from.
        source: &'a str,
    },
    /// Asked before there was anything to deliver.
    TooEarly,
    /// A request was refused.
    Rejected {
        /// What is wrong and what to do.
        sentence: &'a str,
    },
    /// The phone has not asked for too long.
    Overdue,
    /// A person (or a provisioning) opened the window.
    Allowed {
        /// Its users' passwords were dropped when the window before ended unused.
        without_passwords: bool,
    },
    /// The phone's own credentials are changed; the former ones are good until it has proven the new ones.
    CredentialsRotated,
    /// It has proven the new ones.
    CredentialsProven,
    /// The window closed; unused or not.
    WindowClosed {
        /// Nobody came through it.
        unused: bool,
    },
    /// A person wants it released, blocked, removed or active again.
    Wanted {
        /// What is wanted.
        what: &'a str,
    },
    /// Everything of a removed phone is undone, but for what the sentence says.
    Buried {
        /// What could not be undone.
        left: Option<&'a str>,
    },
}

impl Happened<'_> {
    /// The kind, as filters and JSON name it.
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
            Self::Delivered { .. } => "delivered",
            Self::Held { .. } => "unchanged",
            Self::TooEarly => "too-early",
            Self::Rejected { .. } => "rejected",
            Self::Overdue => "overdue",
            Self::Allowed { .. } => "allowed",
            Self::CredentialsRotated => "credentials-rotated",
            Self::CredentialsProven => "credentials-proven",
            Self::WindowClosed { .. } => "window-closed",
            Self::Wanted { .. } => "wanted",
            Self::Buried { .. } => "buried",
        }
    }

    /// The sentence people read.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Requested { user, repeated: false } => format!("Provisioning requested for {user}."),
            Self::Requested { user, repeated: true } => format!("Provisioning requested again for {user}."),
            Self::HandedOver { user } => format!(
                "Handed over to {user}: the former user's token and credentials are dead. Reset the phone to factory \
                 settings unless it shows a factory certificate."
            ),
            Self::Joined => "Devices accepted the code and gave the phone its password.".to_owned(),
            Self::HandsetAdded { user, line } => format!("{user} got account {line} of this base."),
            Self::HandsetHandedOver { user, line } => format!("Account {line} of this base went to {user}."),
            Self::AccountRemoved { user } => format!("The account of {user} was taken off."),
            Self::Orphaned { user, sentence } => format!("Account of {user}: {sentence}"),
            Self::Found { user } => format!("Account of {user}: user and device are there again."),
            Self::Withheld { user } => {
                format!("The account of {user} was gone for 7 days: it is switched off with the phone's next file.")
            }
            Self::ConfigReceived => "The device configuration arrived.".to_owned(),
            Self::ConfigChanged => "Devices changed the device configuration.".to_owned(),
            Self::NotInDomain { sentence }
            | Self::DevicesAway { sentence }
            | Self::RedirectDiffers { sentence }
            | Self::RedirectRefused { sentence }
            | Self::Rejected { sentence } => (*sentence).to_owned(),
            Self::Redirected => "The redirect service sends the phone to us.".to_owned(),
            Self::Resync { sentence } => (*sentence).to_owned(),
            Self::ToldByPnp { source } => format!("It asked by multicast from {source} and was told its URL."),
            Self::AsksPerson { pin: Some(pin) } => {
                format!(
                    "At its first start the phone asks for the PIN {pin} or the last five digits of its serial number."
                )
            }
            Self::AsksPerson { pin: None } => {
                "At its first start the phone asks for the last five digits of its serial number.".to_owned()
            }
            Self::Deregistered => "Taken off the redirect service.".to_owned(),
            Self::FlagsWritten { user } => format!("Flags written on the device of {user}."),
            Self::FlagsFailed { user, sentence } => format!("Flags on the device of {user}: {sentence}."),
            Self::Registered { user, address } => format!("{user} is registered from {address}."),
            Self::NotRegistered { user } => {
                format!("{user} has not registered within ten minutes of the delivery.")
            }
            Self::Held { source } => format!("The phone at {source} has its present configuration already."),
            Self::Delivered { source } => format!("Configuration delivered to {source}."),
            Self::TooEarly => "The phone asked before its configuration was there.".to_owned(),
            Self::Overdue => "The phone has not asked for its configuration as often as it should.".to_owned(),
            Self::Allowed { without_passwords: false } => {
                "The phone may fetch its file without credentials once more.".to_owned()
            }
            Self::Allowed { without_passwords: true } => {
                "The phone may come without credentials once more, but gets the open part only: its users' passwords were \
                 dropped when its time ran out. Provision it again."
                    .to_owned()
            }
            Self::CredentialsRotated => {
                "New credentials of the phone's own: its next request brings them to it, and the former ones are good until it \
                 has used the new ones."
                    .to_owned()
            }
            Self::CredentialsProven => "The phone has proven its new credentials: the former ones are dead.".to_owned(),
            Self::WindowClosed { unused: false } => "The time for the first contact is over.".to_owned(),
            Self::WindowClosed { unused: true } => {
                "The phone never came: redirect entry and password are withdrawn. Provision it again.".to_owned()
            }
            Self::Wanted { what } => format!("Wanted: {what}."),
            Self::Buried { left: None } => "Removed completely.".to_owned(),
            Self::Buried { left: Some(left) } => format!("Removed, but something is left to do by hand: {left}"),
        }
    }
}

impl From<Happened<'_>> for NewEvent {
    fn from(happened: Happened<'_>) -> Self {
        Self { kind: happened.kind(), text: happened.sentence(), detail: None }
    }
}
