//! The SIP side of a simulated phone apart from registration. It asks by multicast for its configuration URL and
//! listens for `check-sync`. It is written from traces of real phones and shares no code with the gateway's SIP.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gangway_base::mac::Mac;
use tokio::net::UdpSocket;

use crate::{board::Board, host::HostHandle};

/// How long a phone waits for an answer before it repeats its request, and how many requests it sends.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 4;

/// What the phone received.
#[derive(Debug, Clone, Default)]
pub struct ReceivedSip {
    /// Status codes of the answers to its subscriptions.
    pub statuses: Vec<u16>,
    /// URLs from NOTIFYs, including repetitions.
    pub urls: Vec<String>,
    /// `Event` values of `check-sync` NOTIFYs.
    pub check_syncs: Vec<String>,
}

/// A phone's SIP socket. Cheap to clone; all clones share the same state.
#[derive(Debug, Clone)]
pub struct SipPhone {
    mac: Mac,
    model: String,
    firmware: String,
    address: SocketAddr,
    board: Board<ReceivedSip>,
    /// Whether the phone leaves NOTIFYs unanswered.
    ignores_notifies: Arc<Mutex<bool>>,
    socket: Arc<UdpSocket>,
}

impl SipPhone {
    /// Connects the phone on a free port of this address.
    pub async fn start(
        host: &HostHandle,
        ip: std::net::IpAddr,
        mac: Mac,
        model: &str,
        firmware: &str,
    ) -> io::Result<Self> {
        let bind = move |_| async move { UdpSocket::bind((ip, 0)).await };
        let socket = Arc::new(host.run(bind).await.map_err(io::Error::other)??);
        let phone = Self {
            mac,
            model: model.to_owned(),
            firmware: firmware.to_owned(),
            address: socket.local_addr()?,
            board: Board::default(),
            ignores_notifies: Arc::default(),
            socket,
        };
        let listening = phone.clone();
        host.spawn("sip phone", move |_| async move { listening.listen().await });
        Ok(phone)
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What the phone received. Tests can read it and wait for changes.
    #[must_use]
    pub fn board(&self) -> &Board<ReceivedSip> {
        &self.board
    }

    /// Sets whether the phone leaves NOTIFYs unanswered. It still receives them.
    pub fn ignore_notifies(&self, ignores_notifies: bool) {
        *self.ignores_notifies.lock().unwrap_or_else(PoisonError::into_inner) = ignores_notifies;
    }

    /// Asks `server` (the multicast group or a single server) for the configuration URL; `None` without an answer.
    pub async fn ask(&self, host: &HostHandle, server: SocketAddr) -> io::Result<Option<String>> {
        let phone = self.clone();
        let known = self.board.read(|received| received.urls.len());
        let work = move |_| async move {
            for _ in 0..ATTEMPTS {
                phone.socket.send_to(phone.subscription().as_bytes(), server).await?;
                let url_received = phone.board.wait("a URL", |received| received.urls.get(known).cloned());
                if let Ok(Ok(url)) = tokio::time::timeout(RETRY_INTERVAL, url_received).await {
                    return Ok(Some(url));
                }
            }
            Ok(None)
        };
        host.run(work).await.map_err(io::Error::other)?
    }

    fn subscription(&self) -> String {
        let Self { mac, model, firmware, address, .. } = self;
        [
            format!("SUBSCRIBE sip:MAC%3a{mac}@224.0.1.75 SIP/2.0"),
            format!("Via: SIP/2.0/UDP {address};branch=z9hG4bK{mac}"),
            "Max-Forwards: 70".to_owned(),
            format!("Contact: <sip:MAC%3a{mac}@{address}>"),
            format!("To: <sip:MAC%3a{mac}@224.0.1.75>"),
            format!("From: <sip:MAC%3a{mac}@224.0.1.75>;tag={mac}"),
            format!("Call-ID: {mac}@{address}"),
            "CSeq: 1 SUBSCRIBE".to_owned(),
            "Expires: 0".to_owned(),
            "Accept: application/url".to_owned(),
            format!(
                "Event: ua-profile;profile-type=\"device\";vendor=\"Yealink\";model=\"{model}\";version=\"{firmware}\""
            ),
            "Content-Length: 0".to_owned(),
            String::new(),
            String::new(),
        ]
        .join("\r\n")
    }

    async fn listen(&self) {
        let mut datagram = vec![0_u8; 16 * 1024];
        while let Ok((length, source)) = self.socket.recv_from(&mut datagram).await {
            let text = String::from_utf8_lossy(datagram.get(..length).unwrap_or_default()).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let mut lines = head.split("\r\n");
            let first = lines.next().unwrap_or_default().to_owned();
            let fields: HashMap<&str, &str> = lines.filter_map(|line| line.split_once(": ")).collect();
            let field = |name: &str| fields.get(name).copied().unwrap_or_default();
            if let Some(status) = first.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)) {
                let status = status.parse().unwrap_or_default();
                self.board.change(|received| received.statuses.push(status));
                continue;
            }
            if !first.starts_with("NOTIFY ") {
                continue;
            }
            // A phone ignores a NOTIFY whose body length does not match its Content-Length.
            if field("Content-Length").parse() != Ok(body.len()) {
                continue;
            }
            let answer = |status: &str| {
                let copied =
                    ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| format!("{name}: {}\r\n", field(name)));
                format!("SIP/2.0 {status}\r\n{}Content-Length: 0\r\n\r\n", copied.concat())
            };
            let status = if field("Event").starts_with("check-sync") {
                self.board.change(|received| received.check_syncs.push(field("Event").to_owned()));
                "200 OK"
            } else if field("Content-Type") == "application/url" {
                self.board.change(|received| received.urls.push(body.to_owned()));
                "200 OK"
            } else {
                "489 Bad Event"
            };
            let ignores_notifies = *self.ignores_notifies.lock().unwrap_or_else(PoisonError::into_inner);
            if !ignores_notifies && self.socket.send_to(answer(status).as_bytes(), source).await.is_err() {
                return;
            }
        }
    }
}
