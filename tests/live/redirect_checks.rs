//! Tests the check of the redirection service's entries against the expected ones. A difference is reported in the
//! record, in the history and by exit code, and is corrected only on request.

use gangway::phone::facet::RedirectState;
use gangway_sim::yealink_phone::model;
use serde_json::Value;

use crate::support::{bench::Bench, mac};

#[actix_rt::test]
async fn a_phone_that_was_taken_away_at_the_service_is_shown_and_repaired() {
    let bench = Bench::start().await;
    let (here, gone, theirs) = (mac(1), mac(2), mac(3));
    for (mac, user) in [(here, "user1"), (gone, "user2"), (theirs, "user3")] {
        bench.installed(mac, model::T46U, user).await;
    }
    let fine = bench.gateway.command(&["phones", "check", "--all", "--wait"]);
    assert!(fine.status.success(), "{}", String::from_utf8_lossy(&fine.stderr));
    assert!(String::from_utf8_lossy(&fine.stdout).contains("3 phones compared, all as they should be"));

    bench.simulation.rps.board().change(|state| state.phones.remove(&gone.to_string()));
    bench.simulation.rps.add_foreign_phone(theirs, "https://elsewhere.example/");
    let registered = bench.simulation.rps.calls("registerDeviceWithUniqueUrl").len();
    let done = bench.gateway.command(&["phones", "check", "--all", "--wait", "--json"]);
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    let row = |mac: gangway_base::mac::Mac| {
        let rows = answer.as_array().unwrap();
        rows.iter().find(|row| row["mac"] == mac.to_string()).unwrap().clone()
    };
    assert_eq!(row(here)["fine"], true);
    assert!(row(gone)["error"].as_str().unwrap().contains("does not know the phone any more"), "{answer}");
    assert_eq!(row(theirs)["state"], "Owned by another account");
    let record = bench.records().wait_redirect(gone, RedirectState::Refused).await;
    let events = bench.records().store.phones().events(record.id, 50).await.unwrap();
    assert!(events.iter().any(|event| event.kind == "redirect-differs"), "{events:?}");
    assert_eq!(bench.simulation.rps.calls("registerDeviceWithUniqueUrl").len(), registered, "shown, not fought");

    let own = gone.to_string();
    let repaired = bench.gateway.command(&["phones", "check", &own, "--repair", "--wait"]);
    assert!(repaired.status.success(), "{}", String::from_utf8_lossy(&repaired.stderr));
    bench.records().wait_redirect(gone, RedirectState::Redirected).await;
    assert!(bench.simulation.rps.target(gone).is_some_and(|url| url.starts_with(&bench.gateway.base())));

    for wrong in [&["phones", "check"][..], &["phones", "check", &own, "--all"], &["phones", "check", "001565ffffff"]] {
        assert!(!bench.gateway.command(wrong).status.success(), "{wrong:?}");
    }
}
