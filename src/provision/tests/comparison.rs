//! The entry at the redirect service is compared with what the service was given: once a day and on request.

use gangway_base::secret::Secret;

use super::{
    bench::{Bench, until},
    peer_errors::Peers,
};
use crate::{
    phone::{
        facet::RedirectState,
        public_url::PublicUrls,
        record::{Phone, RedirectEntry},
    },
    provision::{
        commands,
        flow::CHECKED_EVERY,
        migration_progress::{MigrationProgress, moving},
        transitions,
    },
    redirect::{Confirmation, Done, Operation, RedirectResult},
};

const PAUSE: transitions::Pause = transitions::Pause { is_probe: false, random: 0.5 };

async fn redirected() -> Bench {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench
}

fn comparisons(peers: &Peers) -> usize {
    peers.calls.lock().unwrap().iter().filter(|call| matches!(call, Operation::Verify { .. })).count()
}

impl Bench {
    async fn compared(&self, before: usize) {
        until("compared", || comparisons(&self.peers) > before).await;
        self.settle().await;
    }

    async fn check(&self, repair: bool) {
        let before = comparisons(&self.peers);
        commands::check_redirect(&self.store, self.record().id, repair, self.now()).await.unwrap();
        if repair {
            self.settle().await;
        } else {
            self.compared(before).await;
        }
    }

    fn service_holds(&self, url: Option<&str>) {
        let mut entries = self.peers.entries.lock().unwrap();
        let mac = super::bench::MAC.parse().unwrap();
        match url {
            Some(url) => entries.insert(mac, url.to_owned()),
            None => entries.remove(&mac),
        };
    }

    async fn difference_events(&self) -> usize {
        let events = self.store.phones().events(self.record().id, 50).await.unwrap();
        events.iter().filter(|event| event.kind == "redirect-differs").count()
    }
}

#[tokio::test]
async fn once_a_day_without_being_asked() {
    let bench = redirected().await;
    let next = bench.record().redirect.next_attempt.unwrap();
    let ahead = next.as_second() - bench.now().as_second();
    let day = i64::try_from(CHECKED_EVERY.as_secs()).unwrap();
    assert!((day * 3 / 4..=day * 5 / 4).contains(&ahead), "{ahead}");
    bench.settle().await;
    assert_eq!(comparisons(&bench.peers), 0);
    bench.pass(u64::try_from(ahead).unwrap() + 1);
    bench.compared(0).await;
    let phone = bench.record();
    assert_eq!((phone.redirect.state, &phone.redirect.error), (RedirectState::Redirected, &None));
    assert!(phone.redirect.next_attempt.unwrap() > next);
    assert_eq!((comparisons(&bench.peers), bench.peers.registrations()), (1, 1));
    bench.stop().await;
}

#[tokio::test]
async fn a_difference_is_shown_and_reported_once_until_it_is_corrected() {
    for (held, part) in [(Some("https://elsewhere.example/p/"), "https://elsewhere.example/p/"), (None, "any more")] {
        let bench = redirected().await;
        bench.service_holds(held);
        bench.check(false).await;
        bench.check(false).await;
        let phone = bench.record();
        assert_eq!(phone.redirect.state, RedirectState::Refused);
        let error = phone.redirect.error.clone().unwrap();
        assert!(error.contains(part) && error.contains("--repair"), "{error}");
        assert!(phone.redirect.next_attempt.is_some(), "it is looked at again tomorrow");
        assert_eq!((bench.difference_events().await, bench.peers.registrations()), (1, 1), "not fought");
        if held.is_some() {
            // An administrator corrected the entry at the service.
            bench.service_holds(Some(phone.redirect_entry.as_ref().unwrap().url.expose()));
            bench.check(false).await;
            assert_eq!(bench.peers.registrations(), 1);
        } else {
            bench.check(true).await;
            assert_eq!(bench.peers.registrations(), 2);
        }
        let phone = bench.record();
        assert_eq!((phone.redirect.state, &phone.redirect.error), (RedirectState::Redirected, &None));
        bench.stop().await;
    }
}

