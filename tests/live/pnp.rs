//! Tests SIP PnP: a phone without a redirect service asks by multicast and receives its URL if the gateway expects it.
//! Other phones get no answer.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use gangway::phone::facet::RedirectState;
use gangway_sim::{sip_phone::SipPhone, yealink_phone::model};

use crate::support::{
    bench::{Bench, comes_up, simulation},
    gateway::Gateway,
    http, mac,
    options::Options,
    records::TIMEOUT,
};

async fn bench(pnp: &str) -> Bench {
    let simulation = simulation().start().await.unwrap();
    let gateway = Gateway::start_with(Options { pnp: pnp.to_owned(), ..Options::default() }).await;
    simulation.connect_gateway(&gateway.base());
    simulation.wait_gateway().await.unwrap();
    Bench { gateway, simulation }
}

async fn plugged_in(bench: &Bench, number: u8) -> SipPhone {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    SipPhone::start(&bench.simulation.host(), ip, mac(number), "T46U", "108.86.0.90").await.unwrap()
}

#[actix_rt::test]
async fn an_expected_phone_gets_its_url_and_registers() {
    let bench = bench("listen = \"127.0.0.1:0\"").await;
    let mac = mac(1);
    bench.provisioned(mac, "user1").await;
    bench.records().wait_redirect(mac, RedirectState::NotConfigured).await;

    let sip = plugged_in(&bench, 1).await;
    let url = sip.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap().expect("it is told a URL");

    let token = bench.records().phone(mac).unwrap().token.clone();
    assert_eq!(url, format!("{}/phone/{}/", bench.gateway.instance_url(), token.expose()));
    assert_eq!(sip.board().read(|received| received.statuses.clone()), [200]);
    let phone = bench.simulation.add_phone(mac, model::T46U);
    phone.set_server(&url, None);
    comes_up(&phone).await;
    let pnp_events = bench.records().events(mac).await;
    let pnp_events: Vec<_> = pnp_events.iter().filter(|event| event.kind == "told-by-pnp").collect();
    assert_eq!(pnp_events.len(), 1, "{pnp_events:#?}");
    assert!(pnp_events[0].text.contains("127.0.0.1") && !pnp_events[0].text.contains(token.expose()));

    // The phone uses its own credentials at the next poll at the latest. Then the bootstrap window is closed and it
    // gets no answer.
    phone.poll_once().await.unwrap();
    bench.records().wait_phone(mac, "the window closed", |phone| phone.window.closed.is_some()).await;
    assert_eq!(sip.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap(), None);
    // After a factory reset, the administrator allows the phone with one command.
    let done = bench.gateway.command(&["phones", "allow", &mac.to_string()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    bench.records().wait_phone(mac, "the window open", |phone| phone.window.closed.is_none()).await;
    assert!(sip.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap().is_some());
}

#[actix_rt::test]
async fn an_unexpected_phone_gets_no_answer() {
    let bench = bench("listen = \"127.0.0.1:0\"").await;
    let stranger = plugged_in(&bench, 1).await;
    assert_eq!(stranger.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap(), None);

    bench.provisioned(mac(2), "user1").await;
    let blocked = plugged_in(&bench, 2).await;
    let done = bench.gateway.command(&["phones", "block", &mac(2).to_string(), "--wait"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(blocked.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap(), None);
    for phone in [&stranger, &blocked] {
        let received = phone.board().read(Clone::clone);
        assert!(received.statuses.is_empty() && received.urls.is_empty(), "known and unknown alike: {received:?}");
    }
}

/// A subscription proves only a MAC, like a request without a token. A source that tries one MAC after the other gets
/// no more answers, by SIP or by HTTP.
#[actix_rt::test]
async fn a_source_that_tries_one_mac_after_the_other_is_told_nothing() {
    let bench = bench("listen = \"127.0.0.1:0\"").await;
    bench.provisioned(mac(9), "user1").await;
    let scanner = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = scanner.local_addr().unwrap();
    for number in 1..9_u8 {
        let name = mac(number);
        let text = format!(
            "SUBSCRIBE sip:MAC%3a{name}@224.0.1.75 SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{name}\r\n\
             From: <sip:MAC%3a{name}@224.0.1.75>;tag=1\r\nTo: <sip:MAC%3a{name}@224.0.1.75>\r\nCall-ID: {name}\r\n\
             CSeq: 1 SUBSCRIBE\r\nContact: <sip:{address}>\r\nEvent: ua-profile;profile-type=\"device\"\r\n\
             Expires: 0\r\nContent-Length: 0\r\n\r\n"
        );
        scanner.send_to(text.as_bytes(), bench.gateway.pnp()).await.unwrap();
    }
    let began = std::time::Instant::now();
    let frozen = "gangway_scanning_sources_total{sign=\"sequence\"}";
    while !http::get(&bench.gateway.ops_url("metrics"), "curl").text().contains(frozen) {
        assert!(began.elapsed() < TIMEOUT, "nobody noticed");
    }
    let near = plugged_in(&bench, 9).await;
    assert_eq!(near.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap(), None);
    assert!(near.board().read(|received| received.statuses.is_empty()), "as if nobody expected it");
    let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let far = SipPhone::start(&bench.simulation.host(), elsewhere, mac(9), "T46U", "108.86.0.90").await.unwrap();
    assert!(far.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap().is_some());
}

#[actix_rt::test]
async fn another_network_is_not_answered() {
    let bench = bench("listen = \"127.0.0.1:0\"\nfrom = \"10.0.0.0/8\"").await;
    bench.provisioned(mac(1), "user1").await;
    let phone = plugged_in(&bench, 1).await;
    assert_eq!(phone.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap(), None);
    assert!(phone.board().read(|received| received.statuses.is_empty()));
}

/// The NOTIFY is repeated once if its answer is lost, and not again.
#[actix_rt::test]
async fn a_lost_notify_is_repeated() {
    let bench = bench("listen = \"127.0.0.1:0\"").await;
    bench.provisioned(mac(1), "user1").await;
    let phone = plugged_in(&bench, 1).await;
    phone.ignore_notifies(true);
    assert!(phone.ask(&bench.simulation.host(), bench.gateway.pnp()).await.unwrap().is_some());
    let twice = phone.board().wait("a repetition", |received| (received.urls.len() >= 2).then_some(()));
    twice.await.unwrap();
}

#[test]
fn an_address_that_cannot_be_used_is_refused_with_its_name() {
    use crate::support::process::Site;
    let site = Site::new(&Options { pnp: "listen = \"everywhere\"".into(), ..Options::default() });
    let done = site.run(&["check"]);
    let output = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(!done.status.success() && output.contains("pnp.listen") && output.contains("everywhere"), "{output}");
    let site = Site::new(&Options { pnp: "lisen = \"0.0.0.0:5060\"".into(), ..Options::default() });
    let done = site.run(&["check"]);
    let output = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(!done.status.success() && output.contains("lisen"), "{output}");
}

/// Uses the multicast group itself, if this machine loops multicast datagrams back.
#[actix_rt::test]
async fn by_the_multicast_group_as_a_phone_does() {
    let Some(ip) = heard_by_multicast().await else {
        eprintln!("no multicast on this machine: not tested");
        return;
    };
    let free = tokio::net::UdpSocket::bind("0.0.0.0:0").await.unwrap().local_addr().unwrap().port();
    let bench = bench(&format!("listen = \"0.0.0.0:{free}\"\nfrom = \"0.0.0.0/0\"")).await;
    bench.provisioned(mac(1), "user1").await;
    let phone = SipPhone::start(&bench.simulation.host(), ip, mac(1), "T46U", "108.86.0.90").await.unwrap();
    let group = SocketAddr::from((Ipv4Addr::new(224, 0, 1, 75), free));
    let url = phone.ask(&bench.simulation.host(), group).await.unwrap();
    assert!(url.is_some_and(|url| url.contains("/phone/")));
}

/// Returns the address of an interface that loops multicast back to this machine.
async fn heard_by_multicast() -> Option<IpAddr> {
    let group = Ipv4Addr::new(224, 0, 1, 75);
    let receiver = tokio::net::UdpSocket::bind("0.0.0.0:0").await.ok()?;
    receiver.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED).ok()?;
    let sender = tokio::net::UdpSocket::bind("0.0.0.0:0").await.ok()?;
    sender.send_to(b"x", (group, receiver.local_addr().ok()?.port())).await.ok()?;
    let mut byte = [0_u8; 1];
    let waiting = tokio::time::timeout(Duration::from_secs(3), receiver.recv_from(&mut byte)).await;
    waiting.ok()?.ok().map(|(_, source)| source.ip())
}
