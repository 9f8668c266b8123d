//! Tests provisioning a phone again: for the same user nothing changes, for another user everything changes.

use gangway::phone::facet::RedirectState;
use gangway_sim::yealink_phone::model;

use crate::support::{
    bench::{Bench, comes_up},
    http, mac,
};

#[actix_rt::test]
async fn the_same_user_again_keeps_the_url_and_the_credentials() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);
    // The phone has used its own credentials, so the bootstrap window is closed.
    let before = bench.records().wait_phone(mac, "the window closed", |phone| phone.window.closed.is_some()).await;

    bench.provisioned(mac, "user1").await;

    let after = bench.records().wait_phone(mac, "the second provisioning", |phone| phone.provisioning == 2).await;
    assert_eq!(after.id, before.id);
    assert_eq!(after.token, before.token);
    assert_eq!((&after.own.user, &after.own.password), (&before.own.user, &before.own.password));
    assert!(after.window.opened > before.window.opened && after.window.closed.is_none(), "the window is open again");
    assert_eq!(bench.records().store.phones().len(), 1);
    // The phone in service continues unchanged, also after a factory reset.
    assert!(phone.poll_once().await.unwrap().unchanged);
    phone.factory_reset();
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::Redirected).await;
    comes_up(&phone).await;
    bench.records().wait_done(mac).await;
    bench.assert_no_violation();
}

#[actix_rt::test]
async fn another_user_makes_the_old_url_and_credentials_worthless() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    assert!(phone.poll_once().await.unwrap().unchanged);
    let before = bench.records().phone(mac).unwrap();
    let old_url = bench.phone_url(mac);
    // The administrator removes the phone from the first user.
    bench.simulation.pbx.delete_device(&mac.to_string());

    bench.provisioned(mac, "user2").await;

    let after = bench.records().wait_phone(mac, "the second user", |phone| phone.accounts[0].username == "user2").await;
    assert_eq!((after.id, after.accounts.len()), (before.id, 1));
    assert_ne!(after.token, before.token);
    assert_ne!(after.own.password, before.own.password);
    bench
        .records()
        .wait_phone(mac, "the new entry", |phone| {
            phone.redirect_entry.as_ref().is_some_and(|entry| entry.url.expose().contains(phone.token.expose()))
        })
        .await;
    assert_ne!(bench.phone_url(mac), old_url);
    // The old URL and the old credentials are rejected.
    let agent = model::T46U.user_agent(mac);
    assert_eq!(http::get(&format!("{old_url}{mac}.cfg"), &agent).status, 404);
    let report = phone.poll_once().await.unwrap();
    assert!(report.files.iter().all(|(_, body)| !body.contains("secret-2")), "{report:#?}");
    assert!(report.requests.iter().all(|request| !request.file.starts_with(&mac.to_string()) || request.status != 200));

    phone.factory_reset();
    let report = phone.boot().await.unwrap();

    assert!(report.registered, "{report:#?}");
    assert_eq!(report.registrations[0].account.password, "secret-2");
    bench.records().wait_done(mac).await;
    assert_eq!(bench.records().store.phones().len(), 1);
    bench.assert_no_violation();
}

/// A user is identified by guid. A new name changes the phone's file, but is not another user.
#[actix_rt::test]
async fn a_renamed_user_keeps_the_phone() {
    let bench = Bench::start().await;
    let mac = mac(1);
    let phone = bench.installed(mac, model::T46U, "user1").await;
    let before = bench.records().phone(mac).unwrap();
    let guid = before.accounts[0].user_guid.clone().expect("the user's guid is learned");

    bench.simulation.pbx.rename_user(&guid, "anna", "Anna A.");
    bench.provisioned(mac, "anna").await;

    let after = bench.records().wait_phone(mac, "the new name", |phone| phone.accounts[0].username == "anna").await;
    assert_eq!((after.id, &after.token, after.accounts.len()), (before.id, &before.token, 1));
    assert_eq!(after.own.password, before.own.password);
    let report = phone.poll_once().await.unwrap();
    assert!(report.registered, "{report:#?}");
    assert_eq!(
        phone.board().read(|flash| flash.settings.get("account.1.display_name").map(str::to_owned)).as_deref(),
        Some("Anna A.")
    );
    bench.records().wait_done(mac).await;
    bench.assert_no_violation();
}
