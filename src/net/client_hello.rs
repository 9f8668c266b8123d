//! Parses a TLS ClientHello (RFC 8446, 4.1.2) to describe failed handshakes to administrators. The handshakes
//! themselves are done by rustls.

/// Maximum number of first bytes to keep: a ClientHello with a post-quantum key share has about 1,800 bytes.
pub const MOST: usize = 4096;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const SUPPORTED_VERSIONS: u16 = 43;

/// The parsed parts of a ClientHello.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientHello {
    /// The server name that the client requests (SNI).
    pub server_name: Option<String>,
    /// The versions it offers, as protocol numbers, in its order: `0x0303` is TLS 1.2.
    pub versions: Vec<u16>,
}

impl ClientHello {
    /// Parses the first bytes of a connection. Returns `None` if they are not a ClientHello. Truncated parts are
    /// omitted.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let message = unpacked(bytes)?;
        let mut all = Reader(&message);
        if all.u8()? != CLIENT_HELLO {
            return None;
        }
        all.take(3)?;
        let legacy = all.u16()?;
        let mut found = Self { server_name: None, versions: Vec::new() };
        // The rest may be truncated; the version has been read.
        let _ = found.fill(&mut all);
        if found.versions.is_empty() {
            found.versions = vec![legacy];
        }
        Some(found)
    }

    fn fill(&mut self, rest: &mut Reader<'_>) -> Option<()> {
        rest.take(32)?;
        let session = rest.u8()?;
        rest.take(session.into())?;
        let ciphers = rest.u16()?;
        rest.take(ciphers.into())?;
        let compressions = rest.u8()?;
        rest.take(compressions.into())?;
        rest.u16()?;
        loop {
            let (kind, length) = (rest.u16()?, rest.u16()?);
            let mut body = Reader(rest.take(length.into())?);
            match kind {
                SERVER_NAME => self.server_name = server_name(&mut body),
                SUPPORTED_VERSIONS => {
                    body.u8();
                    self.versions = std::iter::from_fn(|| body.u16()).filter(|version| !is_grease(*version)).collect();
                }
                _ => {}
            }
        }
    }

    /// The versions as text for administrators.
    #[must_use]
    pub fn versions_text(&self) -> String {
        let names: Vec<String> = self.versions.iter().map(|version| name(*version)).collect();
        names.join(", ")
    }
}

fn name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("{other:#06x}"),
    }
}

/// GREASE (RFC 8701): values that clients send so that servers learn to ignore unknown ones.
fn is_grease(version: u16) -> bool {
    version & 0x0f0f == 0x0a0a && version >> 8 == version & 0xff
}

fn server_name(body: &mut Reader<'_>) -> Option<String> {
    body.u16()?;
    if body.u8()? != 0 {
        return None;
    }
    let length = body.u16()?;
    let name = std::str::from_utf8(body.take(length.into())?).ok()?;
    let plain = !name.is_empty() && name.len() <= 255 && name.bytes().all(|c| c.is_ascii_graphic());
    plain.then(|| name.to_owned())
}

/// Extracts the handshake message from its records. A client may split it over several.
fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut rest, mut message) = (Reader(bytes), Vec::new());
    while rest.u8() == Some(HANDSHAKE) {
        let Some(length) = rest.u16().and_then(|_| rest.u16()) else { break };
        let there = rest.0.len().min(length.into());
        message.extend_from_slice(rest.take(there)?);
    }
    (!message.is_empty()).then_some(message)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::{ClientConfig, ClientConnection, RootCertStore};

    use super::*;
    use crate::net::tls::provider;

    fn hello(versions: &[&'static rustls::SupportedProtocolVersion], name: &'static str) -> Vec<u8> {
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), name.try_into().unwrap()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn name_and_versions_are_read() {
        use rustls::version::{TLS12, TLS13};
        let both = ClientHello::read(&hello(&[&TLS12, &TLS13], "gw.example.com")).unwrap();
        assert_eq!(both.server_name.as_deref(), Some("gw.example.com"));
        let mut versions = both.versions.clone();
        versions.sort_unstable();
        assert_eq!(versions, [0x0303, 0x0304]);
        let old = ClientHello::read(&hello(&[&TLS12], "192.0.2.1")).unwrap();
        assert_eq!((old.server_name.as_deref(), old.versions_text().as_str()), (None, "TLS 1.2"));
    }

    /// TLS 1.0 as an old phone sends it: no extensions.
    #[test]
    fn an_old_one_says_its_version_only() {
        let mut message = vec![1, 0, 0, 41, 3, 1];
        message.extend([7; 32]);
        message.extend([0, 0, 2, 0, 0x2f, 1, 0]);
        let mut record = vec![22, 3, 1, 0, u8::try_from(message.len()).unwrap()];
        record.extend(&message);
        assert_eq!(ClientHello::read(&record).unwrap().versions_text(), "TLS 1.0");
    }

    #[test]
    fn in_pieces_it_is_the_same() {
        let whole = hello(&[&rustls::version::TLS13], "gw.example.com");
        let (head, body) = whole.split_at(5);
        let (one, two) = body.split_at(20);
        let record = |part: &[u8]| {
            let mut record = head[..3].to_vec();
            record.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
            record.extend(part);
            record
        };
        let spread = [record(one), record(two)].concat();
        assert_eq!(ClientHello::read(&spread), ClientHello::read(&whole));
    }

    #[test]
    fn anything_else_is_none() {
        assert_eq!(ClientHello::read(b"GET / HTTP/1.1\r\n\r\n"), None);
        assert_eq!(ClientHello::read(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = ClientHello::read(&bytes);
            let mut framed = vec![22, 3, 1, 1, 0, 1, 0, 0, 200];
            framed.extend(bytes);
            let _ = ClientHello::read(&framed);
        }

        #[test]
        fn cut_off_anywhere_it_is_read_as_far_as_it_goes(cut in 0usize..400) {
            let whole = hello(&[&rustls::version::TLS12], "gw.example.com");
            let _ = ClientHello::read(&whole[..cut.min(whole.len())]);
        }
    }
}
