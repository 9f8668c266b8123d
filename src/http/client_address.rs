//! Determines the real client behind reverse proxies. Forwarding headers count only if they were sent by an address
//! that the administrator listed; those of all other peers are ignored.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::base::config::NetConfig;

/// The origin of a request, and whether it was encrypted on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The address. An IPv4 address is in IPv4 form even if it arrived on an IPv6 socket.
    pub address: IpAddr,
    /// The connection uses TLS up to the gateway, or up to a trusted proxy that reports TLS.
    pub encrypted: bool,
}

/// The content of a forwarding header that is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardingClaim {
    /// The address of the peer.
    pub peer: IpAddr,
    /// The client named in the header.
    pub client: IpAddr,
    /// The header that names the client.
    pub header: HeaderName,
    /// The peer is a listed proxy, but the header is not the one that listed proxies write.
    pub is_listed: bool,
}

/// The headers in which proxies usually name their clients.
const USUAL: [HeaderName; 3] =
    [HeaderName::from_static("x-forwarded-for"), header::FORWARDED, HeaderName::from_static("x-real-ip")];

/// The reverse proxies in front of the gateway.
#[derive(Debug, Clone)]
pub struct Proxies {
    /// Networks whose forwarding headers are trusted.
    pub trusted: Vec<IpNet>,
    /// The one header in which these proxies write the client's address. All other headers are written by clients.
    pub address_header: HeaderName,
}

impl Proxies {
    /// Proxies in these networks that write `X-Forwarded-For`.
    #[must_use]
    pub fn new(trusted: Vec<IpNet>) -> Self {
        Self { trusted, address_header: HeaderName::from_static("x-forwarded-for") }
    }

    /// Proxies from the configuration, whose validation has already rejected invalid header names.
    #[must_use]
    pub fn configured(net: &NetConfig) -> Self {
        let usual = Self::new(net.trusted_proxies.clone());
        let address_header = net.client_address_header.parse().unwrap_or(usual.address_header);
        Self { address_header, ..usual }
    }

    fn has(&self, address: &IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(address))
    }

    /// Returns the client: the right-most address that is not a trusted proxy.
    #[must_use]
    pub fn client(&self, peer: IpAddr, tls: bool, headers: &HeaderMap) -> ClientAddress {
        let peer = peer.to_canonical();
        if !self.has(&peer) {
            return ClientAddress { address: peer, encrypted: tls };
        }
        let lines: Vec<&[u8]> = headers.get_all(&self.address_header).map(HeaderValue::as_bytes).collect();
        let mut address = peer;
        // Parse bytes: one invalid byte from the client must not make the part that the proxy appended unreadable.
        for hop in lines.iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b',')) {
            // Ignore everything to the left of an unreadable entry: its writer is unknown.
            let Some(hop) = std::str::from_utf8(hop).ok().and_then(|hop| parse_hop(hop.trim())) else { break };
            address = hop;
            if !self.has(&hop) {
                break;
            }
        }
        let encrypted = match headers.get_all("x-forwarded-proto").last().map(HeaderValue::as_bytes) {
            Some(list) => {
                let last = list.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                last.trim_ascii().eq_ignore_ascii_case(b"https")
            }
            None => tls,
        };
        ClientAddress { address, encrypted }
    }
}

impl Proxies {
    /// Returns what an untrusted forwarding header of the peer claims. `client` is the client that the request was
    /// attributed to.
    #[must_use]
    pub fn claim(&self, peer: IpAddr, client: ClientAddress, headers: &HeaderMap) -> Option<ForwardingClaim> {
        let peer = peer.to_canonical();
        let is_listed = self.has(&peer);
        // The listed proxy's configured header was read and named a client other than the proxy.
        if client.address != peer || (is_listed && headers.contains_key(&self.address_header)) {
            return None;
        }
        [&self.address_header].into_iter().chain(&USUAL).find_map(|name| {
            let line = headers.get_all(name).last()?.to_str().ok()?;
            let hop = line.rsplit(',').next()?.trim();
            let client = if *name == header::FORWARDED { forwarded_for(hop) } else { parse_hop(hop) };
            client.filter(|client| *client != peer).map(|client| ForwardingClaim {
                peer,
                client,
                header: name.clone(),
                is_listed,
            })
        })
    }
}

/// Returns the client in an element of `Forwarded` (RFC 7239).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| parse_hop(value.trim().trim_matches('"'))).flatten()
    })
}

