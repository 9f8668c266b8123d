//! Parses and writes SIP messages sent as datagrams. The parser is strict.

/// Longest datagram that is parsed, in bytes.
const LARGEST: usize = 8192;
/// Maximum number of headers, excluding `Content-Length`, so that every parsed message can be written with it.
const MOST_HEADERS: usize = 64;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Method and request URI.
    Request {
        /// In upper case.
        method: String,
        /// As received.
        uri: String,
    },
    /// Status and reason.
    Response {
        /// 100 to 699.
        status: u16,
        /// Reason phrase.
        reason: String,
    },
}

/// A SIP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipMessage {
    /// The first line.
    pub start: Start,
    /// Headers in order, with compact names expanded.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// Why a datagram is not a SIP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Longer than the maximum datagram size.
    #[error("it is longer than {LARGEST} bytes")]
    Long,
    /// The head is not text or is not terminated.
    #[error("its head is no text or does not end")]
    Head,
    /// The start line is malformed.
    #[error("its first line is none of SIP/2.0")]
    Start,
    /// A header line is malformed.
    #[error("a header line is misshapen, or there are too many")]
    Header,
    /// The body is shorter than announced.
    #[error("its body is shorter than announced")]
    Body,
}

impl SipMessage {
    /// Parses a datagram.
    ///
    /// # Errors
    /// If the datagram is not a complete message.
    pub fn read(datagram: &[u8]) -> Result<Self, Malformed> {
        if datagram.len() > LARGEST {
            return Err(Malformed::Long);
        }
        let end = datagram.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or(Malformed::Head)?;
        let (head, rest) = datagram.split_at(end);
        let head = std::str::from_utf8(head).map_err(|_error| Malformed::Head)?;
        if head.contains(|c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t')) {
            return Err(Malformed::Head);
        }
        let mut lines = head.split("\r\n");
        let start = start(lines.next().unwrap_or_default()).ok_or(Malformed::Start)?;
        let mut headers: Vec<(String, String)> = Vec::new();
        for line in lines {
            if line.contains(['\r', '\n']) {
                return Err(Malformed::Header);
            }
            if line.starts_with([' ', '\t']) {
                // A folded line continues the previous header.
                let (_, value) = headers.last_mut().ok_or(Malformed::Header)?;
                let more = line.trim();
                if !value.is_empty() && !more.is_empty() {
                    value.push(' ');
                }
                value.push_str(more);
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(Malformed::Header)?;
            let name = name.trim_end();
            if name.is_empty() || !name.chars().all(is_token) {
                return Err(Malformed::Header);
            }
            headers.push((long_name(name), value.trim().to_owned()));
        }
        if headers.iter().filter(|(name, _)| !is_length(name)).count() > MOST_HEADERS {
            return Err(Malformed::Header);
        }
        let body = rest.get(4..).unwrap_or_default();
        let announced = headers.iter().find(|(name, _)| is_length(name));
        let body = match announced {
            Some((_, length)) => {
                let length: usize = length.parse().map_err(|_error| Malformed::Header)?;
                body.get(..length).ok_or(Malformed::Body)?
            }
            None => body,
        };
        Ok(Self { start, headers, body: body.to_vec() })
    }

    /// The first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All headers with this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Serializes the message and adds `Content-Length`.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut text = match &self.start {
            Start::Request { method, uri } => format!("{method} {uri} SIP/2.0\r\n"),
            Start::Response { status, reason } => format!("SIP/2.0 {status} {reason}\r\n"),
        };
        for (name, value) in self.headers.iter().filter(|(name, _)| !is_length(name)) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn start(line: &str) -> Option<Start> {
    let parts: Vec<&str> = line.splitn(3, ' ').collect();
    match parts.as_slice() {
        ["SIP/2.0", status, rest @ ..] => {
            let status = status.parse().ok().filter(|status| (100..=699).contains(status))?;
            Some(Start::Response { status, reason: rest.first().copied().unwrap_or_default().to_owned() })
        }
        [method, uri, "SIP/2.0"] => {
            let is_method = !method.is_empty() && method.chars().all(|c| c.is_ascii_uppercase());
            let is_uri = !uri.is_empty() && uri.chars().all(|c| c.is_ascii_graphic());
            (is_method && is_uri).then(|| Start::Request { method: (*method).to_owned(), uri: (*uri).to_owned() })
        }
        _ => None,
    }
}

fn is_length(name: &str) -> bool {
    name.eq_ignore_ascii_case("Content-Length")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-.!%*_+`'~".contains(c)
}

/// Expands the compact one-letter form of a header name.
fn long_name(name: &str) -> String {
    match name.to_ascii_lowercase().as_str() {
        "v" => "Via",
        "f" => "From",
        "t" => "To",
        "i" => "Call-ID",
        "m" => "Contact",
        "l" => "Content-Length",
        "c" => "Content-Type",
        "o" => "Event",
        "u" => "Allow-Events",
        _ => name,
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compact_and_folded_headers_are_read() {
        let message = SipMessage::read(
            b"NOTIFY sip:a@b SIP/2.0\r\nv: SIP/2.0/UDP x\r\nVIA : SIP/2.0/UDP y\r\no: check-sync;\r\n reboot=false\r\nl: 2\r\n\r\nabc",
        )
        .unwrap();
        assert_eq!(message.all("via").collect::<Vec<_>>(), ["SIP/2.0/UDP x", "SIP/2.0/UDP y"]);
        assert_eq!(message.header("Event"), Some("check-sync; reboot=false"));
        assert_eq!(message.body, b"ab");
        assert_eq!(SipMessage::read(&message.write()).unwrap().body, b"ab");
        // Empty folds must not leave a space behind.
        let message = SipMessage::read(b"NOTIFY sip:a@b SIP/2.0\r\na:\r\n x\r\n\t\r\n y\r\nb: z\r\n \r\n\r\n").unwrap();
        assert_eq!((message.header("a"), message.header("b")), (Some("x y"), Some("z")));
    }

    #[test]
    fn an_invalid_message_is_rejected() {
        for (datagram, why) in [
            (&b"SUBSCRIBE sip:a@b SIP/2.0\r\n"[..], Malformed::Head),
            (b"GET / HTTP/1.1\r\n\r\n", Malformed::Start),
            (b"SIP/2.0 99 x\r\n\r\n", Malformed::Start),
            (b"NOTIFY sip:a@b SIP/2.0\r\nno colon\r\n\r\n", Malformed::Header),
            (b"NOTIFY sip:a@b SIP/2.0\r\n folded first\r\n\r\n", Malformed::Header),
            (b"NOTIFY sip:a@b SIP/2.0\r\na b: c\r\n\r\n", Malformed::Header),
            (b"NOTIFY sip:a@b SIP/2.0\r\na: b\nc: d\r\n\r\n", Malformed::Header),
            (b"NOTIFY sip:a@b SIP/2.0\r\na: b\0\r\n\r\n", Malformed::Head),
            (b"NOTIFY sip:a@b SIP/2.0\r\nl: 9\r\n\r\nabc", Malformed::Body),
            (b"\xff\xfe\r\n\r\n", Malformed::Head),
        ] {
            assert_eq!(SipMessage::read(datagram), Err(why), "{:?}", String::from_utf8_lossy(datagram));
        }
        assert_eq!(SipMessage::read(&vec![b'a'; LARGEST + 1]), Err(Malformed::Long));
        let many = |count: usize| format!("NOTIFY sip:a@b SIP/2.0\r\n{}\r\n", "a: b\r\n".repeat(count));
        assert_eq!(SipMessage::read(many(MOST_HEADERS + 1).as_bytes()), Err(Malformed::Header));
        let most = SipMessage::read(many(MOST_HEADERS).as_bytes()).unwrap();
        assert_eq!(SipMessage::read(&most.write()).unwrap().all("a").count(), MOST_HEADERS);
    }

    proptest::proptest! {
        #[test]
        fn no_datagram_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300), text in "\\PC{0,80}") {
            let _ = SipMessage::read(&bytes);
            let _ = SipMessage::read(format!("SUBSCRIBE sip:{text} SIP/2.0\r\nFrom: {text}\r\n{text}\r\n\r\n").as_bytes());
        }

        #[test]
        fn what_is_read_is_written_alike(value in "[ -~]{0,40}", body in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let message = SipMessage {
                start: Start::Request { method: "NOTIFY".into(), uri: "sip:a@b".into() },
                headers: vec![("From".into(), value.trim().to_owned())],
                body,
            };
            let mut read = SipMessage::read(&message.write()).unwrap();
            read.headers.retain(|(name, _)| name != "Content-Length");
            proptest::prop_assert_eq!(read, message);
        }
    }
}
