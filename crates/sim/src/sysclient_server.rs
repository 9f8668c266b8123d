//! The sysclient port of Devices alone, over plain TCP or TLS: for tests of the sysclient pool and for its benchmark, which
//! need thousands of sockets and a sudden end. [`crate::devices::Devices`] simulates the whole app.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a peer of tests may fail loudly")]

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Instant,
};

use actix_codec::Framed;
use actix_http::ws::{Codec, Frame, Message, hash_key};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// What the server knows and has received.
#[derive(Default)]
pub struct SysclientServerState {
    /// Codes that open a domain; taken out when used.
    pub codes: HashSet<String>,
    /// Passwords by hardware ID.
    pub passwords: HashMap<String, String>,
    /// Every identify message, in order.
    pub identified: Vec<Value>,
    /// When the sockets were opened.
    pub opened: Vec<Instant>,
    /// Open sockets by hardware ID.
    pub sockets: HashMap<String, Vec<mpsc::UnboundedSender<Message>>>,
    /// The greatest number of simultaneous sockets of one hardware ID.
    pub most_at_once: usize,
    /// Received tunnel frames.
    pub tunnelled: Vec<Vec<u8>>,
    /// Number of received pings.
    pub pings: usize,
    /// Number of members that were sent their configuration.
    pub served: usize,
}

/// A listening server; [`Self::kill`] ends it.
pub struct SysclientServer {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it knows and has seen.
    pub known: Arc<Mutex<SysclientServerState>>,
    /// Ends listener and sockets.
    pub stop: CancellationToken,
}

impl SysclientServer {
    /// Listens; `address` with port 0 takes a free one.
    pub async fn start(
        address: SocketAddr,
        known: Arc<Mutex<SysclientServerState>>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = loop {
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        };
        let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
        let (state, stopped) = (Arc::clone(&known), stop.clone());
        let accept = async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (state, tls, stopped) = (Arc::clone(&state), tls.clone(), stopped.clone());
                tokio::task::spawn_local(stopped.run_until_cancelled_owned(async move {
                    match tls {
                        None => serve(socket, state).await,
                        Some(tls) => {
                            if let Ok(socket) = tokio_rustls::TlsAcceptor::from(tls).accept(socket).await {
                                serve(socket, state).await;
                            }
                        }
                    }
                }));
            }
        };
        tokio::task::spawn_local(stop.clone().run_until_cancelled_owned(accept));
        Self { address, known, stop }
    }

    /// Closes the listener and the sockets without a close frame, as SIGKILL does.
    pub fn kill(&self) {
        self.stop.cancel();
        self.known.lock().unwrap().sockets.clear();
    }

    /// Sends a frame to every socket of a device.
    pub fn send(&self, id: &str, frame: Vec<u8>) {
        let frame = Bytes::from(frame);
        for socket in self.known.lock().unwrap().sockets.get(id).into_iter().flatten() {
            let _ = socket.send(Message::Binary(frame.clone()));
        }
    }
}

/// An admin frame: 01, type, JSON.
pub fn admin(kind: u8, json: &Value) -> Vec<u8> {
    [&[1, 0, kind], json.to_string().as_bytes()].concat()
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut socket: S, known: Arc<Mutex<SysclientServerState>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match socket.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim().to_owned())
    });
    let accept = String::from_utf8_lossy(&hash_key(key.unwrap().as_bytes())).into_owned();
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    if socket.write_all(answer.as_bytes()).await.is_err() || socket.flush().await.is_err() {
        return;
    }
    known.lock().unwrap().opened.push(Instant::now());
    let (sender, mut outgoing) = mpsc::unbounded_channel();
    let (mut framed, mut id, mut challenge) = (Framed::new(socket, Codec::new()), String::new(), None::<String>);
    loop {
        tokio::select! {
            frame = framed.next() => match frame {
                Some(Ok(Frame::Binary(bytes))) if bytes[0] == 1 => {
                    assert_eq!(&bytes[..3], [1, 0, 0], "only identify comes from a phone");
                    let identify: Value = serde_json::from_slice(&bytes[3..]).unwrap();
                    id = identify["id"].as_str().unwrap().to_owned();
                    let mut known = known.lock().unwrap();
                    let sockets = known.sockets.entry(id.clone()).or_default();
                    if !sockets.iter().any(|socket| socket.same_channel(&sender)) {
                        sockets.push(sender.clone());
                    }
                    known.most_at_once = known.most_at_once.max(known.sockets[&id].len());
                    for answer in answers(&mut known, &identify, &mut challenge) {
                        let _ = sender.send(Message::Binary(answer.into()));
                    }
                    known.identified.push(identify);
                }
                Some(Ok(Frame::Binary(bytes))) => known.lock().unwrap().tunnelled.push(bytes.to_vec()),
                Some(Ok(Frame::Ping(payload))) => {
                    known.lock().unwrap().pings += 1;
                    let _ = framed.send(Message::Pong(payload)).await;
                }
                Some(Ok(Frame::Close(_))) => { let _ = framed.send(Message::Close(None)).await; break; }
                Some(Ok(_)) => {}
                _ => break,
            },
            message = outgoing.recv() => match message {
                Some(message) => if framed.send(message).await.is_err() { break },
                None => break,
            },
        }
    }
    if let Some(sockets) = known.lock().unwrap().sockets.get_mut(&id) {
        sockets.retain(|socket| !socket.same_channel(&sender));
    }
}

fn answers(known: &mut SysclientServerState, identify: &Value, challenge: &mut Option<String>) -> Vec<Vec<u8>> {
    let id = identify["id"].as_str().unwrap();
    let burst = |first: Option<Vec<u8>>| {
        let ntp = admin(6, &json!({"config":{"type":"NTP","ntp1":"10.0.0.1"}}));
        let media = admin(6, &json!({"config":{"type":"MEDIA","coder":"OPUS-WB"},"last":true}));
        first.into_iter().chain([ntp, media]).collect()
    };
    if let Some(code) = identify["provisioningCode"].as_str() {
        if !known.codes.remove(code) {
            return Vec::new();
        }
        let password = format!("password of {id} by code {code}");
        known.passwords.insert(id.to_owned(), password.clone());
        known.served += 1;
        return burst(Some(admin(1, &json!({ "password": password }))));
    }
    let Some(password) = known.passwords.get(id) else { return Vec::new() };
    match (identify["digest"].as_str(), challenge.take()) {
        (Some(digest), Some(nonce)) => {
            let (product, version) = (identify["product"].as_str().unwrap(), identify["version"].as_str().unwrap());
            let right = Sha256::digest(format!("{id}:{product}:{version}:{nonce}:{password}"));
            if digest != HEXLOWER.encode(&right) {
                return Vec::new();
            }
            known.served += 1;
            burst(None)
        }
        _ => {
            let nonce = format!("{}", 1_000_000 + known.identified.len());
            *challenge = Some(nonce.clone());
            vec![admin(2, &json!({ "challenge": nonce }))]
        }
    }
}
