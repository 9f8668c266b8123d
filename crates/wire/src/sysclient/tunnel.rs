//! Tunnels through which Devices connects browsers to a device's web server. gangway has no web server per phone. It
//! answers `GET /` with a small page. Every other path does not exist, and every other method is not implemented: a
//! command that is answered with 200 would look carried out.

use super::frame::{Frame, tunnel_event};

/// Maximum number of tunnel connections per phone.
const SESSIONS: usize = 16;
/// Maximum number of bytes in a receive result.
const CHUNK: usize = 8_000;
/// Maximum length of a request head in bytes. A longer request is answered without reading the rest.
const HEAD_LIMIT: usize = 16_384;
/// Number of bytes of the request line that are looked at. A longer path does not exist.
const LINE_LIMIT: usize = 64;
/// The answer to a path that does not exist.
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// The answer to a request that would change something.
const NOT_IMPLEMENTED: &[u8] = b"HTTP/1.1 501 Not Implemented\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// The connections of one phone.
#[derive(Debug, Default)]
pub(super) struct Tunnels {
    open: Vec<Tunnel>,
}

#[derive(Debug)]
struct Tunnel {
    session: u32,
    /// The beginning of the request line.
    line: Vec<u8>,
    /// Number of request bytes received.
    seen: usize,
    /// Number of bytes of `\r\n\r\n` matched so far.
    blank: usize,
    /// Whether the request head is complete.
    complete: bool,
    /// Number of bytes requested (0 = any) by a receive event that arrived before the request was complete.
    waiting: Option<usize>,
    /// Number of response bytes already sent.
    sent: usize,
}

impl Tunnels {
    /// Handles a tunnel frame and returns the frames to send; `None` if the frame was ignored. `page` is the complete
    /// HTTP response.
    pub fn on_frame(&mut self, session: u32, event: u32, data: &[u8], page: &[u8]) -> Option<Vec<Vec<u8>>> {
        let at = self.open.iter().position(|tunnel| tunnel.session == session);
        match (event, at) {
            (tunnel_event::SEND, None) if self.open.len() >= SESSIONS => {
                Some(vec![answer(session, tunnel_event::SHUTDOWN, &[])])
            }
            (tunnel_event::SEND, None) => {
                let mut tunnel =
                    Tunnel { session, line: Vec::new(), seen: 0, blank: 0, complete: false, waiting: None, sent: 0 };
                let answers = tunnel.on_send(data, page);
                self.open.push(tunnel);
                Some(answers)
            }
            (tunnel_event::SEND, Some(at)) => Some(self.open.get_mut(at)?.on_send(data, page)),
            (tunnel_event::RECEIVE, Some(at)) => Some(self.open.get_mut(at)?.on_receive(wanted(data), page)),
            // Unknown connection: end it.
            (tunnel_event::RECEIVE, None) => Some(vec![answer(session, tunnel_event::SHUTDOWN, &[])]),
            (tunnel_event::SHUTDOWN, Some(at)) => {
                self.open.swap_remove(at);
                Some(vec![answer(session, tunnel_event::SHUTDOWN, &[])])
            }
            // The echo of our own shutdown.
            (tunnel_event::SHUTDOWN, None) => Some(Vec::new()),
            // An event of a later edition cannot be answered, so the connection ends.
            (_, Some(at)) => {
                self.open.swap_remove(at);
                Some(vec![answer(session, tunnel_event::SHUTDOWN, &[])])
            }
            (_, None) => None,
        }
    }
}

impl Tunnel {
    fn on_send(&mut self, data: &[u8], page: &[u8]) -> Vec<Vec<u8>> {
        let room = LINE_LIMIT.saturating_sub(self.line.len());
        self.line.extend_from_slice(data.get(..room).unwrap_or(data));
        for byte in data {
            if self.complete {
                break;
            }
            self.blank = match (self.blank, byte) {
                (0 | 2, b'\r') => self.blank + 1,
                (1 | 3, b'\n') => self.blank + 1,
                (_, b'\r') => 1,
                _ => 0,
            };
            self.complete = self.blank == 4;
        }
        self.seen = self.seen.saturating_add(data.len());
        self.complete = self.complete || self.seen > HEAD_LIMIT;
        let mut answers = vec![answer(self.session, tunnel_event::SEND_RESULT, &[])];
        if self.complete
            && let Some(wanted) = self.waiting.take()
        {
            answers.extend(self.on_receive(wanted, page));
        }
        answers
    }

    fn on_receive(&mut self, wanted: usize, page: &[u8]) -> Vec<Vec<u8>> {
        if !self.complete {
            self.waiting = Some(wanted);
            return Vec::new();
        }
        let limit = if wanted == 0 { CHUNK } else { wanted.min(CHUNK) };
        let rest = self.response(page).get(self.sent..).unwrap_or_default();
        let chunk = rest.get(..limit).unwrap_or(rest);
        self.sent += chunk.len();
        // An empty chunk marks the end of the response. The peer then sends the shutdown.
        vec![answer(self.session, tunnel_event::RECEIVE_RESULT, chunk)]
    }
}

