//! One user on one phone. A desk phone has one or few, a DECT base one per handset.

use gangway_base::{labelled_enum, secret::Secret};
use jiff::Timestamp;

use crate::phone::facet::{Facet, RegistrationState, UserObjectState};

/// One user on one phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Line number from 1.
    pub line: u16,
    /// HW-ID of the device entry on the user object.
    pub hwid: String,
    /// The user's GUID in the PBX; learned with the first GetObject, the lasting identity of the user.
    pub user_guid: Option<String>,
    /// H.323 name of the user (`usename` on the wire).
    pub username: String,
    /// Long name.
    pub cn: String,
    /// The user's PBX password; empty when it was dropped because the phone never came.
    pub password: Secret,
    /// PBX domain.
    pub domain: String,
    /// PBX address (DNS name or IP).
    pub dns: String,
    /// The phone's provisioning count when this user was put on it last. A further user on the same base counts the
    /// phone's on, not this one.
    pub provisioning: u32,
    /// Facet "PBX flags".
    pub user_object: Facet<UserObjectState>,
    /// The flags that were written, to know whether the wanted value changed since.
    pub flags_written: Option<Flags>,
    /// [`Account::provisioning`] for which they were written.
    pub flags_provisioning: u32,
    /// Facet "Registered".
    pub registration: Facet<RegistrationState>,
    /// The address the PBX sees, while registered.
    pub registered_address: Option<String>,
    /// Set while its user object or device is gone.
    pub orphaned: Option<Orphaned>,
    /// Since when it is written off in the phone's file, because it has been orphaned for too long.
    pub withheld: Option<Timestamp>,
}

/// Since when an account leads nowhere, and how we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphaned {
    /// First seen then.
    pub since: Timestamp,
    /// What is gone.
    pub gone: Gone,
}

labelled_enum! {
    /// What of an account is gone outside; the sentence says what to do too.
    Gone {
        /// Devices removed the phone.
        Device = "device", "Devices removed the phone: provision it again or remove it.";
        /// No connected PBX knows the user.
        User = "user", "No connected PBX knows this user any more: remove the account or provision another user.";
        /// The user object has no device with this HW-ID.
        Entry = "entry", "The user object has no device with this hardware id any more: provision the user again or remove the account.";
    }
}

impl Gone {
    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(stored: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|gone| gone.as_str() == stored)
    }
}

/// The flags gangway sets on the HW-ID of a user object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags {
    /// Media Relay (`mr`).
    pub media_relay: bool,
    /// TLS only (`tls`).
    pub tls_only: bool,
    /// Reverse Proxy (`trusted`).
    pub reverse_proxy: bool,
}

/// What ProvisioningPhone says of the user of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountUser {
    /// HW-ID of the device entry on the user object.
    pub hwid: String,
    /// H.323 name.
    pub username: String,
    /// Long name.
    pub cn: String,
    /// The user's PBX password.
    pub password: Secret,
    /// PBX domain.
    pub domain: String,
    /// PBX address.
    pub dns: String,
}

impl Account {
    /// An account as it stands right after a user was put on a phone.
    #[must_use]
    pub fn new(line: u16, user: AccountUser, now: Timestamp) -> Self {
        Self {
            line,
            hwid: user.hwid,
            user_guid: None,
            username: user.username,
            cn: user.cn,
            password: user.password,
            domain: user.domain,
            dns: user.dns,
            provisioning: 1,
            user_object: Facet::new(UserObjectState::Pending, now),
            flags_written: None,
            flags_provisioning: 0,
            registration: Facet::new(RegistrationState::Unknown, now),
            registered_address: None,
            orphaned: None,
            withheld: None,
        }
    }

    /// Takes over what a repeated request says of the user.
    pub fn describe(&mut self, user: AccountUser) {
        let AccountUser { hwid, username, cn, password, domain, dns } = user;
        (self.hwid, self.username, self.cn, self.password) = (hwid, username, cn, password);
        (self.domain, self.dns) = (domain, dns);
    }

    /// Whether the phone's file gives it to the phone: its password is there and it is not written off.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.withheld.is_none() && !self.password.is_empty()
    }

    /// Notes that something of it is gone. The first time counts; what a PBX says outweighs what Devices says, because
    /// only a PBX can take it back.
    pub fn orphan(&mut self, gone: Gone, now: Timestamp) {
        match &mut self.orphaned {
            Some(known) if known.gone == Gone::Device => known.gone = gone,
            Some(known) if gone != Gone::Device => known.gone = gone,
            Some(_) => {}
            none => *none = Some(Orphaned { since: now, gone }),
        }
    }

    /// Notes that nothing of it is gone any more.
    pub fn found(&mut self) {
        self.orphaned = None;
        self.withheld = None;
    }

    pub(super) fn render_inputs_differ(&self, other: &Self) -> bool {
        let Self {
            line,
            hwid,
            user_guid: _,
            username,
            cn,
            password,
            domain,
            dns,
            provisioning: _,
            user_object: _,
            flags_written: _,
            flags_provisioning: _,
            registration: _,
            registered_address: _,
            orphaned: _,
            withheld,
        } = self;
        *line != other.line
            || *hwid != other.hwid
            || *username != other.username
            || *cn != other.cn
            || *password != other.password
            || *domain != other.domain
            || *dns != other.dns
            || withheld.is_some() != other.withheld.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sign_counts_and_a_pbx_outweighs_devices() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut account = Account::sample(1, "anna", at(0));
        account.orphan(Gone::Device, at(1));
        account.orphan(Gone::User, at(2));
        account.orphan(Gone::Device, at(3));
        assert_eq!(account.orphaned, Some(Orphaned { since: at(1), gone: Gone::User }));
        account.withheld = Some(at(4));
        assert!(!account.is_served());
        account.found();
        assert!(account.is_served() && account.orphaned.is_none());
    }

    #[test]
    fn stored_names_read_back() {
        for gone in Gone::ALL {
            assert_eq!(Gone::parse(gone.as_str()), Some(*gone));
        }
    }
}
