//! Multicast PnP: a phone without configuration subscribes to its profile at 224.0.1.75 and receives a URL.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use gangway_base::mac::Mac;

use super::message::{SipMessage, Start};

/// The multicast group of all SIP servers.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 1, 75);

/// What a phone requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileSubscription {
    /// The phone's MAC address.
    pub mac: Mac,
    /// The vendor as reported by the phone. Unauthenticated, so only informational.
    pub vendor: Option<String>,
    /// The model as reported by the phone.
    pub model: Option<String>,
    /// The firmware as reported by the phone.
    pub version: Option<String>,
}

/// Returns the profile that a phone subscribes to; `None` for any other message.
#[must_use]
pub fn profile_subscription(message: &SipMessage) -> Option<ProfileSubscription> {
    let Start::Request { method, uri } = &message.start else { return None };
    let (event, parameters) = parameters(message.header("Event")?);
    if method != "SUBSCRIBE" || !event.eq_ignore_ascii_case("ua-profile") {
        return None;
    }
    let named = ["From", "To"].iter().filter_map(|name| message.header(name).map(uri_of));
    let mac = std::iter::once(uri.as_str()).chain(named).find_map(mac_in)?;
    let parameter = |name: &str| {
        let found = parameters.iter().find(|(have, _)| have.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    if parameter("profile-type").is_some_and(|kind| kind != "device") {
        return None;
    }
    Some(ProfileSubscription {
        mac,
        vendor: parameter("vendor"),
        model: parameter("model"),
        version: parameter("version"),
    })
}

/// Parses `word;name="value";name=value`.
fn parameters(text: &str) -> (&str, Vec<(String, String)>) {
    let (word, mut rest) = text.split_once(';').unwrap_or((text, ""));
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, after) = match rest.find([';', '=']) {
            Some(at) if rest.get(at..).is_some_and(|tail| tail.starts_with('=')) => {
                (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default())
            }
            Some(at) => {
                rest = rest.get(at + 1..).unwrap_or_default();
                continue;
            }
            None => break,
        };
        let (value, tail) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let (value, tail) = quoted.split_once('"').unwrap_or((quoted, ""));
                (value, tail.split_once(';').map_or("", |(_, tail)| tail))
            }
            None => after.split_once(';').unwrap_or((after, "")),
        };
        found.push((name.trim().to_owned(), value.trim().to_owned()));
        rest = tail;
    }
    (word.trim(), found)
}

/// Extracts the URI of a `From`, `To` or `Contact` header.
fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split_once('>').map_or("", |(uri, _)| uri),
        None => value.split_once(';').map_or(value, |(uri, _)| uri).trim(),
    }
}

/// Extracts the MAC from `sip:MAC%3a805ec0aabbcc@...` or `sip:MAC805ec0aabbcc@...`.
fn mac_in(uri: &str) -> Option<Mac> {
    let user = uri.strip_prefix("sip:").or_else(|| uri.strip_prefix("sips:"))?.split_once('@')?.0;
    let user = user.replace("%3a", ":").replace("%3A", ":");
    let prefix = user.get(..3).filter(|prefix| prefix.eq_ignore_ascii_case("mac"))?;
    let digits = user.get(prefix.len()..)?;
    digits.strip_prefix(':').unwrap_or(digits).parse().ok()
}

/// The addresses between which messages are exchanged.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Source address of the datagram. Nothing is sent to any other host.
    pub phone: SocketAddr,
    /// Our own address as far as it is known.
    pub own: SocketAddr,
}

/// The 200 response and its destination: the source address, at the port on which the phone expects responses.
#[must_use]
pub fn accepted(subscribe: &SipMessage, place: Place, tag: &str) -> (SipMessage, SocketAddr) {
    let mut headers = Vec::new();
    let mut port = place.phone.port();
    for (index, via) in subscribe.all("Via").enumerate() {
        let mut via = via.to_owned();
        if index == 0 {
            let (sent_by, parameters) = parameters(&via);
            let wants_source = via.split(';').any(|parameter| parameter.trim().eq_ignore_ascii_case("rport"));
            if wants_source {
                let filled = format!("rport={};received={}", place.phone.port(), place.phone.ip());
                via = via
                    .split(';')
                    .map(|part| if part.trim().eq_ignore_ascii_case("rport") { filled.as_str() } else { part })
                    .collect::<Vec<_>>()
                    .join(";");
            } else if !parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case("rport")) {
                port = port_of(sent_by.rsplit(' ').next().unwrap_or_default()).unwrap_or(5060);
            }
        }
        headers.push(("Via".to_owned(), via));
    }
    for name in ["From", "To", "Call-ID", "CSeq"] {
        let value = subscribe.header(name).unwrap_or_default();
        let value = if name == "To" { tagged(value, tag) } else { value.to_owned() };
        headers.push((name.to_owned(), value));
    }
    headers.push(("Contact".to_owned(), format!("<sip:{}>", place.own)));
    headers.push(("Expires".to_owned(), "0".to_owned()));
    let answer =
        SipMessage { start: Start::Response { status: 200, reason: "OK".to_owned() }, headers, body: Vec::new() };
    (answer, SocketAddr::new(place.phone.ip(), port))
}

