//! The progress of a bulk move. After the public URL changed, every phone of the instance is registered again at its
//! redirect service: a few at a time, and after all actions that a caller waits for.

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

/// The number of phones with an entry at a redirect service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MigrationProgress {
    /// Phones that are sent to the current URL.
    pub moved: usize,
    /// All of these phones.
    pub all: usize,
}

impl MigrationProgress {
    /// Phones that are still sent to an old URL.
    #[must_use]
    pub fn open(self) -> usize {
        self.all - self.moved
    }

    /// A sentence while there are phones to move.
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
        && phone.removed_at.is_none()
        && match phone.redirect.state {
            RedirectState::Redirected => true,
            // Tried but not reached; before the first attempt, the phone does not delay the move.
            RedirectState::Pending => phone.redirect.error.is_some(),
            RedirectState::ForeignOwner | RedirectState::Refused | RedirectState::NotConfigured => false,
        }
}

/// Counts the phones of an instance. Phones that wait for an administrator are not counted, because they are not moved.
#[must_use]
pub fn moving(store: &Store, urls: &PublicUrls, instance: InstanceId) -> MigrationProgress {
    let mut places: HashMap<String, Option<String>> = HashMap::new();
    let mut moving = MigrationProgress::default();
    for phone in store.phones().in_instance(instance).iter().filter(|phone| is_sent_by_us(phone)) {
        let Some(entry) = &phone.redirect_entry else { continue };
        // Each phone has its own scheme; a different scheme alone is not a different URL.
        let place = places.entry(phone.provider.clone()).or_insert_with(|| urls.place(&phone.provider).ok());
        moving.all += 1;
        let is_moved = |place: &String| without_scheme(entry.url.expose()).starts_with(place.as_str());
        // Without a public URL, phones cannot be moved.
        let is_there = phone.redirect.state == RedirectState::Redirected;
        moving.moved += usize::from(is_there && place.as_ref().is_none_or(is_moved));
    }
    moving
}