#[tokio::test]
async fn a_phone_that_went_to_another_account_is_shown_and_comes_back() {
    let bench = redirected().await;
    *bench.peers.service.lock().unwrap() = RedirectResult::OwnedByOther;
    bench.check(false).await;
    let phone = bench.record();
    assert_eq!(phone.redirect.state, RedirectState::ForeignOwner);
    assert!(phone.redirect.error.as_ref().unwrap().contains("another account") && phone.redirect_entry.is_none());
    assert_eq!(bench.difference_events().await, 1);
    *bench.peers.service.lock().unwrap() = RedirectResult::Ok(Done::default());
    bench.check(false).await;
    until("redirected again", || bench.record().redirect.state == RedirectState::Redirected).await;
    bench.stop().await;
}

#[tokio::test]
async fn trouble_says_nothing_about_the_phone() {
    let bench = redirected().await;
    *bench.peers.service.lock().unwrap() = Peers::away();
    bench.check(false).await;
    let phone = bench.record();
    assert_eq!(phone.redirect.state, RedirectState::Redirected);
    assert!(phone.redirect.error.as_ref().unwrap().contains("503"));
    let soon = phone.redirect.next_attempt.unwrap().as_second() - bench.now().as_second();
    assert!(soon <= 300, "tried again soon: {soon}");
    *bench.peers.service.lock().unwrap() = RedirectResult::Ok(Done::default());
    bench.pass(600);
    until("fine again", || bench.record().redirect.error.is_none()).await;
    *bench.peers.service.lock().unwrap() = RedirectResult::AuthFailed;
    bench.check(false).await;
    let phone = bench.record();
    assert!(phone.redirect.error.as_ref().unwrap().contains("password"));
    assert!(phone.redirect.next_attempt.unwrap().as_second() - bench.now().as_second() > 3600, "tomorrow");
    bench.stop().await;
}

#[test]
fn what_a_phone_will_ask_for_is_shown_until_it_has_come() {
    let now = jiff::Timestamp::UNIX_EPOCH;
    let mut phone = Phone::sample();
    let url = Secret::new("https://gw.example.com/p/");
    phone.redirect.state = RedirectState::Redirected;
    phone.redirect_entry = Some(RedirectEntry { url: url.clone(), server_name: None, at: now });
    let asks = RedirectResult::Ok(Done { confirmation: Some(Confirmation::Pin("4711".into())), ..Done::default() });
    let mut events = Vec::new();
    transitions::verified(&mut phone, &url, &asks, now, PAUSE, &mut events);
    assert!(phone.redirect.error.as_ref().unwrap().contains("4711"));
    assert_eq!(phone.redirect.state, RedirectState::Redirected);
    // An answer about a URL other than the current one is ignored.
    let before = phone.clone();
    transitions::verified(&mut phone, &"https://old/".into(), &RedirectResult::NotFound, now, PAUSE, &mut events);
    assert_eq!(phone, before);
    phone.delivery = Some(crate::phone::record::Delivery { at: now, revision: 1, provisioning: 1, etag: "e".into() });
    transitions::verified(&mut phone, &url, &asks, now, PAUSE, &mut events);
    assert_eq!(phone.redirect.error, None);
    assert!(events.is_empty());
}

#[tokio::test]
async fn a_bulk_move_tells_how_far_it_is() {
    let mut bench = redirected().await;
    let at = |url: &str, bench: &Bench| {
        let urls = PublicUrls::of("/example.com/gangway", url.parse().unwrap());
        moving(&bench.store, &urls, bench.instance)
    };
    assert_eq!(at("https://gw.example.com", &bench), MigrationProgress { moved: 1, all: 1 });
    assert_eq!(at("https://gw.example.com", &bench).message(), None);
    let open = at("https://new.example.com", &bench);
    assert_eq!(open, MigrationProgress { moved: 0, all: 1 });
    assert!(open.message().unwrap().starts_with("0 of 1 phones"));
    // While the service is away, no phone counts as moved.
    *bench.peers.service.lock().unwrap() = Peers::away();
    bench.move_to("https://new.example.com").await;
    bench.settle().await;
    assert_eq!(at("https://new.example.com", &bench).open(), 1);
    *bench.peers.service.lock().unwrap() = RedirectResult::Ok(Done::default());
    for _ in 0..20 {
        bench.pass(30);
        bench.settle().await;
    }
    assert_eq!(at("https://new.example.com", &bench), MigrationProgress { moved: 1, all: 1 });
    bench.stop().await;
}
