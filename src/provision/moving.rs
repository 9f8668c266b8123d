//! How far a bulk move is: after the public URL changed, every phone of the instance is registered anew at its redirect
//! service, a few at a time and behind everything somebody waits for.

use std::collections::HashMap;

use super::urls;
use crate::{
    phone::{
        facet::{RedirectState, Wanted},
        instance::Instance,
        record::Phone,
        urls::{Scheme, phone_base},
    },
    store::Store,
};

/// Phones with an entry at a redirect service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moving {
    /// Those that are sent to the present URL.
    pub moved: usize,
    /// All of them.
    pub all: usize,
}

impl Moving {
    /// Those that are still sent to an old one.
    #[must_use]
    pub fn open(self) -> usize {
        self.all - self.moved
    }

    /// A sentence while there is something to do.
    #[must_use]
    pub fn sentence(self) -> Option<String> {
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

/// Counts the phones of an instance. Phones that wait for a person are not counted: nobody moves them.
#[must_use]
pub fn moving(store: &Store, instance: &Instance) -> Moving {
    let mut bases: HashMap<String, Option<String>> = HashMap::new();
    let mut moving = Moving::default();
    for phone in store.roster().in_instance(instance.id).iter().filter(|phone| is_sent_by_us(phone)) {
        let Some(entry) = &phone.redirect_entry else { continue };
        let base = bases.entry(phone.provider.clone()).or_insert_with(|| {
            let learned = urls::learned(store, instance.id, Some(&phone.provider));
            let base = |scheme| phone_base(instance, learned.as_ref(), scheme).ok();
            base(Scheme::Https).or_else(|| base(Scheme::Http)).map(|base| without_scheme(&base).to_owned())
        });
        moving.all += 1;
        let is_moved = |base: &String| without_scheme(entry.url.expose()).starts_with(base.as_str());
        // Without a URL of our own there is nowhere to move to.
        let is_there = phone.redirect.state == RedirectState::Redirected;
        moving.moved += usize::from(is_there && base.as_ref().is_none_or(is_moved));
    }
    moving
}

/// The scheme is a matter of each vendor; another one alone is no other place.
fn without_scheme(url: &str) -> &str {
    url.split_once("://").map_or(url, |(_, rest)| rest)
}
