//! A loopback proxy between the gateway and a peer that injects faults. It runs on a separate thread, so it keeps
//! running while the test waits.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Longer than any pause of the gateway, an unanswered call and the next call together.
const TIMEOUT: Duration = Duration::from_secs(100);

/// The kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// No fault.
    None,
    /// Every connection is closed.
    Away,
    /// Every other connection, starting with the first, is closed at once; the rest are closed after a second.
    Flapping,
    /// Data from the peer is replaced by noise of the same length.
    Garbage,
    /// Data is passed on at one byte per second.
    Trickling,
    /// Connections stay open, but no data is passed on in either direction until the fault ends.
    Silent,
}

impl Fault {
    /// Faults that let no call succeed.
    pub const LASTING: [Self; 4] = [Self::Away, Self::Garbage, Self::Trickling, Self::Silent];
}

/// Which side opens the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// The gateway calls the peer. A connection without a request has not met a fault.
    Called,
    /// The gateway holds a websocket open to the peer.
    Held,
    /// The peer holds a websocket open to the gateway.
    Holding,
}

/// A proxy between the gateway and one peer.
pub struct Proxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    seen_faults: watch::Receiver<Vec<Fault>>,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream`.
    pub fn start(neighbour: Neighbour, upstream: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (fault, faults) = watch::channel(Fault::None);
        let (seen_faults, seen) = watch::channel(Vec::new());
        let link = Link { neighbour, upstream, fault: faults, seen_faults: Arc::new(seen_faults) };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move { link.serve(TcpListener::from_std(listener).unwrap()).await });
        });
        Self { address, fault, seen_faults: seen }
    }

    /// Returns the URL with this proxy's address.
    pub fn url(&self, url: &str) -> String {
        let mut url: url::Url = url.parse().unwrap();
        url.set_port(Some(self.address.port())).unwrap();
        url.into()
    }

    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Waits until a connection was affected by the fault.
    pub async fn wait_for_fault(&self, fault: Fault, who: &str) {
        let mut seen_faults = self.seen_faults.clone();
        let seen = timeout(TIMEOUT, seen_faults.wait_for(|seen_faults| seen_faults.contains(&fault))).await;
        assert!(seen.is_ok_and(|seen| seen.is_ok()), "{who} has never been {fault:?}");
    }
}

#[derive(Clone)]
struct Link {
    neighbour: Neighbour,
    upstream: SocketAddr,
    fault: watch::Receiver<Fault>,
    seen_faults: Arc<watch::Sender<Vec<Fault>>>,
}

impl Link {
    fn meets(&self, fault: Fault) {
        self.seen_faults.send_if_modified(|seen_faults| {
            let is_news = !seen_faults.contains(&fault);
            if is_news {
                seen_faults.push(fault);
            }
            is_news
        });
    }

    /// Serves until the proxy is dropped.
    async fn serve(mut self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        let mut flaps = 0_usize;
        loop {
            let client = loop {
                tokio::select! {
                    accepted = listener.accept() => if let Ok((client, _)) = accepted { break client },
                    changed = self.fault.changed() => if changed.is_err() { return },
                    Some(_) = connections.join_next() => {}
                }
            };
            let fault = *self.fault.borrow();
            flaps = if fault == Fault::Flapping { flaps + 1 } else { 0 };
            if fault == Fault::Away || flaps % 2 == 1 {
                self.meets(fault);
                continue;
            }
            connections.spawn(self.clone().connect(client));
        }
    }

    async fn connect(self, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.upstream).await else { return };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let is_client = self.neighbour == Neighbour::Holding;
        tokio::select! {
            () = self.clone().pass(from_client, to_server, is_client) => {}
            () = self.clone().pass(from_server, to_client, !is_client) => {}
            () = self.clone().cut() => {}
        }
    }

    /// Returns when the connection should be closed.
    async fn cut(mut self) {
        loop {
            let fault = *self.fault.borrow_and_update();
            let patience = match fault {
                Fault::Away => Duration::ZERO,
                Fault::Flapping => Duration::from_secs(1),
                _ => Duration::MAX,
            };
            match timeout(patience, self.fault.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => return self.meets(fault),
            }
        }
    }

    async fn pass(mut self, mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, is_neighbour: bool) {
        let mut bytes = [0; 4096];
        loop {
            let count = tokio::select! {
                read = from.read(&mut bytes) => match read {
                    Ok(0) | Err(_) => return,
                    Ok(count) => count,
                },
                changed = self.fault.changed() => {
                    let fault = *self.fault.borrow();
                    if changed.is_err() {
                        return;
                    }
                    if self.neighbour == Neighbour::Called || !is_neighbour {
                        continue;
                    }
                    // Unsolicited data.
                    if fault == Fault::Garbage && to.write_all(&random_bytes(64)).await.is_err() {
                        return;
                    }
                    if matches!(fault, Fault::Garbage | Fault::Trickling | Fault::Silent) {
                        self.meets(fault);
                    }
                    continue;
                }
            };
            let Some(message) = bytes.get(..count) else { return };
            if !self.forward(message, &mut to, is_neighbour).await {
                return;
            }
        }
    }

    /// Returns false if the connection has ended.
    async fn forward(&mut self, mut message: &[u8], to: &mut tcp::OwnedWriteHalf, is_neighbour: bool) -> bool {
        while let Some(first) = message.get(..1) {
            let fault = *self.fault.borrow_and_update();
            let result = match fault {
                Fault::Silent => {
                    self.meets(fault);
                    if self.fault.changed().await.is_err() {
                        return false;
                    }
                    continue;
                }
                Fault::Trickling if is_neighbour => {
                    self.meets(fault);
                    let result = to.write_all(first).await;
                    message = message.get(1..).unwrap_or_default();
                    tokio::select! {
                        () = sleep(Duration::from_secs(1)) => {}
                        _ = self.fault.changed() => {}
                    }
                    result
                }
                Fault::Garbage if is_neighbour => {
                    self.meets(fault);
                    to.write_all(&random_bytes(std::mem::take(&mut message).len())).await
                }
                _ => to.write_all(std::mem::take(&mut message)).await,
            };
            if result.is_err() {
                return false;
            }
        }
        true
    }
}

/// Returns deterministic noise that is neither valid HTTP nor a valid frame.
fn random_bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0] | 0x80
    };
    std::iter::repeat_with(next).take(length).collect()
}
