//! Applies a request to the record. Pure.
//!
//! A base joins Devices once, with the code of its first user. A further user's code is not used as long as Devices
//! knows the base: an expired code would needlessly remove the base of all users from its domain.

use jiff::Timestamp;

use super::ProvisionRequest;
use crate::{
    catalog::ReprovisionPolicy,
    phone::{
        facet::{DevicesState, Facet, RedirectState, RequestState, UserObjectState, Wanted},
        record::{Account, AccountUser, CodeOrigin, Credentials, Phone, new_token},
    },
    provision::{events::FacetEvent, flow::credential, ports::ProviderFacts},
    store::NewEvent,
};

/// What the request changed in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::provision) enum Applied {
    /// The request repeats an earlier one: nothing.
    Nothing,
    /// The first provisioning, or the first one after the phone had been removed.
    New,
    /// The same user was provisioned again.
    Again,
    /// The phone, or the handset with this HW-ID, was reassigned to another user.
    HandedOver,
    /// An account was added.
    Added,
    /// The model has no free account: nothing.
    Full {
        /// Number of accounts of the model.
        accounts: u16,
    },
}

/// A request with all facts that it depends on.
pub(super) struct Terms<'a> {
    pub(super) request: &'a ProvisionRequest,
    pub(super) provider: &'a ProviderFacts,
    /// Returns the number of accounts of a model of the provider.
    pub(super) accounts: &'a (dyn Fn(Option<&str>) -> u16 + Sync),
    /// The user's GUID, queried if it matters.
    pub(super) guid: Option<&'a str>,
    pub(super) window_days: u32,
    pub(super) now: Timestamp,
}

