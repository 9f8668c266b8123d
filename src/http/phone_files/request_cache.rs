//! Per-worker cache of recent requests, so that the daily GET of a phone needs neither a User-Agent match nor a
//! settings lookup. Each worker has its own table and uses no locks. An entry is valid only while its inputs are
//! unchanged, so evicting one is always safe.

use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    ops::Range,
    sync::{Arc, Weak},
};

use gangway_wire::http_auth::Scheme;

use crate::{
    http::{
        auth::challenge_cache::Challenges,
        interfaces::{File, FileService, Recognised},
    },
    phone::{
        admission::Policy,
        instance::InstanceId,
        record::{Credentials, Phone},
    },
};

/// Number of slots. An entry can be in any of the [`WAYS`] slots of its set. With one slot per entry, a fifth of a
/// thousand phones would evict each other permanently.
const SLOTS: usize = 16_384;
const WAYS: usize = 4;
/// Requests whose file name and User-Agent are longer than this together are not cached.
const LONGEST_KEPT: usize = 512;

/// Maximum number of cached policies for unknown devices, which can claim arbitrary models.
const MOST_MODELS: usize = 256;

/// What is known about a request.
#[derive(Debug)]
pub struct CachedRequest {
    instance: InstanceId,
    revision: u64,
    phone: Weak<Phone>,
    has_phone: bool,
    /// The User-Agent.
    pub user_agent: Option<Arc<str>>,
    /// The file name.
    pub file: Arc<str>,
    /// What was recognised from User-Agent and file name.
    pub recognised: Recognised,
    /// The policy from the settings.
    pub policy: Policy,
    /// The authentication scheme for this phone.
    pub scheme: Scheme,
    /// The account that all phones share.
    pub shared: Option<Arc<Credentials>>,
    /// The personal stage, as long as the renderer's cache keeps it.
    pub personal: RefCell<Weak<File>>,
}

/// Determines the policy of a request from an unknown phone: instance, vendor, model.
type UnknownDevice = (InstanceId, Option<Arc<str>>, Option<Arc<str>>);

/// The account that all phones of an instance share, and the revision it was read at.
type SharedAccount = (u64, Option<Arc<Credentials>>);

/// The cache of one worker.
#[derive(Debug)]
pub struct RequestCache {
    hasher: RandomState,
    slots: RefCell<Vec<Option<std::rc::Rc<CachedRequest>>>>,
    shared: RefCell<HashMap<InstanceId, SharedAccount>>,
    unknown_devices: RefCell<HashMap<UnknownDevice, (u64, Policy)>>,
    /// The current challenges of this worker.
    pub challenges: Challenges,
}

impl Default for RequestCache {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: RefCell::new(vec![None; SLOTS]),
            shared: RefCell::default(),
            unknown_devices: RefCell::default(),
            challenges: Challenges::default(),
        }
    }
}

/// The key of a cached request.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    /// The instance.
    pub instance: InstanceId,
    /// The User-Agent.
    pub user_agent: Option<&'a str>,
    /// The file name.
    pub file: &'a str,
}

impl RequestCache {
    /// Looks up a request. Without a token, `find` returns the phone once the MAC in the file name is known.
    pub fn look(
        &self,
        files: &dyn FileService,
        key: RequestKey<'_>,
        find: impl Fn(&Recognised) -> Option<Arc<Phone>>,
    ) -> (std::rc::Rc<CachedRequest>, Option<Arc<Phone>>) {
        let revision = files.revision(key.instance);
        let set = self.set(key);
        let remembered = self
            .slots
            .borrow()
            .get(set.clone())
            .and_then(|ways| ways.iter().flatten().find(|known| known.answers(key, revision)).cloned());
        if let Some(known) = remembered {
            let phone = find(&known.recognised);
            if known.is_of(phone.as_ref()) {
                return (known, phone);
            }
        }
        let recognised = files.recognise(key.user_agent, key.file);
        let phone = find(&recognised);
        let known = std::rc::Rc::new(CachedRequest {
            instance: key.instance,
            revision,
            phone: phone.as_ref().map(Arc::downgrade).unwrap_or_default(),
            has_phone: phone.is_some(),
            user_agent: key.user_agent.map(Arc::from),
            file: Arc::from(key.file),
            policy: match phone.as_deref() {
                Some(phone) => files.policy(key.instance, Some(phone), &recognised),
                None => self.policy_for_unknown(files, key.instance, revision, &recognised),
            },
            scheme: files.scheme(recognised.vendor.as_deref()),
            shared: self.shared(files, key.instance, revision),
            personal: RefCell::default(),
            recognised,
        });
        let short = key.file.len() + key.user_agent.map_or(0, str::len) <= LONGEST_KEPT;
        if let Some(ways) = self.slots.borrow_mut().get_mut(set).filter(|_| short) {
            // Replace the entry for the same key, or else the oldest entry, which is last.
            let old = ways.iter().position(|entry| entry.as_ref().is_none_or(|old| old.is_asked_by(key)));
            let place = old.unwrap_or(WAYS - 1);
            if let Some(newer) = ways.get_mut(..=place) {
                newer.rotate_right(1);
            }
            if let Some(first) = ways.first_mut() {
                *first = Some(known.clone());
            }
        }
        (known, phone)
    }

    fn shared(&self, files: &dyn FileService, instance: InstanceId, revision: u64) -> Option<Arc<Credentials>> {
        let mut known = self.shared.borrow_mut();
        match known.get(&instance) {
            Some((made, account)) if *made == revision && account.is_some() => account.clone(),
            // Creating the account does not change the revision, so look it up again until it exists.
            _ => {
                let account = files.shared_account(instance);
                known.insert(instance, (revision, account.clone()));
                account
            }
        }
    }

    /// Caches the policy, so that a client that requests many different MACs does not cause a settings lookup each
    /// time.
    fn policy_for_unknown(
        &self,
        files: &dyn FileService,
        instance: InstanceId,
        revision: u64,
        recognised: &Recognised,
    ) -> Policy {
        let key = (instance, recognised.vendor.clone(), recognised.model.clone());
        let mut known = self.unknown_devices.borrow_mut();
        if let Some((made, policy)) = known.get(&key)
            && *made == revision
        {
            return *policy;
        }
        if known.len() >= MOST_MODELS {
            known.clear();
        }
        let policy = files.policy(instance, None, recognised);
        known.insert(key, (revision, policy));
        policy
    }

    fn set(&self, key: RequestKey<'_>) -> Range<usize> {
        let hash = self.hasher.hash_one((key.instance, key.user_agent, key.file));
        let first = usize::try_from(hash % (SLOTS / WAYS) as u64).unwrap_or_default() * WAYS;
        first..first + WAYS
    }
}

impl CachedRequest {
    fn answers(&self, key: RequestKey<'_>, revision: u64) -> bool {
        self.revision == revision && self.is_asked_by(key)
    }

    fn is_asked_by(&self, key: RequestKey<'_>) -> bool {
        self.instance == key.instance && *self.file == *key.file && self.user_agent.as_deref() == key.user_agent
    }

    fn is_of(&self, phone: Option<&Arc<Phone>>) -> bool {
        match phone {
            Some(phone) => self.has_phone && std::ptr::eq(self.phone.as_ptr(), Arc::as_ptr(phone)),
            None => !self.has_phone,
        }
    }
}
