//! Tests that a new public URL of the gateway is registered at the redirection service and that every phone is moved.

use gangway_base::mac::Mac;
use gangway_sim::yealink_phone::model;

use crate::support::{
    bench::{Bench, comes_up},
    mac,
};

async fn wait_moved(bench: &Bench, mac: Mac, base: &str) {
    let moved = |state: &gangway_sim::yealink_rps::RpsState| {
        let entry = state.phones.get(&mac.to_string())?;
        entry.unique_url.as_deref().filter(|url| url.starts_with(base)).map(|_| ())
    };
    bench.simulation.rps.board().wait(&format!("{mac} to be sent to {base}"), moved).await.unwrap();
    bench
        .records()
        .wait_phone(mac, "the new URL on record", |phone| {
            phone.redirect_entry.as_ref().is_some_and(|entry| entry.url.expose().starts_with(base))
        })
        .await;
}

/// Checks the new server entry: the first 15 characters of the domain, a dash, 8 hex digits of the URL.
fn assert_new_server(bench: &Bench, base: &str) {
    let servers = bench.simulation.rps.board().read(|state| state.servers.clone());
    assert_eq!(servers.len(), 2, "{servers:?}");
    assert!(servers.contains_key("example.com"), "{servers:?}");
    let (name, server) = servers.iter().find(|(name, _)| *name != "example.com").unwrap();
    let digits = name.strip_prefix("example.com-").expect("the domain and a dash");
    assert!(digits.len() == 8 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{name}");
    assert!(server.url.contains(base.split("://").nth(1).unwrap()), "{servers:?}");
}

#[actix_rt::test]
async fn a_configured_new_url_moves_every_phone() {
    let mut bench = Bench::start().await;
    let phones = [mac(1), mac(2)];
    bench.installed(phones[0], model::T46U, "user1").await;
    bench.installed(phones[1], model::T31P, "user2").await;
    let base = format!("http://localhost:{}/example.com/gangway", bench.gateway.port());

    let mut options = bench.gateway.options().clone();
    options.instance = format!("phone_url = \"{base}\"");
    bench.gateway.restart_with(options).await;

    for mac in phones {
        wait_moved(&bench, mac, &base).await;
    }
    assert_new_server(&bench, &base);
    // After a factory reset a phone uses the new URL.
    let reset = bench.simulation.phones()[0].clone();
    reset.factory_reset();
    bench.provisioned(phones[0], "user1").await;
    comes_up(&reset).await;
}

#[actix_rt::test]
async fn a_new_url_of_the_app_object_moves_every_phone() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let base = format!("http://localhost:{}/example.com/gangway", bench.gateway.port());

    for name in ["gangway-admin", "gangway-yealink"] {
        bench.simulation.pbx.edit_app(name, |app| app.url = format!("{base}/{name}"));
        bench.simulation.pbx.drop_link(name);
    }

    wait_moved(&bench, mac, &base).await;
    assert_new_server(&bench, &base);
}

/// The gateway does not register phones again at the redirection service if nothing has changed.
#[actix_rt::test]
async fn a_restart_without_a_change_moves_nobody() {
    let mut bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let registered = bench.simulation.rps.calls("registerDeviceWithUniqueUrl").len();
    let added = bench.simulation.rps.calls("addServer").len();

    bench.gateway.restart().await;
    bench.simulation.wait_gateway().await.unwrap();
    bench.simulation.devices.wait_configured(&mac.to_string()).await.unwrap();

    // Every start sends ADD SERVER; the answer "has been used" is not an error.
    let again = |state: &gangway_sim::yealink_rps::RpsState| {
        (state.calls.iter().filter(|call| call.method == "addServer").count() > added).then_some(())
    };
    bench.simulation.rps.board().wait("ADD SERVER at the second start", again).await.unwrap();
    bench.records().wait_done(mac).await;
    assert_eq!(bench.simulation.rps.calls("registerDeviceWithUniqueUrl").len(), registered);
    assert_eq!(bench.simulation.pbx.board().read(|pbx| pbx.received("UpdateObject").len()), 1);
    bench.assert_no_violation();
}

/// Two app objects with different URLs are a configuration error. The gateway does not move phones in that case.
#[actix_rt::test]
async fn two_different_urls_move_nobody() {
    let bench = Bench::start().await;
    let (first, second) = (mac(1), mac(2));
    bench.installed(first, model::T46U, "user1").await;
    let before = bench.phone_url(first);
    let slave = bench.simulation.add_pbx("slave").await.unwrap();

    bench.simulation.connect_gateway_at(&slave, &format!("http://localhost:{}", bench.gateway.port()));
    slave.wait_connected("gangway-yealink").await.unwrap();

    bench.installed(second, model::T31P, "user2").await;
    assert_eq!(bench.phone_url(first), before);
    assert!(bench.phone_url(second).starts_with(&bench.gateway.base()));
    assert_eq!(bench.simulation.rps.board().read(|state| state.servers.len()), 1);
    // After the error is corrected, the gateway works as before.
    slave.remove_app("gangway-yealink");
    slave.remove_app("gangway-admin");
    bench.provisioned(second, "user2").await;
    assert_eq!(bench.phone_url(first), before);
}