impl Tunnel {
    /// The whole response to the request.
    fn response<'a>(&self, page: &'a [u8]) -> &'a [u8] {
        let line = self.line.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        match method {
            b"GET" | b"HEAD" if path != b"/" => NOT_FOUND,
            b"GET" => page,
            b"HEAD" => page.windows(4).position(|end| end == b"\r\n\r\n").map_or(page, |at| &page[..at + 4]),
            _ => NOT_IMPLEMENTED,
        }
    }
}

fn wanted(data: &[u8]) -> usize {
    match data {
        [a, b, c, d, ..] => usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).unwrap_or(usize::MAX),
        _ => 0,
    }
}

fn answer(session: u32, event: u32, data: &[u8]) -> Vec<u8> {
    Frame::Tunnel { session, event, data }.encode()
}

/// An HTTP response with `text` as plain text, which needs no escaping.
pub(super) fn page(text: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-store\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    fn read(answers: &[Vec<u8>]) -> Vec<(u32, u32, usize)> {
        answers
            .iter()
            .map(|bytes| match Frame::decode(bytes) {
                Ok(Frame::Tunnel { session, event, data }) => (session, event, data.len()),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn the_whole_cycle() {
        let page = page(&"x".repeat(9_000));
        let mut tunnels = Tunnels::default();
        let mut on = |event, data: &[u8]| read(&tunnels.on_frame(13, event, data, &page).unwrap());
        assert_eq!(on(0, REQUEST), [(13, 3, 0)]);
        assert_eq!(on(1, &[0; 4]), [(13, 2, 8_000)]);
        assert_eq!(on(1, &[0, 0, 0, 10]), [(13, 2, 10)]);
        assert_eq!(on(1, &[0; 4]), [(13, 2, page.len() - 8_010)]);
        assert_eq!(on(1, &[]), [(13, 2, 0)]);
        assert_eq!(on(4, &[]), [(13, 4, 0)]);
        assert_eq!(on(4, &[]), []);
        assert_eq!(on(1, &[]), [(13, 4, 0)]);
        assert!(tunnels.on_frame(13, 9, &[], &page).is_none());
        tunnels.on_frame(13, 0, REQUEST, &page).unwrap();
        assert_eq!(read(&tunnels.on_frame(13, 9, &[], &page).unwrap()), [(13, 4, 0)], "an unknown event ends it");
    }

    #[test]
    fn nothing_but_the_page_is_answered_with_200() {
        let page = page("hi");
        let status = |request: &str| {
            let mut tunnels = Tunnels::default();
            tunnels.on_frame(7, 0, request.as_bytes(), &page).unwrap();
            let answers = tunnels.on_frame(7, 1, &[0; 4], &page).unwrap();
            let Ok(Frame::Tunnel { data, .. }) = Frame::decode(&answers[0]) else { panic!("{request}") };
            String::from_utf8(data.to_vec()).unwrap()
        };
        let request = |line: &str| format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(status(&request("GET /")).ends_with("\r\n\r\nhi"));
        assert!(status(&request("GET /?a=b")).starts_with("HTTP/1.1 200 OK\r\n"));
        let head = status(&request("HEAD /"));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        for line in ["GET /!mod%20cmd%20UP0%20/sync%20prot", "GET /CMD0/mod_cmd.xml", "HEAD /x", "GET", "GET http://x/"]
        {
            assert!(status(&request(line)).starts_with("HTTP/1.1 404 "), "{line}");
        }
        assert!(status(&request(&format!("GET /{}", "x".repeat(100)))).starts_with("HTTP/1.1 404 "));
        for line in ["POST /CMD0/mod_cmd.xml", "POST /", "PUT /", "DELETE /", "BREW /", ""] {
            assert!(status(&request(line)).starts_with("HTTP/1.1 501 "), "{line}");
        }
    }

    #[test]
    fn a_receive_waits_for_the_whole_request() {
        let page = page("hi");
        for cut in 0..REQUEST.len() {
            let mut tunnels = Tunnels::default();
            let (front, back) = REQUEST.split_at(cut);
            assert_eq!(read(&tunnels.on_frame(1, 0, front, &page).unwrap()), [(1, 3, 0)]);
            assert_eq!(read(&tunnels.on_frame(1, 1, &[0; 4], &page).unwrap()), []);
            assert_eq!(read(&tunnels.on_frame(1, 0, back, &page).unwrap()), [(1, 3, 0), (1, 2, page.len())]);
        }
    }

    #[test]
    fn connections_are_bounded() {
        let mut tunnels = Tunnels::default();
        for session in 0..20 {
            let answers = read(&tunnels.on_frame(session, 0, REQUEST, b"").unwrap());
            assert_eq!(answers[0].1, if session < 16 { 3 } else { 4 });
        }
        assert_eq!(tunnels.open.len(), SESSIONS);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_order_is_survived(steps in prop::collection::vec((0..20_u32, 0..6_u32, prop::collection::vec(any::<u8>(), 0..12)), 0..60)) {
            let mut tunnels = Tunnels::default();
            for (session, event, data) in steps {
                let _ = tunnels.on_frame(session, event, &data, b"page");
                prop_assert!(tunnels.open.len() <= SESSIONS);
            }
        }
    }
}
