//! Tests Snom's SRAPS and Gigaset's GRAPE with the simulator, whose format is checked by an independent client.

use std::sync::Arc;

use gangway::redirect::{EntryUsed, Operation, RedirectFailure, RedirectResult};
use gangway_base::{
    clock::{Clock, ManualClock, SystemClock},
    mac::Mac,
    secret::Secret,
};
use gangway_sim::{
    host::SimHost,
    sraps::{Flavour, Sraps},
};
use serde_json::{Value, json};

use crate::bench::{Bench, PASSWORD, SHARED, TOKEN, USER, entry, register, server, unique_url};

struct Site {
    sraps: Sraps,
    bench: Bench,
    _host: SimHost,
}

async fn site() -> Site {
    site_of("snom-sraps", Flavour::Snom).await
}

async fn site_of(protocol: &str, flavour: Flavour) -> Site {
    let host = SimHost::start().unwrap();
    let sraps = Sraps::start_as(&host.handle(), flavour, USER, PASSWORD).await.unwrap();
    let bench = Bench::new(protocol, &sraps.api_url());
    Site { sraps, bench, _host: host }
}

fn mac() -> Mac {
    "000413aabbcc".parse().unwrap()
}

fn verify() -> Operation {
    Operation::Verify { mac: mac(), url: Secret::new(unique_url()) }
}

const PHONE: &str = "companies/our-company/endpoints/000413aabbcc";

#[actix_rt::test]
async fn a_phone_comes_and_goes() {
    for (protocol, flavour) in [("snom-sraps", Flavour::Snom), ("gigaset-grape", Flavour::Gigaset)] {
        let Site { sraps, bench, _host } = site_of(protocol, flavour).await;
        assert_eq!(bench.run(Operation::EnsureServer(server())).await.label(), "ok");
        assert!(sraps.calls().is_empty(), "there are no server entries");
        assert_eq!(bench.run(Operation::Probe).await.label(), "ok");
        assert_eq!(sraps.calls(), ["GET tokens/reseller"], "a probe changes nothing");
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::NotFound);
        assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
        assert_eq!(sraps.target(mac()), Some(unique_url()));
        assert_eq!(
            sraps.calls()[1..],
            [
                "GET tokens/reseller",
                "GET companies/our-company",
                &format!("GET {PHONE}"),
                "GET settings/?page_size=1000",
                "GET settings/?page=2&page_size=1000",
                &format!("GET {PHONE}"),
                &format!("PUT {PHONE}"),
            ]
        );
        let before = sraps.calls().len();
        assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl), "again is the same");
        assert_eq!(sraps.calls()[before..], [format!("GET {PHONE}"), format!("PUT {PHONE}")], "the way is known");
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::AlreadyMine);
        assert_eq!(bench.run(verify()).await, RedirectResult::AlreadyMine);
        let shared = Operation::Register { mac: mac(), unique_url: None, server: server(), serial: None };
        assert_eq!(entry(&bench.run(shared).await), Some(EntryUsed::Server { name: "example.com".into() }));
        assert_eq!(sraps.target(mac()).as_deref(), Some(SHARED));
        assert_eq!(bench.run(Operation::Deregister { mac: mac() }).await.label(), "ok");
        assert_eq!(sraps.target(mac()), None);
        let gone = bench.run(Operation::Deregister { mac: mac() }).await;
        assert_eq!(gone.label(), "not_found");
        assert_eq!(bench.run(verify()).await, RedirectResult::NotFound);
        assert!(sraps.board().read(|state| state.refused.is_empty()));
        let kept = format!("{:?}", bench.history.take());
        assert!(kept.contains("/phone/***/"), "{kept}");
        for secret in [PASSWORD, TOKEN, "s3cret"] {
            assert!(!kept.contains(secret), "{secret}: {kept}");
        }
    }
}