impl Terms<'_> {
    pub(super) fn apply(&self, phone: &mut Phone, events: &mut Vec<NewEvent>) -> Applied {
        let user = &self.request.username;
        if phone.accounts.is_empty() || phone.removed_at.is_some() || phone.wanted == Wanted::Removed {
            self.begin(phone);
            events.push(FacetEvent::Requested { user, repeated: false }.into());
            return Applied::New;
        }
        if self.is_repeated(phone) {
            return Applied::Nothing;
        }
        let known = phone.accounts.iter().position(|account| self.is_same_user(account));
        let applied = match (known, self.provider.same_mac) {
            (Some(index), _) => {
                self.begin_provisioning(phone);
                self.renew(phone, index);
                events.push(FacetEvent::Requested { user, repeated: true }.into());
                self.open_window(phone);
                self.store_code(phone);
                Applied::Again
            }
            (None, ReprovisionPolicy::Replace) => {
                self.begin_provisioning(phone);
                self.reassign(phone);
                events.push(FacetEvent::HandedOver { user }.into());
                self.open_window(phone);
                self.store_code(phone);
                Applied::HandedOver
            }
            (None, ReprovisionPolicy::Add) => {
                let of_handset = phone.accounts.iter().position(|account| self.is_same_handset(phone, account));
                let line = match of_handset.and_then(|index| phone.accounts.get(index)) {
                    Some(account) => account.line,
                    None => match self.free_line(phone) {
                        Ok(line) => line,
                        Err(full) => return full,
                    },
                };
                self.begin_provisioning(phone);
                self.put(phone, line);
                self.allow_base_contact(phone);
                match of_handset {
                    Some(_) => {
                        events.push(FacetEvent::HandsetHandedOver { user, line }.into());
                        Applied::HandedOver
                    }
                    None => {
                        events.push(FacetEvent::HandsetAdded { user, line }.into());
                        Applied::Added
                    }
                }
            }
        };
        // Only an administrator ends a block, even if the block was set while this request was being handled.
        if phone.wanted != Wanted::Blocked {
            phone.wanted = Wanted::Active;
        }
        // The cause of an earlier rejection may be resolved by now.
        if matches!(phone.redirect.state, RedirectState::ForeignOwner | RedirectState::Refused) {
            phone.redirect.reach(RedirectState::Pending, self.now);
        }
        applied
    }

    fn begin_provisioning(&self, phone: &mut Phone) {
        phone.provisioning = phone.provisioning.saturating_add(1);
        phone.provider.clone_from(&self.request.provider);
    }

    fn open_window(&self, phone: &mut Phone) {
        phone.window.open(self.now, self.window_days);
    }

    /// Stores the code, so that Devices is tried again if it had rejected the phone.
    fn store_code(&self, phone: &mut Phone) {
        if self.is_spent(phone) {
            return;
        }
        phone.code = Some(self.request.code.clone());
        phone.code_origin = CodeOrigin::default();
        if let Some(facts) = &self.request.code_facts {
            facts.note(phone);
        }
        if phone.devices.state == DevicesState::NotInDomain && credential(phone).is_some() {
            phone.devices.reach(DevicesState::Connecting, self.now);
        }
    }

    /// Admits a base with a further user. A base with its own credentials authenticates with them. A base that never
    /// got a file may use what it gets through the redirect service, as after its first provisioning.
    fn allow_base_contact(&self, phone: &mut Phone) {
        let is_bound = phone.window.is_open(self.now) && phone.window.bound.is_some();
        if phone.delivery.is_none() && !is_bound {
            self.open_window(phone);
        }
        if needs_code(phone) {
            self.store_code(phone);
        } else if phone.sysclient.password.is_some() {
            // Devices knows the base, so the code is not needed, and a repeated request must not store it again.
            phone.sysclient.spent.add(self.request.code.clone());
        }
    }

    fn begin(&self, phone: &mut Phone) {
        let now = self.now;
        let mut fresh = Phone::new(phone.instance, phone.mac, &self.request.provider, &self.provider.vendor, now);
        fresh.id = phone.id;
        fresh.created = phone.created;
        fresh.revision = phone.revision;
        fresh.provisioning = phone.provisioning;
        // An entry that could not be withdrawn yet is overwritten by the new one.
        fresh.redirect_entry = phone.redirect_entry.take();
        fresh.sysclient.spent = std::mem::take(&mut phone.sysclient.spent);
        *phone = fresh;
        self.begin_provisioning(phone);
        self.put(phone, 1);
        self.open_window(phone);
        self.store_code(phone);
    }

    fn renew(&self, phone: &mut Phone, index: usize) {
        let now = self.now;
        let provisioning = phone.provisioning;
        let Some(account) = phone.accounts.get_mut(index) else { return };
        account.describe(self.user());
        account.device_name = None;
        account.provisioning = provisioning;
        if let Some(guid) = self.guid {
            account.user_guid = Some(guid.to_owned());
        }
        account.forget_registration(now);
        account.user_object = Facet::new(UserObjectState::Pending, now);
        account.found();
    }

    fn reassign(&self, phone: &mut Phone) {
        let now = self.now;
        phone.accounts.clear();
        self.put(phone, 1);
        phone.token = new_token();
        phone.own = Credentials::generate(phone.mac);
        phone.former = None;
        phone.bootstrap = None;
        phone.delivery = None;
        phone.request = Facet::new(RequestState::NotYet, now);
        // The entry with the former user's URL stays in the record: the different URL causes the phone to be moved.
        phone.redirect.reach(RedirectState::Pending, now);
    }

    /// Assigns the user to a line and replaces the user who had it.
    fn put(&self, phone: &mut Phone, line: u16) {
        let mut account = Account::new(line, self.user(), self.now);
        account.user_guid = self.guid.map(str::to_owned);
        account.provisioning = phone.provisioning;
        phone.accounts.retain(|other| other.line != line);
        phone.accounts.push(account);
        phone.accounts.sort_by_key(|account| account.line);
    }

    /// The lowest unused line of the model.
    fn free_line(&self, phone: &Phone) -> Result<u16, Applied> {
        let accounts = (self.accounts)(phone.model.as_deref());
        (1..=accounts).find(|line| phone.account(*line).is_none()).ok_or(Applied::Full { accounts })
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

    /// Compares by GUID if both are known, else by name: a user who was deleted and created again under the same name
    /// is a different user. With `add`, a user may have several handsets, distinguished by HW-ID.
    fn is_same_user(&self, account: &Account) -> bool {
        let same = match (&account.user_guid, self.guid) {
            (Some(known), Some(guid)) => known == guid,
            _ => account.username == self.request.username,
        };
        same && (self.provider.same_mac == ReprovisionPolicy::Replace || self.has_hwid(account))
    }

    /// Whether the request names the handset of this account. A HW-ID that equals the base's MAC identifies no handset,
    /// because several users may have it.
    fn is_same_handset(&self, phone: &Phone, account: &Account) -> bool {
        let is_base = self.request.hwid.parse().is_ok_and(|mac: gangway_base::mac::Mac| mac == phone.mac);
        // A user with the same name and a different GUID takes the line of the deleted user.
        self.has_hwid(account) && (!is_base || account.username == self.request.username)
    }

    fn has_hwid(&self, account: &Account) -> bool {
        account.hwid.eq_ignore_ascii_case(&self.request.hwid)
    }

    /// Whether Devices has already reacted to this code.
    fn is_spent(&self, phone: &Phone) -> bool {
        phone.sysclient.spent.holds(&self.request.code)
    }

    /// Whether the request equals the record exactly, with a code that is being tried or spent.
    fn is_repeated(&self, phone: &Phone) -> bool {
        let code_is_known = self.is_spent(phone) || phone.code.as_ref() == Some(&self.request.code);
        // A base with its own credentials needs no bootstrap window.
        let may_come = phone.window.closed.is_none()
            || self.provider.same_mac == ReprovisionPolicy::Add && phone.delivery.is_some();
        code_is_known
            && may_come
            && phone.wanted == Wanted::Active
            && phone.provider == self.request.provider
            && phone.accounts.iter().any(|account| {
                let mut described = account.clone();
                described.describe(self.user());
                described == *account && self.is_same_user(account)
            })
    }
}

/// Whether Devices does not know the base yet: there is neither a password nor a code that is being tried.
fn needs_code(phone: &Phone) -> bool {
    match phone.devices.state {
        DevicesState::NotInDomain => true,
        // It may take long until Devices is reached; the newest code expires last.
        DevicesState::Waiting => phone.sysclient.password.is_none(),
        DevicesState::Connecting | DevicesState::Received | DevicesState::Lost => credential(phone).is_none(),
    }
}
