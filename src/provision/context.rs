//! Gathers the facts outside a record that its decisions need, from settings, learned facts and configuration.

use std::sync::Arc;

use gangway_base::{clock::SharedClock, secret::Secret};
use jiff::Timestamp;
use url::Url;

use super::{
    bootstrap_account,
    flow::{DevicesCandidate, FlowContext, RedirectContext, ServerReadiness, SysclientTarget},
    ports::ProviderCatalog,
    public_url::PublicUrlsOf,
};
use crate::{
    devices::sysclients::SysclientIdentity,
    pbx::{app_objects::PROVIDER_PREFIX, user_objects::Pbx},
    phone::{
        instance::{InstanceId, Instances},
        public_url::{Scheme, UrlError, shared_bootstrap_url},
        record::{DeviceConfig, Flags, Phone},
    },
    redirect::{RedirectAccount, ServerEntry, server_name},
    settings::{Defaults, Effective, Lookup},
    store::Store,
};

/// The sources of the facts.
pub(super) struct InstanceContext {
    pub(super) store: Store,
    pub(super) instances: Instances,
    pub(super) urls: PublicUrlsOf,
    pub(super) providers: Arc<dyn ProviderCatalog>,
    pub(super) pbx: Arc<dyn Pbx>,
    pub(super) clock: SharedClock,
}

/// The redirect account of an instance at a vendor's service, and the server entry for phones without their own URLs.
#[derive(Debug, Clone)]
pub(super) struct AccountFacts {
    pub(super) account: RedirectAccount,
    pub(super) server: Option<ServerEntry>,
}

impl InstanceContext {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The settings that affect decisions about a phone.
    pub(super) fn settings(&self, phone: &Phone) -> Effective {
        const NAMES: &[&str] = &[
            "provisioning_scheme",
            "media_relay",
            "sip_transport",
            "sip_account",
            "reverse_proxy",
            "update_interval_minutes",
        ];
        let lookup = Lookup::of(phone, Defaults::Table);
        self.store.settings().layers(phone.instance).effective_of(NAMES, &lookup, Some(&phone.device_config))
    }

    /// The serial number that an administrator entered for this phone.
    pub(super) fn serial(&self, phone: &Phone) -> Option<String> {
        let lookup = Lookup { mac: Some(phone.mac), ..Lookup::instance() };
        let settings = self.store.settings().layers(phone.instance).effective_of(&["serial_number"], &lookup, None);
        settings.nonempty("serial_number").map(str::to_owned)
    }

    pub(super) fn vendor_settings(&self, instance: InstanceId, vendor: &str) -> Effective {
        const NAMES: &[&str] = &["provisioning_scheme", "provisioning_user", "provisioning_password", "extra_ouis"];
        let lookup = Lookup { vendor: Some(vendor), ..Lookup::instance() };
        self.store.settings().layers(instance).effective_of(NAMES, &lookup, None::<&DeviceConfig>)
    }

    /// The base URL that all phones of a vendor's redirect account share.
    fn shared_base(&self, instance: InstanceId, vendor: &str, scheme: Scheme) -> Result<String, UrlError> {
        let providers = self.providers.names();
        let own = |name: &&String| self.providers.provider(name).is_some_and(|provider| provider.vendor == vendor);
        (self.urls)(instance).shared_base(providers.iter().filter(own).map(String::as_str), scheme)
    }