#[actix_rt::test]
async fn a_phone_of_another_account_stays_unchanged() {
    let elsewhere = "https://elsewhere.example/";
    for status in [400, 403, 409] {
        for field in ["message", "error", "detail"] {
            for hides in [false, true] {
                let Site { sraps, bench, _host } = site().await;
                sraps.add_foreign_phone(mac(), elsewhere);
                sraps.switch(|switches| {
                    (switches.foreign_status, switches.error_field, switches.hides_foreign) = (status, field, hides);
                });
                let outcome = bench.run(register(mac())).await;
                assert_eq!(outcome, RedirectResult::OwnedByOther, "{status} {field} {hides}");
                assert!(!outcome.is_retryable());
                let wrote = sraps.calls().iter().any(|call| call.starts_with("PUT"));
                assert_eq!(wrote, hides, "what is known to be somebody else's is not written to");
                let unseen = if hides { RedirectResult::NotFound } else { RedirectResult::OwnedByOther };
                for operation in [Operation::Check { mac: mac() }, verify(), Operation::Deregister { mac: mac() }] {
                    assert_eq!(bench.run(operation).await, unseen);
                }
                assert_eq!(sraps.target(mac()).as_deref(), Some(elsewhere));
            }
        }
    }
}

#[actix_rt::test]
async fn what_a_person_entered_beside_our_url_is_kept() {
    let Site { sraps, bench, _host } = site().await;
    bench.run(register(mac())).await;
    sraps.redirect_in_portal(mac(), "https://elsewhere.example/p/");
    sraps.board().change(|state| {
        let other =
            state.endpoints["000413aabbcc"].body["settings_manager"].as_object().unwrap().keys().next().cloned();
        let other = other.unwrap().replace("00000451", "00000007");
        let body = &mut state.endpoints.get_mut("000413aabbcc").unwrap().body;
        body["name"] = "Reception".into();
        body["settings_manager"][other] = json!({"value": "on", "attrs": {"perm": "R"}});
    });
    let outcome = bench.run(verify()).await;
    assert_eq!(outcome, RedirectResult::SentElsewhere("https://elsewhere.example/p/".into()));
    assert!(!outcome.is_retryable() && outcome.sentence().contains("elsewhere.example"));
    assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
    let body = sraps.board().read(|state| state.endpoints["000413aabbcc"].body.clone());
    assert_eq!(body["name"], "Reception");
    assert_eq!(body["warranty_exp_warning_period"], "P3M", "as it was shown");
    assert!(body.get("provisioning_profile").is_none(), "a null would reset it");
    let settings = body["settings_manager"].as_object().unwrap();
    assert_eq!(settings.len(), 2);
    assert!(settings.values().any(|setting| *setting == json!({"value": "on", "attrs": {"perm": "R"}})));
    assert_eq!(sraps.target(mac()), Some(unique_url()));
    assert_eq!(bench.run(verify()).await, RedirectResult::AlreadyMine);
    // Provisioning is disabled in the portal, so the phone is not redirected.
    sraps.board().change(|state| {
        state.endpoints.get_mut("000413aabbcc").unwrap().body["autoprovisioning_enabled"] = Value::Bool(false);
    });
    assert_eq!(bench.run(verify()).await, RedirectResult::SentElsewhere("nowhere".into()));
    sraps.remove_in_portal(mac());
    assert_eq!(bench.run(verify()).await, RedirectResult::NotFound);
}

#[actix_rt::test]
async fn a_clock_that_is_off_is_learned_from_proof_alone() {
    let clock = ManualClock::new(SystemClock.now());
    for ahead in [3600, -3600] {
        let host = SimHost::start().unwrap();
        let sraps = Sraps::start(&host.handle(), USER, PASSWORD).await.unwrap();
        sraps.switch(|switches| switches.clock_ahead = ahead);
        let bench = Bench::at(Arc::new(clock.clone()), "snom-sraps", &sraps.api_url());
        assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
        let history = bench.history.take();
        let RedirectResult::Transport(RedirectFailure::OtherTime { ahead: learned }) = history[0].outcome else {
            panic!("{:?}", history[0])
        };
        assert!((learned - ahead).abs() <= 60, "{learned}");
        assert!(history[0].answer.contains("Stale timestamp"));
        assert!(history[1..].iter().all(|entry| !matches!(entry.outcome, RedirectResult::Transport(_))));
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::AlreadyMine);
        assert_eq!(sraps.board().read(|state| state.refused.clone()), ["Stale timestamp"], "kept for the account");
        // The service's clock was corrected in the meantime; the client learns the difference again.
        sraps.switch(|switches| switches.clock_ahead = 0);
        assert_eq!(bench.run(Operation::Check { mac: mac() }).await, RedirectResult::AlreadyMine);
    }
}

