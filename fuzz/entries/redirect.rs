//! Fuzzes the redirect protocols with service responses. The first byte selects protocol and operation. Each response
//! consists of one byte for the status, two for the length, and the body.

use gangway::{
    phone::instance::InstanceId,
    redirect::{
        AccountCache, NextCall, Operation, ProtocolContext, RedirectAccount, SendContext, ServerEntry, ServiceResponse,
        protocols,
    },
};
use gangway_base::{mac::Mac, secret::Secret};
use jiff::Timestamp;

/// More calls than any operation needs. A longer exchange would never end.
const MOST: usize = 64;
const STATUSES: [u16; 8] = [200, 200, 200, 201, 404, 401, 429, 500];

pub fn enter(data: &[u8]) {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let choice = usize::from(*choice);
    let count = protocols().count();
    let Some(protocol) = protocols().nth(choice % count) else { return };
    let operation = operation(choice / count);
    let account = RedirectAccount {
        instance: InstanceId(1),
        vendor: "vendor".into(),
        protocol: protocol.info.name.into(),
        url: protocol.info.default_url.into(),
        user: "user".into(),
        password: Secret::new("redirect password"),
        server_name: None,
        mac_only: choice & 0x80 != 0,
    };
    let Ok(url) = protocol.info.default_url.parse::<url::Url>() else { return };
    let host = url.host_str().map(str::to_owned);
    let around = ProtocolContext { memory: AccountCache::default(), now: Timestamp::UNIX_EPOCH };
    let mut exchange = (protocol.start)(&operation, &account, url, &around);
    let mut turn = exchange.next(None);
    for calls in 0.. {
        assert!(calls < MOST, "the exchange does not end");
        let call = match &turn.step {
            NextCall::Done(outcome) => {
                let sentence = outcome.sentence();
                assert!(!sentence.is_empty() && sentence.len() < 4096, "no sentence for a person: {sentence:?}");
                return;
            }
            NextCall::Send(call) => call,
        };
        let request = call.request_at(SendContext { now: Timestamp::UNIX_EPOCH, nonce: 1 });
        assert_eq!(request.url.host_str().map(str::to_owned), host, "an answer leads us to another host");
        let Some(answer) = answer(&mut rest) else { return };
        turn = exchange.next(Some(&answer));
    }
}

fn answer(rest: &mut &[u8]) -> Option<ServiceResponse> {
    let [status, high, low, after @ ..] = rest else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low])).min(after.len());
    let (body, left) = after.split_at(length);
    *rest = left;
    Some(ServiceResponse {
        status: STATUSES[usize::from(status % 8)],
        at: Timestamp::UNIX_EPOCH,
        retry_after: None,
        headers: vec![("content-type".into(), "application/json".into())],
        body: bytes::Bytes::copy_from_slice(body),
    })
}

fn operation(choice: usize) -> Operation {
    let mac: Mac = "001565aabbcc".parse().expect("a MAC");
    let url = Secret::new("https://gw.example.com/example.com/gangway/phone/aaaabbbbccccddddeeeeffff22/");
    let server = ServerEntry { name: "example.com".into(), url: url.clone() };
    match choice % 6 {
        0 => Operation::EnsureServer(server),
        1 => Operation::Check { mac },
        2 => Operation::Verify { mac, url },
        3 => Operation::Register { mac, unique_url: Some(url), server, serial: Some("1234567890123456".into()) },
        4 => Operation::Deregister { mac },
        _ => Operation::Probe,
    }
}
