//! What the gateway learned or generated once and keeps. Reads come from memory.

use std::net::IpAddr;

use gangway_base::secret::Secret;
use tokio::sync::watch;

use super::{
    Store,
    api::{
        error::StoreError,
        learned::{BootstrapTicket, LearnedRepository, LearnedValue, LearnedValues, NamedUrls},
    },
};
use crate::{net::unlisted_proxy::UnlistedProxy, phone::instance::InstanceId};

/// The learned values of a store. Each write is on disk when it returns.
///
/// # Errors
/// A write fails when the database cannot be written; then nothing is changed.
#[derive(Debug, Clone, Copy)]
pub struct LearnedRecords<'s>(&'s Store);

impl Store {
    /// What the gateway learned or generated once.
    #[must_use]
    pub fn learned(&self) -> LearnedRecords<'_> {
        LearnedRecords(self)
    }
}

impl LearnedRecords<'_> {
    /// A number that changes whenever a value changes, here or by another process. What is computed from values that
    /// were read after this number stays valid as long as the number is the same.
    #[must_use]
    pub fn revision(self) -> u64 {
        self.0.database.memory().learned.revision()
    }

    /// Notifies the receiver after every change of a value, here or by another process. A read after the notification
    /// waits for the change.
    #[must_use]
    pub fn changes(self) -> watch::Receiver<()> {
        self.0.database.memory().learned.changes()
    }

    fn read<R>(self, read: impl FnOnce(&LearnedValues) -> R) -> R {
        read(&self.0.database.memory().learned.read())
    }

    async fn write(self, instance: InstanceId, value: LearnedValue) -> Result<(), StoreError> {
        self.0.database.write_learned(instance, value).await
    }

    /// The URLs that the app objects of each provider name.
    #[must_use]
    pub fn urls(self, instance: InstanceId) -> Vec<(String, NamedUrls)> {
        let of_instance = |values: &LearnedValues| {
            let all = values.urls.iter().filter(|((of, _), _)| *of == instance);
            all.map(|((_, provider), urls)| (provider.clone(), urls.clone())).collect()
        };
        self.read(of_instance)
    }

    /// The URLs that the app objects of a provider name.
    #[must_use]
    pub fn urls_of(self, instance: InstanceId, provider: &str) -> NamedUrls {
        self.read(|values| values.urls.get(&(instance, provider.to_owned())).cloned().unwrap_or_default())
    }

    /// Stores the URLs that the app objects of a provider name. Writes nothing when they are unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_urls(self, instance: InstanceId, provider: &str, urls: NamedUrls) -> Result<(), StoreError> {
        if self.urls_of(instance, provider) == urls {
            return Ok(());
        }
        self.write(instance, LearnedValue::Urls(provider.to_owned(), urls)).await
    }

    /// The websocket URLs of the Devices apps that the PBXs announced last.
    #[must_use]
    pub fn devices_addresses(self, instance: InstanceId) -> Vec<String> {
        self.read(|values| values.devices_addresses.get(&instance).cloned().unwrap_or_default())
    }

    /// Replaces the websocket URLs of Devices. Writes nothing when they are unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_devices_addresses(self, instance: InstanceId, urls: Vec<String>) -> Result<(), StoreError> {
        if self.devices_addresses(instance) == urls {
            return Ok(());
        }
        self.write(instance, LearnedValue::DevicesAddresses(urls)).await
    }

    /// The APIs that the PBX granted to each app object at its last connection, separated by blanks.
    #[must_use]
    pub fn grants(self, instance: InstanceId) -> Vec<(String, String)> {
        let of_instance = |values: &LearnedValues| {
            let all = values.grants.iter().filter(|((of, _), _)| *of == instance);
            all.map(|((_, app), apis)| (app.clone(), apis.clone())).collect()
        };
        self.read(of_instance)
    }

    /// The APIs granted to an app object, separated by blanks; `None` if it has never connected.
    #[must_use]
    pub fn grants_of(self, instance: InstanceId, app: &str) -> Option<String> {
        self.read(|values| values.grants.get(&(instance, app.to_owned())).cloned())
    }

    /// Stores the APIs granted to an app object. Writes nothing when they are unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_grants(self, instance: InstanceId, app: &str, apis: &str) -> Result<(), StoreError> {
        if self.grants_of(instance, app).as_deref() == Some(apis) {
            return Ok(());
        }
        self.write(instance, LearnedValue::Grants(app.to_owned(), apis.to_owned())).await
    }

    /// The hosts of PBXs that were connected, the latest last.
    #[must_use]
    pub fn frame_hosts(self, instance: InstanceId) -> Vec<String> {
        self.read(|values| values.frame_hosts.get(&instance).cloned().unwrap_or_default())
    }

    /// Replaces the hosts of PBXs. Writes nothing when they are unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_frame_hosts(self, instance: InstanceId, hosts: Vec<String>) -> Result<(), StoreError> {
        if self.frame_hosts(instance) == hosts {
            return Ok(());
        }
        self.write(instance, LearnedValue::FrameHosts(hosts)).await
    }

    /// The sources from which a PBX has logged in, the latest last.
    #[must_use]
    pub fn pbx_sources(self, instance: InstanceId) -> Vec<IpAddr> {
        self.read(|values| values.pbx_sources.get(&instance).cloned().unwrap_or_default())
    }

    /// Replaces the sources from which a PBX has logged in. Writes nothing when they are unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_pbx_sources(self, instance: InstanceId, sources: Vec<IpAddr>) -> Result<(), StoreError> {
        if self.pbx_sources(instance) == sources {
            return Ok(());
        }
        self.write(instance, LearnedValue::PbxSources(sources)).await
    }

    /// The reverse proxies of all instances that the configuration did not list when they were found.
    #[must_use]
    pub fn unlisted_proxies(self) -> Vec<(InstanceId, UnlistedProxy)> {
        self.read(|values| values.proxies.iter().map(|((instance, _), one)| (*instance, one.clone())).collect())
    }

    /// Stores a reverse proxy. Writes nothing when it is unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_unlisted_proxy(self, instance: InstanceId, proxy: &UnlistedProxy) -> Result<(), StoreError> {
        if self.read(|values| values.proxies.get(&(instance, proxy.peer)) == Some(proxy)) {
            return Ok(());
        }
        self.write(instance, LearnedValue::Proxy(proxy.peer, Some(proxy.clone()))).await
    }

    /// Deletes a reverse proxy.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn remove_unlisted_proxy(self, instance: InstanceId, peer: IpAddr) -> Result<(), StoreError> {
        if self.read(|values| !values.proxies.contains_key(&(instance, peer))) {
            return Ok(());
        }
        self.write(instance, LearnedValue::Proxy(peer, None)).await
    }

    /// A one-time URL by the hash of its token.
    #[must_use]
    pub fn ticket(self, instance: InstanceId, token: &str) -> Option<BootstrapTicket> {
        self.read(|values| values.tickets.get(&(instance, token.to_owned())).cloned())
    }

    /// The number of one-time URLs.
    #[cfg(test)]
    pub(crate) fn tickets(self, instance: InstanceId) -> usize {
        self.read(|values| values.tickets.keys().filter(|(of, _)| *of == instance).count())
    }

    /// Stores a one-time URL by the hash of its token. Other URLs of the phone are deleted in the same transaction.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_ticket(
        self,
        instance: InstanceId,
        token: &str,
        ticket: BootstrapTicket,
    ) -> Result<(), StoreError> {
        self.write(instance, LearnedValue::Ticket(token.to_owned(), ticket)).await
    }

    /// Marks a one-time URL as used, by the hash of its token. Changes nothing if there is no such URL any more.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn spend_ticket(self, instance: InstanceId, token: &str) -> Result<(), StoreError> {
        self.write(instance, LearnedValue::SpentTicket(token.to_owned())).await
    }

    /// The generated password of the shared bootstrap account.
    #[must_use]
    pub fn bootstrap_password(self, instance: InstanceId) -> Option<Secret> {
        self.read(|values| values.bootstrap_passwords.get(&instance).cloned())
    }

    /// Stores the password of the shared bootstrap account, sealed.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_bootstrap_password(self, instance: InstanceId, password: Secret) -> Result<(), StoreError> {
        self.write(instance, LearnedValue::BootstrapPassword(password)).await
    }

    /// Name and URL of the server entry that the redirect service of a vendor got last.
    #[must_use]
    pub fn server_entry(self, instance: InstanceId, vendor: &str) -> Option<(String, Secret)> {
        self.read(|values| values.server_entries.get(&(instance, vendor.to_owned())).cloned())
    }

    /// Stores a server entry, sealed. Writes nothing when it is unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_server_entry(
        self,
        instance: InstanceId,
        vendor: &str,
        name: &str,
        url: &Secret,
    ) -> Result<(), StoreError> {
        let is_known = |known: &(String, Secret)| known.0 == name && known.1 == *url;
        if self.server_entry(instance, vendor).is_some_and(|known| is_known(&known)) {
            return Ok(());
        }
        self.write(instance, LearnedValue::ServerEntry(vendor.to_owned(), name.to_owned(), url.clone())).await
    }

    /// The fingerprint of the redirect account with which phones of a vendor were tried last.
    #[must_use]
    pub fn tried_account(self, instance: InstanceId, vendor: &str) -> Option<Secret> {
        self.read(|values| values.tried_accounts.get(&(instance, vendor.to_owned())).cloned())
    }

    /// Stores the fingerprint of a redirect account, sealed. Writes nothing when it is unchanged.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn set_tried_account(
        self,
        instance: InstanceId,
        vendor: &str,
        fingerprint: &Secret,
    ) -> Result<(), StoreError> {
        if self.tried_account(instance, vendor).as_ref() == Some(fingerprint) {
            return Ok(());
        }
        self.write(instance, LearnedValue::TriedAccount(vendor.to_owned(), fingerprint.clone())).await
    }
}
