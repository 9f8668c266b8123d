//! Tests comparing the entries of a service with the expected ones, in the protocols that support it.

use gangway::redirect::{Confirmation, Done, Operation, RedirectAccount, RedirectResult};
use gangway_base::{mac::Mac, secret::Secret};
use gangway_sim::{host::SimHost, snom_rps::SnomRps, ymcs::Ymcs};

use crate::bench::{Bench, PASSWORD, USER, server, unique_url};

fn register(mac: Mac, serial: Option<&str>) -> Operation {
    let serial = serial.map(str::to_owned);
    Operation::Register { mac, unique_url: Some(Secret::new(unique_url())), server: server(), serial }
}

fn verify(mac: Mac, url: &str) -> Operation {
    Operation::Verify { mac, url: Secret::new(url) }
}

#[actix_rt::test]
async fn snoms_xmlrpc_returns_the_url() {
    let host = SimHost::start().unwrap();
    let snom = SnomRps::start(&host.handle(), USER, PASSWORD).await.unwrap();
    let bench = Bench::new("snom-xmlrpc", &snom.xmlrpc_url());
    let mac: Mac = "000413aabbcc".parse().unwrap();
    assert_eq!(bench.run(verify(mac, &unique_url())).await, RedirectResult::NotFound);
    bench.run(register(mac, None)).await;
    let before = snom.methods().len();
    assert_eq!(bench.run(verify(mac, &unique_url())).await, RedirectResult::AlreadyMine);
    assert_eq!(snom.methods()[before..], ["getPhoneRedirection"], "nothing is changed");
    let moved = bench.run(verify(mac, "https://gw.example.com/new/")).await;
    // The phone's token must not appear in the history.
    assert_eq!(moved, RedirectResult::SentElsewhere("https://gw.example.com/example.com/gangway/phone/***/".into()));
    snom.add_foreign_phone(mac, "https://elsewhere.example/");
    assert_eq!(bench.run(verify(mac, &unique_url())).await, RedirectResult::OwnedByOther);
}

#[actix_rt::test]
async fn the_management_cloud_tells_url_and_pin() {
    let host = SimHost::start().unwrap();
    let ymcs = Ymcs::start(&host.handle(), USER, PASSWORD).await.unwrap();
    let bench = Bench::new("yealink-ymcs", &ymcs.url());
    let [known, by_mac]: [Mac; 2] = ["805ec0aabbcc", "805ec0aabbcd"].map(|mac| mac.parse().unwrap());
    assert_eq!(bench.run(verify(known, &unique_url())).await, RedirectResult::NotFound);
    bench.run(register(known, Some("S1"))).await;
    assert_eq!(bench.run(verify(known, &unique_url())).await, RedirectResult::AlreadyMine);
    let with_account = unique_url().replacen("https://", "https://user:secret@", 1);
    assert_eq!(
        bench.run(verify(known, &with_account)).await,
        RedirectResult::AlreadyMine,
        "credentials have their own fields"
    );
    let elsewhere = bench.run(verify(known, "https://gw.example.com/new/")).await;
    assert_eq!(elsewhere.label(), "sent_elsewhere");
    // The phone is added by its MAC alone, so it will ask the user for its PIN.
    ymcs.switch(|switches| switches.mac_only = true);
    let account = RedirectAccount { mac_only: true, ..bench.account.clone() };
    let added = bench.run_as(account, register(by_mac, None)).await;
    let RedirectResult::Ok(Done { confirmation: Some(Confirmation::Pin(pin)), .. }) = added else {
        panic!("{added:?}")
    };
    let RedirectResult::Ok(Done { confirmation: Some(displayed), .. }) = bench.run(verify(by_mac, &unique_url())).await
    else {
        panic!("the PIN is told again")
    };
    assert_eq!(displayed, Confirmation::Pin(pin));
}
