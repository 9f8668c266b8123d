//! One user of a phone. A desk phone has one or a few, a DECT base one per handset.

use gangway_base::{labelled_enum, secret::Secret};
use jiff::Timestamp;

use crate::{
    base::i18n::translated,
    phone::facet::{Facet, RegistrationState, UserObjectState},
};

/// One user of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Line number from 1.
    pub line: u16,
    /// HW-ID of the device entry on the user object.
    pub hwid: String,
    /// The user's GUID in the PBX, the permanent identity of the user. Learned with the first GetObject.
    pub user_guid: Option<String>,
    /// H.323 name of the user (`usename` on the wire).
    pub username: String,
    /// Long name.
    pub cn: String,
    /// Name of the device, which the user or an administrator entered at the user object; empty if it has none, `None`
    /// until a PBX was asked.
    pub device_name: Option<String>,
    /// The user's PBX password. Empty when the user has none, or when it was dropped because the phone never fetched its
    /// file.
    pub password: Secret,
    /// The user has no PBX password, because the user logs in by other means.
    pub has_no_password: bool,
    /// PBX domain.
    pub domain: String,
    /// PBX address (DNS name or IP); empty if the request of Users named none.
    pub dns: String,
    /// The phone's provisioning count when this user was last provisioned. Adding a user to the same base increments
    /// the phone's count but not this one.
    pub provisioning: u32,
    /// Facet "PBX flags".
    pub user_object: Facet<UserObjectState>,
    /// The flags last written, to detect changes of the desired value.
    pub flags_written: Option<Flags>,
    /// [`Account::provisioning`] for which the flags were written.
    pub flags_provisioning: u32,
    /// Facet "Registered".
    pub registration: Facet<RegistrationState>,
    /// The address reported by the PBX while registered.
    pub registered_address: Option<String>,
    /// Set while the user object or device is missing.
    pub orphaned: Option<Orphaned>,
    /// When the account was switched off in the phone's file because it has been orphaned too long.
    pub withheld: Option<Timestamp>,
}

/// Since when an account is orphaned, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orphaned {
    /// When it was first noticed.
    pub since: Timestamp,
    /// What is missing.
    pub gone: Gone,
}

labelled_enum! {
    /// What an account has lost. The sentence also says what to do.
    Gone {
        /// Devices has removed the phone.
        Device = "device";
        /// None of the connected PBXs has the user.
        User = "user";
        /// The user object has no device with this HW-ID.
        Entry = "entry";
    }
}

translated!(Gone, "happened.gone-");

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

/// The user data in a ProvisioningPhone request.
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
    /// A new account of a user on a phone.
    #[must_use]
    pub fn new(line: u16, user: AccountUser, now: Timestamp) -> Self {
        Self {
            line,
            hwid: user.hwid,
            user_guid: None,
            username: user.username,
            cn: user.cn,
            device_name: None,
            has_no_password: user.password.is_empty(),
            registration: Facet::new(unregistered(&user.password), now),
            password: user.password,
            domain: user.domain,
            dns: user.dns,
            provisioning: 1,
            user_object: Facet::new(UserObjectState::Pending, now),
            flags_written: None,
            flags_provisioning: 0,
            registered_address: None,
            orphaned: None,
            withheld: None,
        }
    }

    /// Updates the user data from a repeated request.
    pub fn describe(&mut self, user: AccountUser) {
        let AccountUser { hwid, username, cn, password, domain, dns } = user;
        self.has_no_password = password.is_empty();
        (self.hwid, self.username, self.cn, self.password) = (hwid, username, cn, password);
        (self.domain, self.dns) = (domain, dns);
    }

    /// Whether the account is active in the phone's file: its password was not dropped, and it is not switched off.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.withheld.is_none() && !self.lacks_password()
    }

    /// Whether the user's password was dropped. The user must be provisioned again to get it.
    #[must_use]
    pub fn lacks_password(&self) -> bool {
        self.password.is_empty() && !self.has_no_password
    }

    /// The registration of an account that no PBX was asked for since it was provisioned.
    pub fn forget_registration(&mut self, now: Timestamp) {
        self.registration = Facet::new(unregistered(&self.password), now);
        self.registered_address = None;
    }

    /// The state of an account that no PBX sees.
    #[must_use]
    pub fn not_registered(&self) -> RegistrationState {
        if self.has_no_password { RegistrationState::NoPassword } else { RegistrationState::NotRegistered }
    }

    /// Records that something is missing. The first time is kept. What a PBX reports takes precedence over Devices,
    /// because only a PBX can undo it.
    pub fn orphan(&mut self, gone: Gone, now: Timestamp) {
        match &mut self.orphaned {
            Some(known) if known.gone == Gone::Device => known.gone = gone,
            Some(known) if gone != Gone::Device => known.gone = gone,
            Some(_) => {}
            none => *none = Some(Orphaned { since: now, gone }),
        }
    }

    /// Records that nothing is missing any more.
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
            device_name: _,
            password,
            has_no_password,
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
            || *has_no_password != other.has_no_password
            || *domain != other.domain
            || *dns != other.dns
            || withheld.is_some() != other.withheld.is_some()
    }
}

/// The state before a PBX was asked.
fn unregistered(password: &Secret) -> RegistrationState {
    if password.is_empty() { RegistrationState::NoPassword } else { RegistrationState::Unknown }
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