fn tagged(value: &str, tag: &str) -> String {
    if parameters(value).1.iter().any(|(name, _)| name.eq_ignore_ascii_case("tag")) {
        value.to_owned()
    } else {
        format!("{value};tag={tag}")
    }
}

/// The port of `host:port` or `[v6]:port`.
fn port_of(sent_by: &str) -> Option<u16> {
    let behind = sent_by.rsplit_once(']').map_or(sent_by, |(_, behind)| behind);
    behind.rsplit_once(':')?.1.parse().ok()
}

/// The NOTIFY with the URL and its destination: the source address of the subscription, at the port in its Contact.
#[must_use]
pub fn notify(subscribe: &SipMessage, place: Place, tag: &str, branch: &str, url: &str) -> (SipMessage, SocketAddr) {
    let contact = subscribe.header("Contact").map(uri_of).filter(|uri| is_plain_sip(uri));
    let host = contact.and_then(host_and_port);
    // Ignore a Contact with another host: it would make gangway send datagrams to a host that did not ask for them.
    let port = match host {
        Some((ip, port)) if ip == place.phone.ip() => port.unwrap_or(5060),
        _ => place.phone.port(),
    };
    let to = SocketAddr::new(place.phone.ip(), port);
    let uri = contact.map_or_else(|| format!("sip:{to}"), str::to_owned);
    let text = |name: &str| subscribe.header(name).unwrap_or_default().to_owned();
    let headers = [
        ("Via", format!("SIP/2.0/UDP {};branch=z9hG4bK{branch};rport", place.own)),
        ("Max-Forwards", "20".to_owned()),
        ("From", tagged(&text("To"), tag)),
        ("To", text("From")),
        ("Call-ID", text("Call-ID")),
        ("CSeq", "1 NOTIFY".to_owned()),
        ("Contact", format!("<sip:{}>", place.own)),
        ("Event", "ua-profile".to_owned()),
        ("Subscription-State", "terminated;reason=timeout".to_owned()),
        ("Content-Type", "application/url".to_owned()),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let start = Start::Request { method: "NOTIFY".to_owned(), uri };
    (SipMessage { start, headers, body: url.as_bytes().to_vec() }, to)
}

fn is_plain_sip(uri: &str) -> bool {
    uri.starts_with("sip:") && uri.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"'))
}

fn host_and_port(uri: &str) -> Option<(IpAddr, Option<u16>)> {
    let rest = uri.strip_prefix("sip:")?;
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split([';', '?']).next().unwrap_or_default();
    if let Ok(address) = place.parse::<SocketAddr>() {
        return Some((address.ip(), Some(address.port())));
    }
    place.trim_matches(['[', ']']).parse().ok().map(|ip| (ip, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEALINK: &str = "SUBSCRIBE sip:MAC%3a805ec0aabbcc@224.0.1.75 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 10.0.0.7:5059;branch=z9hG4bK1\r\nFrom: <sip:MAC%3a805ec0aabbcc@224.0.1.75>;tag=1\r\n\
        To: <sip:MAC%3a805ec0aabbcc@224.0.1.75>\r\nCall-ID: 5@10.0.0.7\r\nCSeq: 1 SUBSCRIBE\r\n\
        Contact: <sip:MAC%3a805ec0aabbcc@10.0.0.7:5059>\r\nMax-Forwards: 70\r\n\
        Event: ua-profile;profile-type=\"device\";vendor=\"Yealink\";model=\"T53W\";version=\"96.87.0.16\"\r\n\
        Accept: application/url\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n";

    fn subscribe(text: &str) -> SipMessage {
        SipMessage::read(text.as_bytes()).unwrap()
    }

    fn place() -> Place {
        Place { phone: "10.0.0.7:5059".parse().unwrap(), own: "10.0.0.1:5060".parse().unwrap() }
    }

    #[test]
    fn a_phone_that_asks_is_understood() {
        let expected = ProfileSubscription {
            mac: "805ec0aabbcc".parse().unwrap(),
            vendor: Some("Yealink".into()),
            model: Some("T53W".into()),
            version: Some("96.87.0.16".into()),
        };
        assert_eq!(profile_subscription(&subscribe(YEALINK)), Some(expected.clone()));
        for form in ["MAC805EC0AABBCC", "MAC%3A805ec0aabbcc", "mac:80-5E-C0-AA-BB-CC"] {
            let text = YEALINK.replace("MAC%3a805ec0aabbcc", form);
            assert_eq!(profile_subscription(&subscribe(&text)), Some(expected.clone()), "{form}");
        }
        // The MAC is missing from the request URI but present in the sender.
        let text = YEALINK.replacen("sip:MAC%3a805ec0aabbcc@224.0.1.75 SIP", "sip:224.0.1.75 SIP", 1);
        assert_eq!(profile_subscription(&subscribe(&text)), Some(expected));
    }

    #[test]
    fn anything_else_is_none_of_it() {
        for (from, to) in [
            ("SUBSCRIBE sip", "OPTIONS sip"),
            ("ua-profile", "message-summary"),
            ("\"device\"", "\"user\""),
            ("MAC%3a805ec0aabbcc", "alice"),
            ("805ec0aabbcc", "015ec0aabbcc"),
        ] {
            assert_eq!(profile_subscription(&subscribe(&YEALINK.replace(from, to))), None, "{to}");
        }
    }

    #[test]
    fn the_answer_and_the_url_go_to_the_source_and_nowhere_else() {
        let message = subscribe(YEALINK);
        let (answer, to) = accepted(&message, place(), "ours");
        assert_eq!(to, place().phone);
        assert_eq!(answer.header("To"), Some("<sip:MAC%3a805ec0aabbcc@224.0.1.75>;tag=ours"));
        assert_eq!(answer.header("CSeq"), Some("1 SUBSCRIBE"));
        let (notify, to) = notify(&message, place(), "ours", "b", "https://gw/t/");
        assert_eq!(to, place().phone);
        assert_eq!(notify.header("Content-Type"), Some("application/url"));
        assert_eq!(notify.body, b"https://gw/t/");
        assert_eq!(notify.header("To"), Some("<sip:MAC%3a805ec0aabbcc@224.0.1.75>;tag=1"));
        // Contact and Via name another host.
        let elsewhere = YEALINK.replace("@10.0.0.7:5059", "@192.0.2.9:53").replace("UDP 10.0.0.7", "UDP 192.0.2.9");
        let message = subscribe(&elsewhere);
        assert_eq!(accepted(&message, place(), "t").1, place().phone);
        assert_eq!(super::notify(&message, place(), "t", "b", "u").1, place().phone);
        // Responses go to the port in Via, or with rport to the source port.
        let other = YEALINK.replace("UDP 10.0.0.7:5059", "UDP 10.0.0.7:5070");
        assert_eq!(accepted(&subscribe(&other), place(), "t").1.port(), 5070);
        let (answer, to) = accepted(&subscribe(&other.replace("z9hG4bK1", "z9hG4bK1;rport")), place(), "t");
        assert_eq!(to.port(), 5059);
        assert!(answer.header("Via").unwrap().ends_with(";rport=5059;received=10.0.0.7"), "{answer:?}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_a_subscription_panics_or_sends_elsewhere(a in "[ -~]{0,60}", b in "[ -~]{0,60}", c in "\\PC{0,40}") {
            let text = YEALINK.replacen("<sip:MAC%3a805ec0aabbcc@10.0.0.7:5059>", &a, 1)
                .replacen("SIP/2.0/UDP 10.0.0.7:5059;branch=z9hG4bK1", &b, 1)
                .replacen("ua-profile;", &format!("ua-profile;{c};"), 1);
            if let Ok(message) = SipMessage::read(text.as_bytes()) {
                let _ = profile_subscription(&message);
                proptest::prop_assert_eq!(accepted(&message, place(), "t").1.ip(), place().phone.ip());
                let (notify, to) = notify(&message, place(), "t", "b", "https://gw/t/");
                proptest::prop_assert_eq!(to.ip(), place().phone.ip());
                proptest::prop_assert!(SipMessage::read(&notify.write()).is_ok());
            }
        }
    }
}
