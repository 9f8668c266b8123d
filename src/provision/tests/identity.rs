//! Devices shows a phone as it is known now.

use super::{bench::Bench, peer_errors::user};
use crate::{
    devices::sysclients::{Credential, SysclientIdentity},
    pbx::user_objects::UserDevice,
};

fn identity(product: &str, version: &str, name: Option<&str>) -> SysclientIdentity {
    SysclientIdentity { product: product.into(), version: version.into(), name: name.map(str::to_owned) }
}

#[tokio::test]
async fn the_name_that_was_entered_in_profile_is_sent_with_the_code() {
    let mut bench = Bench::new().await;
    let mut anna = user("anna");
    anna.devices = vec![UserDevice { hwid: "HW-ANNA".into(), name: "Reception".into() }];
    bench.peers.users.lock().unwrap().insert("anna".into(), Ok(anna));
    drop(bench.request(bench.request_for("anna", "1")));
    let hold = bench.held(0).await;
    assert_eq!(hold.identity, identity("Yealink", "unknown", Some("Reception")));
    bench.devices_accepts().await;
    bench.settle().await;
    assert_eq!(bench.peers.holds.lock().unwrap().len(), 1);
    bench.stop().await;
}

#[tokio::test]
async fn a_phone_that_tells_its_model_identifies_itself_anew() {
    let mut bench = Bench::new().await;
    bench.provisioned().await;
    bench.settle().await;
    let tell = |phone: &mut crate::phone::record::Phone, _: &mut Vec<_>| {
        phone.model = Some("T46U".into());
        phone.firmware = Some("108.86.0.90".into());
    };
    bench.store.phones().change(bench.record().id, tell).await.unwrap();
    let hold = bench.held(1).await;
    assert_eq!(hold.identity, identity("Yealink T46U", "108.86.0.90", None));
    assert_eq!(hold.credential, Credential::Password("sysclient-password".into()));
    bench.devices_sends().await;
    bench.settle().await;
    assert_eq!(bench.peers.holds.lock().unwrap().len(), 2, "once for what is known");
    assert_eq!(bench.record().sysclient.product, "Yealink T46U");
    bench.stop().await;
}

#[tokio::test]
async fn a_code_under_way_is_not_disturbed() {
    let mut bench = Bench::new().await;
    let answer = bench.request(bench.request_for("anna", "1"));
    bench.held(0).await;
    let tell = |phone: &mut crate::phone::record::Phone, _: &mut Vec<_>| phone.model = Some("T46U".into());
    bench.store.phones().change(bench.record().id, tell).await.unwrap();
    bench.settle().await;
    assert_eq!(bench.peers.holds.lock().unwrap().len(), 1, "the code would be lost");
    bench.devices_accepts().await;
    assert_eq!(answer.await.unwrap(), Ok(()));
    let hold = bench.held(1).await;
    assert_eq!(hold.identity.product, "Yealink T46U");
    bench.stop().await;
}
