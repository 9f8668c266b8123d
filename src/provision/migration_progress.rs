//! How far a bulk move is: after the public URL changed, every phone of the instance is registered anew at its redirect
//! service, a few at a time and behind everything somebody waits for.

use std::collections::HashMap;

use crate::{
    phone::{
        facet::{RedirectState, Wanted},
        instance::InstanceId,
        public_url::{PublicUrls, without_scheme},
        record::Phone,
    },
    store::Store,
};

/// Phones with an entry at a redirect service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MigrationProgress {
    /// Those that are sent to the present URL.
    pub moved: usize,
    /// All of them.
    pub all: usize,
}

impl MigrationProgress {
    /// Those that are still sent to an old one.
    #[must_use]
    pub fn open(self) -> usize {
        self.all - self.moved
    }

    /// A sentence while there is something to do.
    #[must_use]
    pub fn message(self) -> Option<String> {
        (self.open() > 0).then(|| {
            let Self { moved, all } = self;
            format!("{moved} of {all} phones are registered with the present URL at their redirect service")
        })
    }
}

fn is_sent_by_us(phone: &Phone) -> bool {
    phone.wanted == Wanted::Active
        && phone.buried.is_none()
        && match phone.redirect.state {
            RedirectState::Redirected => true,
            // Tried and not reached; the first attempt is nobody's delay.
            RedirectState::Pending => phone.redirect.error.is_some(),
            RedirectState::ForeignOwner | RedirectState::Refused | RedirectState::NotConfigured => false,
        }
}

/// Counts the phones of an instance. Phones that wait for an administrator are not counted: they are not moved.
#[must_use]
pub fn moving(store: &Store, urls: &PublicUrls, instance: InstanceId) -> MigrationProgress {
    let mut places: HashMap<String, Option<String>> = HashMap::new();
    let mut moving = MigrationProgress::default();
    for phone in store.roster().in_instance(instance).iter().filter(|phone| is_sent_by_us(phone)) {
        let Some(entry) = &phone.redirect_entry else { continue };
        // The scheme is a matter of each phone; another one alone is no other place.
        let place = places.entry(phone.provider.clone()).or_insert_with(|| urls.place(&phone.provider).ok());
        moving.all += 1;
        let is_moved = |place: &String| without_scheme(entry.url.expose()).starts_with(place.as_str());
        // Without a URL of our own there is nowhere to move to.
        let is_there = phone.redirect.state == RedirectState::Redirected;
        moving.moved += usize::from(is_there && place.as_ref().is_none_or(is_moved));
    }
    moving
}