/// Parses an address as proxies write it: bare, with a port, or IPv6 in brackets.
fn parse_hop(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .or_else(|_| text.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>())
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(rows: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in rows {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        map
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
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
            // Entries that the client invented are to the left of what the proxy appended.
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
            ("10.0.0.1", true, vec![("x-forwarded-for", "::ffff:198.51.100.7")], "198.51.100.7", true),
            ("10.0.0.1", true, vec![("x-forwarded-for", "198.51.100.7:4711")], "198.51.100.7", true),
            ("10.0.0.1", true, vec![("x-forwarded-proto", "https, http")], "10.0.0.1", false),
            // Invalid bytes that the client wrote before the proxy appended its entry.
            ("10.0.0.1", false, vec![("x-forwarded-for", "\u{e9}, 198.51.100.7")], "198.51.100.7", false),
            (
                "10.0.0.1",
                false,
                vec![("x-forwarded-for", "\u{e9}"), ("x-forwarded-for", "198.51.100.7")],
                "198.51.100.7",
                false,
            ),
            ("10.0.0.1", true, vec![("x-forwarded-proto", "\u{e9}, http")], "10.0.0.1", false),
            // Headers that the proxy does not write are from the client.
            (
                "10.0.0.1",
                false,
                vec![
                    ("x-real-ip", "203.0.113.9"),
                    ("forwarded", "for=203.0.113.9"),
                    ("x-forwarded-for", "198.51.100.7"),
                ],
                "198.51.100.7",
                false,
            ),
        ] {
            let found = proxies.client(peer.parse().unwrap(), tls, &headers(&rows));
            assert_eq!(found, ClientAddress { address: address.parse().unwrap(), encrypted }, "{peer} {rows:?}");
        }
    }

    #[test]
    fn another_header_counts_where_it_is_configured() {
        let net = NetConfig {
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            client_address_header: "X-Real-IP".to_owned(),
            ..NetConfig::default()
        };
        let rows = [("x-forwarded-for", "203.0.113.9"), ("x-real-ip", "198.51.100.7")];
        let found = Proxies::configured(&net).client("10.0.0.1".parse().unwrap(), false, &headers(&rows));
        assert_eq!(found.address.to_string(), "198.51.100.7");
        let found = Proxies::configured(&net).client("192.0.2.1".parse().unwrap(), false, &headers(&rows));
        assert_eq!(found.address.to_string(), "192.0.2.1");
    }

    #[test]
    fn a_header_that_is_not_believed_is_a_claim() {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        for (peer, rows, expected) in [
            (
                "192.0.2.1",
                vec![("x-forwarded-for", "203.0.113.9, 198.51.100.7")],
                Some(("198.51.100.7", "x-forwarded-for", false)),
            ),
            ("192.0.2.1", vec![("x-real-ip", "198.51.100.7")], Some(("198.51.100.7", "x-real-ip", false))),
            (
                "192.0.2.1",
                vec![("forwarded", "for=203.0.113.9, proto=https;For=\"[2001:db8::1]:4711\"")],
                Some(("2001:db8::1", "forwarded", false)),
            ),
            ("192.0.2.1", vec![("forwarded", "for=unknown")], None),
            ("192.0.2.1", vec![("x-forwarded-for", "192.0.2.1")], None),
            ("192.0.2.1", vec![], None),
            // A listed proxy is trusted. One that writes a header other than the configured one is reported.
            ("10.0.0.1", vec![("x-forwarded-for", "198.51.100.7")], None),
            ("10.0.0.1", vec![("x-forwarded-for", "nonsense"), ("x-real-ip", "198.51.100.7")], None),
            ("10.0.0.1", vec![("x-real-ip", "198.51.100.7")], Some(("198.51.100.7", "x-real-ip", true))),
        ] {
            let (peer, headers) = (peer.parse().unwrap(), headers(&rows));
            let claim = proxies.claim(peer, proxies.client(peer, false, &headers), &headers);
            let expected = expected.map(|(client, header, is_listed)| ForwardingClaim {
                peer,
                client: client.parse().unwrap(),
                header: HeaderName::try_from(header).unwrap(),
                is_listed,
            });
            assert_eq!(claim, expected, "{peer} {rows:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_client_writes_what_the_proxy_adds_counts(text in proptest::collection::vec(0x20..=0xff_u8, 0..60)) {
            let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
            let text: Vec<u8> = text.into_iter().filter(|byte| *byte != 0x7f).collect();
            let name = HeaderName::from_static("x-forwarded-for");
            for glue in [&b", "[..], b","] {
                let mut map = HeaderMap::new();
                map.append(name.clone(), HeaderValue::from_bytes(&[&text, glue, b"198.51.100.7"].concat()).unwrap());
                let found = proxies.client("10.0.0.1".parse().unwrap(), false, &map);
                proptest::prop_assert_eq!(found.address.to_string(), "198.51.100.7");
            }
        }
    }
}
