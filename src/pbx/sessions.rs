//! The PBX sessions that are up. Several PBXs (master and slaves) and several app objects connect in parallel. A
//! reconnect replaces the previous session, and the late close of the replaced connection then has no effect.

use std::sync::{Arc, Mutex, PoisonError};

use gangway_wire::appws::{SessionKey, services::Service};
use jiff::Timestamp;
use tokio::sync::broadcast;

use crate::{net::appwebsocket::Link, phone::instance::InstanceId};

/// Identifies a session: two sockets with equal identities are the same session.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionIdentity {
    /// The tenant.
    pub instance: InstanceId,
    /// PBX domain (System Name).
    pub domain: String,
    /// PBX name.
    pub pbx: String,
    /// The app (`gangway-yealink`).
    pub app: String,
    /// The PBX's app object for it.
    pub appobj: String,
}

/// A connected app object of a PBX.
#[derive(Debug)]
pub struct PbxSession {
    /// Its identity.
    pub identity: SessionIdentity,
    /// DNS name of the PBX.
    pub dns: String,
    /// Firmware version as reported by the PBX.
    pub version: String,
    /// APIs that the flags of the app object grant.
    pub apis: Vec<String>,
    /// The link for requests to the PBX.
    pub link: Link,
    /// Session key of this socket, used to decrypt the keys of service logins.
    pub key: SessionKey,
    /// When the session was established.
    pub since: Timestamp,
}

impl PbxSession {
    /// Whether the flags of the app object grant `api`.
    #[must_use]
    pub fn grants(&self, api: &str) -> bool {
        self.apis.iter().any(|granted| granted == api)
    }
}

/// Notification that the sessions or services of an instance changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PbxChanged(pub InstanceId);

struct Entry {
    session: Arc<PbxSession>,
    services: Vec<Service>,
}

/// All PBX sessions of the process.
#[derive(Clone)]
pub struct PbxSessions {
    entries: Arc<Mutex<Vec<Entry>>>,
    changed: broadcast::Sender<PbxChanged>,
}

impl Default for PbxSessions {
    fn default() -> Self {
        Self { entries: Arc::default(), changed: broadcast::Sender::new(64) }
    }
}

impl PbxSessions {
    /// Adds a session that is up and removes an older one with the same identity.
    pub fn enter(&self, session: Arc<PbxSession>) {
        let instance = session.identity.instance;
        {
            let mut entries = self.lock();
            entries.retain(|entry| entry.session.identity != session.identity);
            entries.push(Entry { session, services: Vec::new() });
        }
        self.publish(instance);
    }

    /// Removes the session of this link.
    pub fn leave(&self, link: u64) {
        let gone = {
            let mut entries = self.lock();
            let found = entries.iter().position(|entry| entry.session.link.id() == link);
            found.map(|index| entries.remove(index).session.identity.instance)
        };
        if let Some(instance) = gone {
            self.publish(instance);
        }
    }

    /// Stores the services that a PBX announced over this link. An announcement is always the full list.
    pub fn announce(&self, link: u64, services: Vec<Service>) {
        let instance = {
            let mut entries = self.lock();
            entries.iter_mut().find(|entry| entry.session.link.id() == link).map(|entry| {
                entry.services = services;
                entry.session.identity.instance
            })
        };
        if let Some(instance) = instance {
            self.publish(instance);
        }
    }

    /// The sessions of an instance.
    #[must_use]
    pub fn of(&self, instance: InstanceId) -> Vec<Arc<PbxSession>> {
        let entries = self.lock();
        entries.iter().map(|entry| &entry.session).filter(|s| s.identity.instance == instance).cloned().collect()
    }

    /// The services that offer `api` to this instance, one per URL, each with the session that can log in to it.
    #[must_use]
    pub fn services(&self, instance: InstanceId, api: &str) -> Vec<(Service, Arc<PbxSession>)> {
        let mut found: Vec<(Service, Arc<PbxSession>)> = Vec::new();
        for entry in self.lock().iter().filter(|entry| entry.session.identity.instance == instance) {
            for service in entry.services.iter().filter(|service| service.model(api).is_some()) {
                if !found.iter().any(|(known, _)| known.url == service.url) {
                    found.push((service.clone(), Arc::clone(&entry.session)));
                }
            }
        }
        found
    }

    /// The services that offer `api` to this instance, one per URL in the order of their announcement, each with the
    /// apps whose app objects are granted it.
    #[must_use]
    pub fn service_apps(&self, instance: InstanceId, api: &str) -> Vec<(Service, Vec<String>)> {
        let mut found: Vec<(Service, Vec<String>)> = Vec::new();
        for entry in self.lock().iter().filter(|entry| entry.session.identity.instance == instance) {
            let app = &entry.session.identity.app;
            for service in entry.services.iter().filter(|service| service.model(api).is_some()) {
                match found.iter_mut().find(|(known, _)| known.url == service.url) {
                    Some((_, apps)) if apps.contains(app) => {}
                    Some((_, apps)) => apps.push(app.clone()),
                    None => found.push((service.clone(), vec![app.clone()])),
                }
            }
        }
        found
    }

    /// The number of sessions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Notifies when a session is added or removed, or announces services.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<PbxChanged> {
        self.changed.subscribe()
    }

    fn publish(&self, instance: InstanceId) {
        // Ignore the error: there are no subscribers.
        let _ = self.changed.send(PbxChanged(instance));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
