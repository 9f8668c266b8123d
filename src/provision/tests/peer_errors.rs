//! The peers of the engine under test: a PBX, the sysclient pool, a redirect service, and vendor folders.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use futures_util::future::BoxFuture;
use gangway_base::mac::Mac;
use url::Url;

use crate::{
    catalog::ReprovisionPolicy,
    devices::sysclients::SysclientSpec,
    pbx::{
        devices_address::GrantedDevices,
        user_objects::{FlagsWritten, Pbx, PbxError, PbxUser, UserDevice, UserKey},
    },
    phone::{
        instance::InstanceId,
        record::{Flags, PhoneId},
    },
    provision::ports::{ProviderCatalog, ProviderFacts, RedirectService, Sysclients},
    redirect::{Operation, RedirectAccount, RedirectFailure, RedirectResult},
};

/// The behaviour of the peers, and the calls they received.
pub struct Peers {
    /// The Devices apps that the PBX grants.
    pub devices: Mutex<Vec<GrantedDevices>>,
    /// The hosts of Devices that cannot be reached.
    pub away: Mutex<HashSet<String>>,
    pub grant: Mutex<Result<(), PbxError>>,
    pub flags: Mutex<Vec<(String, Flags)>>,
    pub registered: Mutex<Option<String>>,
    pub holds: Mutex<Vec<SysclientSpec>>,
    pub drops: Mutex<Vec<PhoneId>>,
    /// The sysclients that the pool holds now.
    pub held: Mutex<HashMap<PhoneId, SysclientSpec>>,
    /// The entries of the redirect service: phone and URL.
    pub entries: Mutex<HashMap<Mac, String>>,
    pub calls: Mutex<Vec<Operation>>,
    /// The answer to a registration or deregistration.
    pub service: Mutex<RedirectResult>,
    /// Number of operations that the service carries out before it is away again; `None` = no limit.
    pub tires_after: Mutex<Option<usize>>,
    /// The service fails for these phones.
    pub poison: Mutex<HashSet<Mac>>,
    pub providers: Mutex<HashMap<String, ProviderFacts>>,
    /// Accounts of every base.
    pub accounts: Mutex<u16>,
    /// Vendor -> OUIs.
    pub ouis: Mutex<HashMap<String, Vec<String>>>,
    /// The PBX's answers for users, by H.323 name; for other users `guid-of-<name>` with all devices present.
    pub users: Mutex<HashMap<String, Result<PbxUser, PbxError>>>,
}

impl Default for Peers {
    fn default() -> Self {
        let provider =
            ProviderFacts { vendor: "yealink".into(), title: "Yealink".into(), same_mac: ReprovisionPolicy::Replace };
        let base = ProviderFacts { same_mac: ReprovisionPolicy::Add, title: "Yealink DECT".into(), ..provider.clone() };
        Self {
            devices: Mutex::new(vec![granted("wss://ap.example.com/example.com/devices/sysclients", &[])]),
            away: Mutex::default(),
            grant: Mutex::new(Ok(())),
            flags: Mutex::default(),
            registered: Mutex::new(Some("192.0.2.7".into())),
            holds: Mutex::default(),
            drops: Mutex::default(),
            held: Mutex::default(),
            entries: Mutex::default(),
            calls: Mutex::default(),
            service: Mutex::new(RedirectResult::Ok(Default::default())),
            tires_after: Mutex::default(),
            poison: Mutex::default(),
            providers: Mutex::new(HashMap::from([("yealink".into(), provider), ("yealink-dect".into(), base)])),
            accounts: Mutex::new(3),
            ouis: Mutex::default(),
            users: Mutex::default(),
        }
    }
}

impl Peers {
    pub fn away() -> RedirectResult {
        RedirectResult::Transport(RedirectFailure::Broken(503))
    }

    pub fn registrations(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| matches!(call, Operation::Register { .. })).count()
    }

    pub fn deregistrations(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| matches!(call, Operation::Deregister { .. })).count()
    }

    fn answer(&self, operation: &Operation) -> RedirectResult {
        let mut service = self.service.lock().unwrap();
        if operation.mac().is_some_and(|mac| self.poison.lock().unwrap().contains(&mac)) {
            return Self::away();
        }
        if let Some(left) = self.tires_after.lock().unwrap().as_mut() {
            *left = left.saturating_sub(1);
            if *left == 0 {
                return std::mem::replace(&mut *service, Self::away());
            }
        }
        service.clone()
    }

    pub fn servers(&self) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| matches!(call, Operation::EnsureServer(_))).count()
    }
}

/// A Devices app that these app objects are granted.
pub fn granted(url: &str, apps: &[&str]) -> GrantedDevices {
    GrantedDevices { url: url.parse().unwrap(), apps: apps.iter().map(|app| (*app).to_owned()).collect() }
}

