//! Tests a phone in service whose configuration the gateway has lost. The gateway answers 503 with Retry-After instead
//! of a file that would break the phone, so the phone keeps its settings.

use gangway::phone::facet::DevicesState;
use gangway_sim::yealink_phone::model;

use crate::support::{bench::Bench, http, mac};

#[actix_rt::test]
async fn a_phone_whose_configuration_was_removed_is_notified_to_fetch_again() {
    let bench = Bench::start().await;
    let mac = mac(1);
    bench.installed(mac, model::T46U, "user1").await;
    let record = bench.records().phone(mac).unwrap();
    let url = format!("{}/phone/{mac}.cfg", bench.gateway.instance_url());
    let (user, password) = (record.own.user.clone(), record.own.password.expose().to_owned());
    let agent = model::T46U.user_agent(mac);
    let ask = || http::proven("GET", &url, &[("User-Agent", &agent)], &user, &password);
    let file = ask();
    assert_eq!(file.status, 200);

    // State after a restore of an older backup: the phone is in service, but its configuration from Devices is missing.
    let lose = |phone: &mut gangway::phone::record::Phone, _: &mut Vec<_>| {
        phone.device_config = Default::default();
        phone.devices.state = DevicesState::Connecting;
    };
    bench.records().store.phones().change(record.id, lose).await.unwrap();
    let later = ask();

    assert_eq!((later.status, later.body.len()), (503, 0));
    assert_eq!(later.header("retry-after"), Some("60"));
    assert!(later.header("etag").is_none());
    let stranger = http::get(&url, &agent);
    assert_eq!((stranger.status, stranger.header("retry-after")), (401, None), "who proves nothing learns nothing");
    // The phone keeps its settings. The whole configuration arrives again shortly afterwards.
    bench.simulation.devices.disconnect(&mac.to_string());
    bench.records().wait_devices(mac, DevicesState::Received).await;
    let again = ask();
    assert_eq!((again.status, &again.body), (200, &file.body));
}
