//! What a request does to the record. Pure.

use jiff::Timestamp;

use super::ProvisionRequest;
use crate::{
    phone::{
        facet::{DevicesState, Facet, RedirectState, RegistrationState, RequestState, UserObjectState, Wanted},
        record::{Account, AccountUser, Credentials, Phone, new_token},
    },
    provision::{
        events::Happened,
        flow::credential,
        ports::{ProviderFacts, SameMac},
    },
    store::NewEvent,
};

/// What became of the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provision) enum Applied {
    /// The same request again: nothing.
    Nothing,
    /// First provisioning, or of a phone that had been removed.
    New,
    /// The same user again.
    Again,
    /// The phone went to another user.
    HandedOver,
    /// One more account.
    Added,
}

/// A request with everything that decides about it.
pub(super) struct Terms<'a> {
    pub(super) request: &'a ProvisionRequest,
    pub(super) provider: &'a ProviderFacts,
    /// The user's GUID, asked for where it decides.
    pub(super) guid: Option<&'a str>,
    pub(super) window_days: u32,
    pub(super) now: Timestamp,
}

impl Terms<'_> {
    pub(super) fn apply(&self, phone: &mut Phone, events: &mut Vec<NewEvent>) -> Applied {
        let user = &self.request.username;
        if phone.accounts.is_empty() || phone.buried.is_some() || phone.wanted == Wanted::Removed {
            self.begin(phone);
            events.push(Happened::Requested { user, repeated: false }.into());
            return Applied::New;
        }
        if self.is_repeated(phone) {
            return Applied::Nothing;
        }
        let known = phone.accounts.iter().position(|account| self.is_same_user(account));
        let applied = match (known, self.provider.same_mac) {
            (Some(index), _) => {
                self.renew(phone, index);
                events.push(Happened::Requested { user, repeated: true }.into());
                Applied::Again
            }
            (None, SameMac::Replace) => {
                self.hand_over(phone);
                events.push(Happened::HandedOver { user }.into());
                Applied::HandedOver
            }
            (None, SameMac::Add) => {
                self.add(phone);
                events.push(Happened::Requested { user, repeated: false }.into());
                Applied::Added
            }
        };
        phone.wanted = Wanted::Active;
        phone.provider.clone_from(&self.request.provider);
        self.provision(phone);
        applied
    }

    /// Counts, opens the window, and lets Devices and the redirect service have another try where they had refused.
    fn provision(&self, phone: &mut Phone) {
        let now = self.now;
        phone.provisioning = phone.provisioning.saturating_add(1);
        phone.window.open(now, self.window_days);
        if !self.is_spent(phone) {
            phone.code = Some(self.request.code.clone());
        }
        if phone.devices.state == DevicesState::NotInDomain && credential(phone).is_some() && !self.is_spent(phone) {
            phone.devices.reach(DevicesState::Connecting, now);
        }
        if matches!(phone.redirect.state, RedirectState::ForeignOwner | RedirectState::Refused) {
            phone.redirect.reach(RedirectState::Pending, now);
        }
    }

    fn begin(&self, phone: &mut Phone) {
        let now = self.now;
        let mut fresh = Phone::new(phone.instance, phone.mac, &self.request.provider, &self.provider.vendor, now);
        fresh.id = phone.id;
        fresh.created = phone.created;
        fresh.revision = phone.revision;
        fresh.provisioning = phone.provisioning;
        // An entry that could not be taken back yet is overwritten by the new one.
        fresh.redirect_entry = phone.redirect_entry.take();
        fresh.sysclient.spent = phone.sysclient.spent.take();
        fresh.accounts = vec![self.account(1)];
        *phone = fresh;
        self.provision(phone);
    }

    fn renew(&self, phone: &mut Phone, index: usize) {
        let now = self.now;
        let Some(account) = phone.accounts.get_mut(index) else { return };
        self.describe(account);
        account.registration = Facet::new(RegistrationState::Unknown, now);
        account.registered_address = None;
        account.user_object = Facet::new(UserObjectState::Pending, now);
        account.orphaned = None;
    }

    fn hand_over(&self, phone: &mut Phone) {
        let now = self.now;
        phone.accounts = vec![self.account(1)];
        phone.token = new_token();
        phone.own = Credentials::generate(phone.mac);
        phone.bootstrap = None;
        phone.delivery = None;
        phone.request = Facet::new(RequestState::NotYet, now);
        // The entry with the former user's URL stays in the record: another URL means that the phone is moved.
        phone.redirect.reach(RedirectState::Pending, now);
    }

    fn add(&self, phone: &mut Phone) {
        let by_hwid = phone.accounts.iter().position(|account| account.hwid == self.request.hwid);
        let line = match by_hwid {
            Some(index) => phone.accounts.remove(index).line,
            None => free_line(phone),
        };
        phone.accounts.push(self.account(line));
        phone.accounts.sort_by_key(|account| account.line);
    }

    fn account(&self, line: u16) -> Account {
        let mut account = Account::new(line, self.user(), self.now);
        account.user_guid = self.guid.map(str::to_owned);
        account
    }

    fn user(&self) -> AccountUser {
        let request = self.request;
        AccountUser {
            hwid: request.hwid.clone(),
            username: request.username.clone(),
            cn: request.cn.clone(),
            password: request.password.clone(),
            domain: request.domain.clone(),
            dns: request.dns.clone(),
        }
    }

    fn describe(&self, account: &mut Account) {
        let user = self.user();
        account.hwid = user.hwid;
        account.username = user.username;
        account.cn = user.cn;
        account.password = user.password;
        account.domain = user.domain;
        account.dns = user.dns;
    }

    /// By GUID where both are known, else by name; under `add` a user may have several handsets, told apart by HW-ID.
    fn is_same_user(&self, account: &Account) -> bool {
        let same = match (&account.user_guid, self.guid) {
            (Some(known), Some(guid)) => known == guid,
            _ => account.username == self.request.username,
        };
        same && (self.provider.same_mac == SameMac::Replace || account.hwid == self.request.hwid)
    }

    /// Whether Devices has reacted to this code before.
    fn is_spent(&self, phone: &Phone) -> bool {
        phone.sysclient.spent.as_ref() == Some(&self.request.code)
    }

    /// Word for word what the record says already, with a code that is under way or spent.
    fn is_repeated(&self, phone: &Phone) -> bool {
        let code_is_known = self.is_spent(phone) || phone.code.as_ref() == Some(&self.request.code);
        code_is_known
            && phone.wanted == Wanted::Active
            && phone.provider == self.request.provider
            && phone.window.closed.is_none()
            && phone.accounts.iter().any(|account| {
                let mut described = account.clone();
                self.describe(&mut described);
                described == *account
            })
    }
}

/// The lowest line number nobody has.
fn free_line(phone: &Phone) -> u16 {
    (1..=u16::MAX).find(|line| phone.account(*line).is_none()).unwrap_or(u16::MAX)
}
