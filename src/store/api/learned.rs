//! What the gateway learned or generated once and keeps.

use std::{collections::BTreeMap, net::IpAddr};

use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;

use super::error::StoreError;
use crate::{net::unlisted_proxy::UnlistedProxy, phone::instance::InstanceId};

/// The URLs that the app objects of a provider name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedUrls {
    /// The URL that they agreed on last.
    pub url: Option<String>,
    /// The different URLs, separated by blanks, while they do not agree.
    pub conflict: Option<String>,
}

/// A one-time URL of a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootstrapTicket {
    /// The phone.
    pub mac: Mac,
    /// When the ticket expires.
    pub until: Timestamp,
    /// The file has been fetched; the CA it names can still be fetched.
    pub used: bool,
    /// The plain-HTTP base URL given to the phone, up to but without the token; ends with `/`.
    pub base: String,
}

/// The learned values of all instances.
#[derive(Clone, Default, PartialEq)]
pub(in crate::store) struct LearnedValues {
    /// By provider.
    pub(in crate::store) urls: BTreeMap<(InstanceId, String), NamedUrls>,
    /// The websocket URLs of the announced Devices apps.
    pub(in crate::store) devices_addresses: BTreeMap<InstanceId, Vec<String>>,
    /// By app object: the granted APIs, separated by blanks.
    pub(in crate::store) grants: BTreeMap<(InstanceId, String), String>,
    /// Hosts whose pages may frame the admin page, the latest last.
    pub(in crate::store) frame_hosts: BTreeMap<InstanceId, Vec<String>>,
    /// Sources from which a PBX has logged in, the latest last.
    pub(in crate::store) pbx_sources: BTreeMap<InstanceId, Vec<IpAddr>>,
    /// By address.
    pub(in crate::store) proxies: BTreeMap<(InstanceId, IpAddr), UnlistedProxy>,
    /// By hash of the token.
    pub(in crate::store) tickets: BTreeMap<(InstanceId, String), BootstrapTicket>,
    /// The generated password of the shared bootstrap account.
    pub(in crate::store) bootstrap_passwords: BTreeMap<InstanceId, Secret>,
    /// By vendor: name and URL.
    pub(in crate::store) server_entries: BTreeMap<(InstanceId, String), (String, Secret)>,
    /// By vendor: the fingerprint of the redirect account.
    pub(in crate::store) tried_accounts: BTreeMap<(InstanceId, String), Secret>,
}

/// One value of an instance, as it is written.
pub(in crate::store) enum LearnedValue {
    /// The URLs named for a provider.
    Urls(String, NamedUrls),
    /// The websocket URLs of all announced Devices apps.
    DevicesAddresses(Vec<String>),
    /// The APIs granted to an app object.
    Grants(String, String),
    /// All hosts whose pages may frame the admin page.
    FrameHosts(Vec<String>),
    /// All sources from which a PBX has logged in.
    PbxSources(Vec<IpAddr>),
    /// A proxy at this address; `None` deletes it.
    Proxy(IpAddr, Option<UnlistedProxy>),
    /// A ticket by the hash of its token. It replaces the other tickets of its phone.
    Ticket(String, BootstrapTicket),
    /// A ticket, by the hash of its token, is used. Nothing happens if there is no such ticket any more.
    SpentTicket(String),
    /// The generated password of the shared bootstrap account.
    BootstrapPassword(Secret),
    /// Vendor, and name and URL of its server entry.
    ServerEntry(String, String, Secret),
    /// Vendor, and the fingerprint of its redirect account.
    TriedAccount(String, Secret),
}

impl LearnedValues {
    /// Puts one value in.
    pub(in crate::store) fn put(&mut self, instance: InstanceId, value: LearnedValue) {
        match value {
            LearnedValue::Urls(provider, urls) => drop(self.urls.insert((instance, provider), urls)),
            LearnedValue::DevicesAddresses(urls) => drop(self.devices_addresses.insert(instance, urls)),
            LearnedValue::Grants(app, apis) => drop(self.grants.insert((instance, app), apis)),
            LearnedValue::FrameHosts(hosts) => drop(self.frame_hosts.insert(instance, hosts)),
            LearnedValue::PbxSources(sources) => drop(self.pbx_sources.insert(instance, sources)),
            LearnedValue::Proxy(peer, Some(proxy)) => drop(self.proxies.insert((instance, peer), proxy)),
            LearnedValue::Proxy(peer, None) => drop(self.proxies.remove(&(instance, peer))),
            LearnedValue::Ticket(token, ticket) => {
                self.tickets.retain(|(of, _), other| *of != instance || other.mac != ticket.mac);
                self.tickets.insert((instance, token), ticket);
            }
            LearnedValue::SpentTicket(token) => {
                if let Some(ticket) = self.tickets.get_mut(&(instance, token)) {
                    ticket.used = true;
                }
            }
            LearnedValue::BootstrapPassword(password) => drop(self.bootstrap_passwords.insert(instance, password)),
            LearnedValue::ServerEntry(vendor, name, url) => {
                self.server_entries.insert((instance, vendor), (name, url));
            }
            LearnedValue::TriedAccount(vendor, fingerprint) => {
                self.tried_accounts.insert((instance, vendor), fingerprint);
            }
        }
    }

    /// All values, one by one.
    pub(in crate::store) fn into_each(self) -> Vec<(InstanceId, LearnedValue)> {
        let mut all = Vec::new();
        all.extend(self.urls.into_iter().map(|((id, provider), urls)| (id, LearnedValue::Urls(provider, urls))));
        all.extend(self.devices_addresses.into_iter().map(|(id, urls)| (id, LearnedValue::DevicesAddresses(urls))));
        all.extend(self.grants.into_iter().map(|((id, app), apis)| (id, LearnedValue::Grants(app, apis))));
        all.extend(self.frame_hosts.into_iter().map(|(id, hosts)| (id, LearnedValue::FrameHosts(hosts))));
        all.extend(self.pbx_sources.into_iter().map(|(id, sources)| (id, LearnedValue::PbxSources(sources))));
        all.extend(self.proxies.into_iter().map(|((id, peer), one)| (id, LearnedValue::Proxy(peer, Some(one)))));
        all.extend(self.tickets.into_iter().map(|((id, token), ticket)| (id, LearnedValue::Ticket(token, ticket))));
        all.extend(self.bootstrap_passwords.into_iter().map(|(id, one)| (id, LearnedValue::BootstrapPassword(one))));
        all.extend(
            self.server_entries
                .into_iter()
                .map(|((id, vendor), (name, url))| (id, LearnedValue::ServerEntry(vendor, name, url))),
        );
        all.extend(
            self.tried_accounts.into_iter().map(|((id, vendor), one)| (id, LearnedValue::TriedAccount(vendor, one))),
        );
        all
    }
}

/// The learned values in the database. What is committed is put into memory and announced there.
pub(in crate::store) trait LearnedRepository {
    /// Writes one value of an instance.
    async fn write_learned(&self, instance: InstanceId, value: LearnedValue) -> Result<(), StoreError>;
}