    /// The redirect account, or `None` when no account is configured.
    pub(super) fn account(&self, instance: InstanceId, vendor: &str) -> Option<AccountFacts> {
        let layers = self.store.settings().layers(instance);
        let get = |last: &str| layers.get(&format!("redirect.{vendor}.{last}")).unwrap_or_default();
        let text = |last: &str| get(last).expose().trim().to_owned();
        let nonempty = |last: &str| Some(text(last)).filter(|text| !text.is_empty());
        let default =
            || self.providers.vendors().into_iter().find(|(known, _)| known == vendor).map(|(_, protocol)| protocol);
        let protocol = nonempty("protocol").or_else(default).unwrap_or_default();
        let user = text("user");
        let password = get("password");
        if matches!(protocol.as_str(), "" | "none") || user.is_empty() || password.is_empty() {
            return None;
        }
        let settings = self.vendor_settings(instance, vendor);
        let configured_name = nonempty("server_name");
        let domain = self.instances.get(instance).map(|instance| instance.domain.clone()).unwrap_or_default();
        let server = self.shared_base(instance, vendor, settings.scheme()).ok().and_then(|base| {
            let (account_user, account_password) = bootstrap_account::shared_account(&self.store, instance, &settings)?;
            let url = shared_bootstrap_url(&base, &account_user, account_password.expose()).ok()?;
            let previous = bootstrap_account::server_entry(&self.store, instance, vendor);
            let previous = previous.as_ref().map(|(name, url)| (name.as_str(), url.expose()));
            let name = server_name(&domain, &url, previous, configured_name.as_deref());
            Some(ServerEntry { name, url: Secret::new(url) })
        });
        let account = RedirectAccount {
            instance,
            vendor: vendor.to_owned(),
            protocol,
            url: text("url"),
            user,
            password,
            server_name: configured_name,
            mac_only: text("mac_only") == "true",
        };
        Some(AccountFacts { account, server })
    }

    /// The sysclient URLs of the Devices apps of this phone in the order in which a code is tried: those granted to the
    /// app object of its provider, those where phones of its PBX domain are, the others.
    pub(super) fn devices(&self, phone: &Phone) -> Vec<Url> {
        let mut granted = self.pbx.devices(phone.instance);
        if granted.len() > 1 {
            let app = format!("{PROVIDER_PREFIX}{}", phone.provider);
            let homes = if phone.code.is_some() { self.homes(phone) } else { Vec::new() };
            // The sort is stable.
            granted.sort_by_key(|devices| {
                let is_granted = devices.apps.contains(&app);
                (!is_granted, !homes.iter().any(|home| home == devices.url.as_str()))
            });
        }
        granted.into_iter().map(|devices| devices.url).collect()
    }

    /// The sysclient URLs at which other phones of the phone's PBX domain have their passwords from.
    fn homes(&self, phone: &Phone) -> Vec<String> {
        let domain = phone.accounts.first().map(|account| account.domain.as_str()).unwrap_or_default();
        let mut homes: Vec<String> = Vec::new();
        for other in self.store.phones().in_instance(phone.instance) {
            let Some(url) = other.sysclient.url.as_ref().filter(|_| other.sysclient.password.is_some()) else {
                continue;
            };
            let is_of_domain = other.accounts.iter().any(|account| account.domain.eq_ignore_ascii_case(domain));
            if is_of_domain && other.id != phone.id && !homes.contains(url) {
                homes.push(url.clone());
            }
        }
        homes
    }

    /// What the phone tells Devices about itself: model and firmware as the phone reported them, and the name that was
    /// entered at the user object.
    pub(super) fn identity(&self, phone: &Phone) -> SysclientIdentity {
        let provider = self.providers.provider(&phone.provider);
        let vendor = provider.map_or_else(|| phone.vendor.clone(), |provider| provider.title);
        let name =
            phone.accounts.iter().filter_map(|account| account.device_name.as_deref()).find(|name| !name.is_empty());
        SysclientIdentity {
            product: phone.model.as_ref().map_or_else(|| vendor.clone(), |model| format!("{vendor} {model}")),
            version: phone.firmware.clone().unwrap_or_else(|| "unknown".to_owned()),
            name: name.map(str::to_owned),
        }
    }

    /// The context of one phone. The engine passes what it knows of the endpoints.
    pub(super) fn context(
        &self,
        phone: &Phone,
        facts: Option<&AccountFacts>,
        target: Option<SysclientTarget>,
        devices: Vec<DevicesCandidate>,
        away_until: Option<Timestamp>,
        server: ServerReadiness,
    ) -> FlowContext {
        let settings = self.settings(phone);
        let url = (self.urls)(phone.instance).of_phone(phone, settings.scheme());
        FlowContext {
            devices,
            identity: self.identity(phone),
            target,
            redirect: RedirectContext { configured: facts.is_some(), url, away_until, server },
            flags: Flags {
                media_relay: settings.bool("media_relay"),
                tls_only: settings.text("sip_transport") == "tls",
                reverse_proxy: settings.bool("reverse_proxy"),
            },
            interval_minutes: settings.u32("update_interval_minutes"),
            last_request: self.store.requests().last(phone.id).map(|facts| facts.at),
        }
    }
}