/// A user with the usual device.
pub fn user(h323: &str) -> PbxUser {
    let device = UserDevice { hwid: format!("hw-{h323}"), name: String::new() };
    PbxUser { guid: format!("guid-of-{h323}"), h323: h323.into(), cn: String::new(), devices: vec![device] }
}

/// The ports, implemented by the simulated peers.
pub struct Fake(pub Arc<Peers>);

impl Pbx for Fake {
    fn devices(&self, _instance: InstanceId) -> Vec<GrantedDevices> {
        self.0.devices.lock().unwrap().clone()
    }

    fn user(&self, _instance: InstanceId, key: UserKey) -> BoxFuture<'static, Result<PbxUser, PbxError>> {
        let h323 = key.h323;
        let known = self.0.users.lock().unwrap().get(&h323).cloned();
        let user = known.unwrap_or_else(|| Ok(user(&h323)));
        Box::pin(async move { user })
    }

    fn set_flags(
        &self,
        _instance: InstanceId,
        _key: UserKey,
        hwid: String,
        flags: Flags,
    ) -> BoxFuture<'static, Result<FlagsWritten, PbxError>> {
        let granted = self.0.grant.lock().unwrap().clone();
        if granted.is_ok() {
            self.0.flags.lock().unwrap().push((hwid, flags));
        }
        Box::pin(async move { granted.map(|()| FlagsWritten::Applied) })
    }

    fn registration(
        &self,
        _instance: InstanceId,
        _key: UserKey,
        _hwid: String,
        _by_name: bool,
    ) -> BoxFuture<'static, Result<Option<String>, PbxError>> {
        let registered = self.0.registered.lock().unwrap().clone();
        Box::pin(async move { Ok(registered) })
    }
}

impl Sysclients for Fake {
    fn hold(&self, hold: SysclientSpec) {
        self.0.held.lock().unwrap().insert(hold.phone, hold.clone());
        self.0.holds.lock().unwrap().push(hold);
    }

    fn drop_phone(&self, phone: PhoneId) {
        self.0.held.lock().unwrap().remove(&phone);
        self.0.drops.lock().unwrap().push(phone);
    }

    fn is_away(&self, url: &Url) -> bool {
        url.host_str().is_some_and(|host| self.0.away.lock().unwrap().contains(host))
    }
}

impl RedirectService for Fake {
    fn run(
        &self,
        _account: RedirectAccount,
        operation: Operation,
        _phone: Option<(PhoneId, Mac)>,
    ) -> BoxFuture<'static, RedirectResult> {
        let outcome = self.0.answer(&operation);
        let outcome = match (&operation, outcome) {
            // Only phones are rejected; the server entry succeeds.
            (Operation::EnsureServer(_), outcome) if !outcome.is_retryable() => RedirectResult::Ok(Default::default()),
            (_, outcome) => outcome,
        };
        match &operation {
            Operation::Register { mac, unique_url: Some(url), .. } if matches!(outcome, RedirectResult::Ok(_)) => {
                self.0.entries.lock().unwrap().insert(*mac, url.expose().to_owned());
            }
            Operation::Verify { mac, url } if matches!(outcome, RedirectResult::Ok(_)) => {
                self.0.calls.lock().unwrap().push(operation.clone());
                let held = self.0.entries.lock().unwrap().get(mac).cloned();
                let outcome = match held {
                    Some(held) if held == url.expose() => RedirectResult::AlreadyMine,
                    Some(held) => RedirectResult::SentElsewhere(held),
                    None => RedirectResult::NotFound,
                };
                return Box::pin(async move { outcome });
            }
            Operation::Deregister { mac } if matches!(outcome, RedirectResult::Ok(_)) => {
                self.0.entries.lock().unwrap().remove(mac);
            }
            _ => {}
        }
        self.0.calls.lock().unwrap().push(operation);
        Box::pin(async move { outcome })
    }
}

impl ProviderCatalog for Fake {
    fn provider(&self, name: &str) -> Option<ProviderFacts> {
        self.0.providers.lock().unwrap().get(name).cloned()
    }

    fn vendors(&self) -> Vec<(String, String)> {
        vec![("yealink".into(), "yealink-xmlrpc".into())]
    }

    fn names(&self) -> Vec<String> {
        self.0.providers.lock().unwrap().keys().cloned().collect()
    }

    fn accounts(&self, _provider: &str, _model: Option<&str>) -> u16 {
        *self.0.accounts.lock().unwrap()
    }

    fn cannot_carry(&self, _vendor: &str, value: &str) -> Option<&'static str> {
        let format = crate::catalog::Format::YealinkCfg;
        (!format.is_exact(value)).then(|| format.cannot_carry())
    }

    fn claims(&self, vendor: &str, mac: Mac) -> bool {
        self.0.ouis.lock().unwrap().get(vendor).is_some_and(|ouis| ouis.contains(&mac.oui()))
    }
}
