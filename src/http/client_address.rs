//! The real client behind reverse proxies. Forwarding headers are believed only from addresses the operator listed;
//! from everybody else they are as good as absent.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::HeaderMap;
use ipnet::IpNet;

/// Where a request comes from and whether it travelled encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The address; IPv4 in its own form, also when it came through an IPv6 socket.
    pub address: IpAddr,
    /// TLS up to us, or up to a trusted proxy that says so.
    pub encrypted: bool,
}

/// Who it is: the right-most address that no trusted proxy vouches for.
#[must_use]
pub fn client(peer: IpAddr, tls: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if trusted.is_empty() || !is_trusted(&peer) {
        return Client { address: peer, encrypted: tls };
    }
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").filter_map(|value| value.to_str().ok()).collect();
    let mut address = peer;
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        // What stands left of something unreadable was written by somebody we cannot name.
        let Some(hop) = parse_hop(hop.trim()) else { break };
        address = hop;
        if !is_trusted(&hop) {
            break;
        }
    }
    let encrypted = match headers.get_all("x-forwarded-proto").last().and_then(|value| value.to_str().ok()) {
        Some(list) => list.rsplit(',').next().is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https")),
        None => tls,
    };
    Client { address, encrypted }
}

/// An address as proxies write it: bare, with port, IPv6 in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>())
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(rows: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in rows {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        for (peer, tls, rows, address, encrypted) in [
            (
                "192.0.2.1",
                false,
                vec![("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https")],
                "192.0.2.1",
                false,
            ),
            (
                "10.0.0.1",
                false,
                vec![("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https")],
                "198.51.100.7",
                true,
            ),
            ("::ffff:10.0.0.1", false, vec![("x-forwarded-for", "198.51.100.7")], "198.51.100.7", false),
            // The client's own invention stands to the left of what the proxy saw.
            (
                "10.0.0.1",
                false,
                vec![("x-forwarded-for", "203.0.113.9, 198.51.100.7, 10.0.0.2")],
                "198.51.100.7",
                false,
            ),
            (
                "10.0.0.1",
                false,
                vec![("x-forwarded-for", "203.0.113.9"), ("x-forwarded-for", "198.51.100.7")],
                "198.51.100.7",
                false,
            ),
            ("10.0.0.1", false, vec![("x-forwarded-for", "203.0.113.9, nonsense")], "10.0.0.1", false),
            ("10.0.0.1", true, vec![("x-forwarded-for", "[2001:db8::1]:4711")], "2001:db8::1", true),
            ("10.0.0.1", true, vec![("x-forwarded-proto", "https, http")], "10.0.0.1", false),
        ] {
            let found = client(peer.parse().unwrap(), tls, &headers(&rows), &trusted);
            assert_eq!(found, Client { address: address.parse().unwrap(), encrypted }, "{peer} {rows:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(text in "[ -~]{0,60}") {
            let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
            let _ = client("10.0.0.1".parse().unwrap(), false, &headers(&[("x-forwarded-for", &text)]), &trusted);
        }
    }
}
