//! What a worker remembers of recent requests, so that the daily GET of a phone costs neither a User-Agent match nor a
//! look through the settings. One table per worker, no locks; an entry counts only while the inputs it came from are
//! the same, so forgetting is never wrong.

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

/// Places of entries; an entry may stand in any of the [`WAYS`] of its set. One place per entry would make a fifth of
/// a thousand phones push each other out for ever.
const SLOTS: usize = 16_384;
const WAYS: usize = 4;
/// Longer names are looked at each time rather than kept.
const LONGEST_KEPT: usize = 512;

/// Models of strangers whose policy is remembered; they name what they like.
const MOST_MODELS: usize = 256;

/// What was found out about a request.
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
    /// What they tell.
    pub recognised: Recognised,
    /// What the settings say.
    pub policy: Policy,
    /// How this phone is challenged.
    pub scheme: Scheme,
    /// The account all phones share.
    pub shared: Option<Arc<Credentials>>,
    /// The personal stage, as long as the renderer's cache holds it.
    pub personal: RefCell<Weak<File>>,
}

/// What the policy of a request follows from when no phone is known: instance, vendor, model.
type UnknownDevice = (InstanceId, Option<Arc<str>>, Option<Arc<str>>);

/// The account all phones of an instance share, and the revision it is of.
type SharedAccount = (u64, Option<Arc<Credentials>>);

/// The table of one worker.
#[derive(Debug)]
pub struct RequestCache {
    hasher: RandomState,
    slots: RefCell<Vec<Option<std::rc::Rc<CachedRequest>>>>,
    shared: RefCell<HashMap<InstanceId, SharedAccount>>,
    strangers: RefCell<HashMap<UnknownDevice, (u64, Policy)>>,
    /// How this worker challenges at present.
    pub challenges: Challenges,
}

impl Default for RequestCache {
    fn default() -> Self {
        Self {
            hasher: RandomState::new(),
            slots: RefCell::new(vec![None; SLOTS]),
            shared: RefCell::default(),
            strangers: RefCell::default(),
            challenges: Challenges::default(),
        }
    }
}

/// What a request is looked up by.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    /// The tenant.
    pub instance: InstanceId,
    /// The User-Agent.
    pub user_agent: Option<&'a str>,
    /// The file name.
    pub file: &'a str,
}

impl RequestCache {
    /// What is known of such a request. `find` gives the phone once the MAC of the file name is known (without token).
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
            // In the place of what it replaces, else of the oldest, which stands last.
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
            // An account that is not there yet comes without a new revision.
            _ => {
                let account = files.shared_account(instance);
                known.insert(instance, (revision, account.clone()));
                account
            }
        }
    }

    /// Who asks in the name of ever new MACs is not to make us read the settings each time.
    fn policy_for_unknown(
        &self,
        files: &dyn FileService,
        instance: InstanceId,
        revision: u64,
        recognised: &Recognised,
    ) -> Policy {
        let key = (instance, recognised.vendor.clone(), recognised.model.clone());
        let mut known = self.strangers.borrow_mut();
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