#[actix_rt::test]
async fn a_time_nobody_proves_and_one_that_is_never_right_are_told_apart() {
    let Site { sraps, bench, _host } = site().await;
    sraps.switch(|switches| (switches.clock_ahead, switches.forge_time) = (3600, true));
    let outcome = bench.run(register(mac())).await;
    assert!(
        matches!(outcome, RedirectResult::Transport(RedirectFailure::Unproven(_))) && outcome.is_retryable(),
        "{outcome:?}"
    );
    assert_eq!(bench.history.take().len(), 1, "not asked again with a time of unknown origin");
    sraps.switch(|switches| (switches.clock_ahead, switches.forge_time) = (0, false));
    assert_eq!(bench.run(Operation::Probe).await.label(), "ok", "nothing was learned");
    sraps.switch(|switches| switches.always_stale = true);
    bench.history.take();
    let outcome = bench.run(register(mac())).await;
    assert!(
        matches!(outcome, RedirectResult::Transport(RedirectFailure::TimeRefused { .. })) && outcome.is_retryable(),
        "{outcome:?}"
    );
    let history = bench.history.take();
    assert_eq!(history.len(), 2, "once more, not for ever");
    assert_ne!(history[0].outcome.sentence(), history[1].outcome.sentence());
}

#[actix_rt::test]
async fn links_are_followed_to_the_configured_address_only() {
    let Site { sraps, bench, _host } = site().await;
    let host = SimHost::start().unwrap();
    let other = Sraps::start(&host.handle(), USER, PASSWORD).await.unwrap();
    for link in [other.phone_url(), "https://evil.example".to_owned(), "http://user@127.0.0.1".to_owned()] {
        sraps.switch(|switches| switches.links_to = Some(link.clone()));
        let outcome = bench.run(register(mac())).await;
        assert!(matches!(outcome, RedirectResult::Transport(RedirectFailure::LinkElsewhere(_))), "{outcome:?}");
        assert!(!outcome.is_retryable());
    }
    assert_eq!(other.calls().len() + other.board().read(|state| state.refused.len()), 0);
    // The same applies to the link to the next page.
    sraps.switch(|switches| switches.links_to = None);
    bench.run(Operation::Check { mac: mac() }).await;
    sraps.switch(|switches| switches.links_to = Some(other.phone_url()));
    let outcome = bench.run(register(mac())).await;
    assert!(matches!(outcome, RedirectResult::Transport(RedirectFailure::LinkElsewhere(_))), "{outcome:?}");
    assert!(other.calls().is_empty() && sraps.target(mac()).is_none());
}

#[actix_rt::test]
async fn rights_pages_and_ways_that_changed() {
    let Site { sraps, bench, _host } = site().await;
    // The role `None` may read but not write.
    sraps.board().change(|state| state.accounts.get_mut(USER).unwrap().may_write = false);
    let outcome = bench.run(register(mac())).await;
    assert_eq!(outcome, RedirectResult::NotPermitted("Forbidden for this role".into()));
    sraps.board().change(|state| state.accounts.get_mut(USER).unwrap().may_write = true);
    // The service limits the page size.
    sraps.switch(|switches| switches.largest_page = 150);
    assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
    // The account moves to another company. The client discards its cached values and looks them up again.
    sraps.remove_in_portal(mac());
    sraps.board().change(|state| state.accounts.get_mut(USER).unwrap().company = "another-company".into());
    assert_eq!(entry(&bench.run(register(mac())).await), Some(EntryUsed::UniqueUrl));
    let owner = sraps.board().read(|state| state.endpoints["000413aabbcc"].company.clone());
    assert_eq!(owner, "another-company");
    // Unsigned answers are trusted on the basis of TLS.
    sraps.switch(|switches| switches.sign_answers = false);
    assert_eq!(bench.run(verify()).await, RedirectResult::AlreadyMine);
    // The client stops reading endless pages.
    sraps.switch(|switches| switches.largest_page = 20);
    sraps.board().change(|state| state.accounts.get_mut(USER).unwrap().may_write = false);
    bench.run(register(mac())).await;
    let outcome = bench.run(register(mac())).await;
    assert!(matches!(&outcome, RedirectResult::Unknown(text) if text.contains("setting_server")), "{outcome:?}");
    let bad = Operation::Register {
        mac: mac(),
        unique_url: Some(Secret::new("gopher://gw.example/")),
        server: server(),
        serial: None,
    };
    sraps.board().change(|state| state.accounts.get_mut(USER).unwrap().may_write = true);
    sraps.switch(|switches| switches.largest_page = 1000);
    assert_eq!(bench.run(bad).await.label(), "invalid_url");
}
