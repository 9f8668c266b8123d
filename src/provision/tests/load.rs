//! Thousands of phones have something to record at the same moment. A phone that is being provisioned does not queue
//! behind them.

use gangway_base::mac::Mac;

use super::bench::Bench;
use crate::phone::{
    facet::{DevicesState, RedirectState},
    record::Phone,
};

/// Many times the number of actions that may run at once.
const CROWD: u8 = 255;

#[tokio::test]
async fn a_crowd_with_something_to_note_holds_up_no_new_phone() {
    let mut bench = Bench::new().await;
    // Phones of a vendor without a redirect account, and without credentials for Devices.
    for number in 0..CROWD {
        let mac = Mac::new([0x00, 0x04, 0x13, 0x01, 0x00, number]).unwrap();
        let phone = Phone::new(bench.instance, mac, "snom", "snom", bench.now());
        bench.store.phones().create(phone, Vec::new()).await.unwrap();
    }
    bench.restart().await;
    let store = bench.store.clone();
    let noted = move || {
        let all = store.phones().all();
        all.iter().filter(|phone| phone.vendor == "snom" && phone.devices.state == DevicesState::NotInDomain).count()
    };

    bench.provisioned().await;
    bench.until("redirected", |phone| phone.redirect.state == RedirectState::Redirected).await;

    assert!(noted() < usize::from(CROWD), "it came after all of them");
    // The others follow in batches.
    for round in 1.. {
        bench.settle().await;
        if noted() == usize::from(CROWD) {
            break;
        }
        assert!(round < 20, "{} of them only", noted());
        bench.pass(1);
    }
    bench.stop().await;
}
