//! One outgoing AppWebsocket of a simulator. It is opened on the host's thread and can be used from any thread. Tests
//! also use it to log in under a false identity.

use std::time::Duration;

use awc::ws::{Frame, Message};
use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use gangway_base::tasks::Tasks;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::{
    crypt, fetch,
    host::{HostGone, HostHandle},
    login::LoginForm,
};

/// The client's websocket. The concrete type belongs to a crate that is not a direct dependency.
trait Socket: Stream<Item = Result<Frame, Self::Broken>> + Sink<Message> + Unpin + 'static {
    type Broken;
}

impl<T, E> Socket for T
where
    T: Stream<Item = Result<Frame, E>> + Sink<Message> + Unpin + 'static,
{
    type Broken = E;
}

/// Capacity of the message queue in either direction.
const QUEUE: usize = 1024;
/// How long a login may take.
const LOGIN: Duration = Duration::from_secs(10);
const LARGEST_FRAME: usize = 2 << 20;

/// An open, logged-in AppWebsocket. Dropping it closes the connection.
#[derive(Debug)]
pub struct AppSession {
    outgoing: mpsc::Sender<Outgoing>,
    incoming: mpsc::Receiver<Value>,
    session_key: String,
}

#[derive(Debug)]
enum Outgoing {
    Text(String),
    Close,
}

/// Why a session could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No connection, or the server does not accept websockets.
    #[error("no websocket at {url}: {reason}")]
    Connect {
        /// The URL that was tried.
        url: String,
        /// The error that the client reported.
        reason: String,
    },
    /// The server rejected the login, or closed the connection instead of answering.
    #[error("the login was refused")]
    Refused,
    /// No answer within ten seconds.
    #[error("no answer to the login")]
    TimedOut,
    /// The host ended in the meantime.
    #[error(transparent)]
    Host(#[from] HostGone),
}

impl AppSession {
    /// Connects and logs in with `form`.
    pub async fn open(host: &HostHandle, url: &str, form: LoginForm) -> Result<Self, OpenError> {
        let url = url.to_owned();
        host.run(move |tasks| async move { Self::open_here(&tasks, &url, &form).await }).await?
    }

    /// As [`AppSession::open`], for code that already runs on the host's thread.
    pub(super) async fn open_here(tasks: &Tasks, url: &str, form: &LoginForm) -> Result<Self, OpenError> {
        let login = async {
            let mut socket = connect(url).await?;
            let key = login(&mut socket, form).await?;
            Ok::<_, OpenError>((socket, key))
        };
        let (socket, session_key) = tokio::time::timeout(LOGIN, login).await.map_err(|_lost| OpenError::TimedOut)??;
        let (outgoing, to_send) = mpsc::channel(QUEUE);
        let (received, incoming) = mpsc::channel(QUEUE);
        let stop = tasks.stop_token();
        tasks.spawn_local("sim session", async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = carry(socket, to_send, received) => {}
            }
        });
        Ok(Self { outgoing, incoming, session_key })
    }

    /// Connects without a login. The caller decides what to send.
    pub async fn open_without_login(host: &HostHandle, url: &str) -> Result<Self, OpenError> {
        let url = url.to_owned();
        host.run(move |tasks| async move {
            let socket = connect(&url).await?;
            let (outgoing, to_send) = mpsc::channel(QUEUE);
            let (received, incoming) = mpsc::channel(QUEUE);
            tasks.spawn_local("sim session", carry(socket, to_send, received));
            Ok(Self { outgoing, incoming, session_key: String::new() })
        })
        .await?
    }

    /// The key that encrypts passwords on this connection.
    #[must_use]
    pub fn session_key(&self) -> &str {
        &self.session_key
    }

    /// Encrypts a text for this connection, as is done for passwords in `ProvisioningPhone`.
    #[must_use]
    pub fn encrypt(&self, seed: &str, plain: &str) -> String {
        crypt::encrypt(seed, &self.session_key, plain)
    }

    /// Sends one message; returns false if the connection has ended.
    pub async fn send(&self, message: &Value) -> bool {
        self.send_text(message.to_string()).await
    }

    /// Sends any text, valid JSON or not.
    pub async fn send_text(&self, text: String) -> bool {
        self.outgoing.send(Outgoing::Text(text)).await.is_ok()
    }

    /// Returns the next message; `None` if the connection has ended.
    pub async fn next(&mut self) -> Option<Value> {
        self.incoming.recv().await
    }

    /// Returns the next message with this `mt` and discards others. `None` if the connection ends or 20 s have passed.
    pub async fn next_of(&mut self, mt: &str) -> Option<Value> {
        let search = async {
            loop {
                let message = self.next().await?;
                if message["mt"] == mt {
                    return Some(message);
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), search).await.ok().flatten()
    }

    /// Closes the connection with a close frame.
    pub async fn close(&self) {
        let _ = self.outgoing.send(Outgoing::Close).await;
    }

    /// Returns the sending half.
    pub(super) fn sender(&self) -> Sender {
        Sender(self.outgoing.clone())
    }
}

/// Sends on a session whose messages another task reads.
#[derive(Debug, Clone)]
pub(super) struct Sender(mpsc::Sender<Outgoing>);

impl Sender {
    /// Sends one message; returns false if the connection has ended.
    pub(super) async fn send(&self, message: &Value) -> bool {
        self.0.send(Outgoing::Text(message.to_string())).await.is_ok()
    }
}

async fn connect(url: &str) -> Result<impl Socket, OpenError> {
    let connecting = fetch::client().ws(url).max_frame_size(LARGEST_FRAME).connect().await;
    let (_, socket) =
        connecting.map_err(|error| OpenError::Connect { url: url.to_owned(), reason: error.to_string() })?;
    Ok(socket)
}

async fn login(socket: &mut impl Socket, form: &LoginForm) -> Result<String, OpenError> {
    let challenge = json!({ "mt": "AppChallenge" });
    send_text(socket, challenge.to_string()).await?;
    let answer = receive_message(socket, "AppChallengeResult").await?;
    let challenge = answer["challenge"].as_str().unwrap_or_default().to_owned();
    send_text(socket, form.message(&challenge).to_string()).await?;
    let answer = receive_message(socket, "AppLoginResult").await?;
    if answer["ok"] == true { Ok(form.session_key(&challenge)) } else { Err(OpenError::Refused) }
}

async fn send_text(socket: &mut impl Socket, text: String) -> Result<(), OpenError> {
    socket.send(Message::Text(text.into())).await.map_err(|_lost| OpenError::Refused)
}

async fn receive_message(socket: &mut impl Socket, mt: &str) -> Result<Value, OpenError> {
    loop {
        match socket.next().await {
            Some(Ok(Frame::Text(text))) => {
                let message: Value = serde_json::from_slice(&text).unwrap_or_default();
                if message["mt"] == mt {
                    return Ok(message);
                }
            }
            Some(Ok(Frame::Ping(ping))) => {
                let _ = socket.send(Message::Pong(ping)).await;
            }
            Some(Ok(Frame::Close(_)) | Err(_)) | None => return Err(OpenError::Refused),
            Some(Ok(_)) => {}
        }
    }
}

async fn carry(mut socket: impl Socket, mut to_send: mpsc::Receiver<Outgoing>, received: mpsc::Sender<Value>) {
    let mut partial = Vec::new();
    loop {
        tokio::select! {
            outgoing = to_send.recv() => match outgoing {
                Some(Outgoing::Text(text)) => {
                    if socket.send(Message::Text(text.into())).await.is_err() {
                        return;
                    }
                }
                Some(Outgoing::Close) | None => {
                    let _ = socket.send(Message::Close(None)).await;
                    return;
                }
            },
            // The reader dropped the session. An answer may still be queued for sending.
            () = received.closed() => {
                let _ = socket.send(Message::Close(None)).await;
                return;
            }
            frame = socket.next() => {
                let text: Option<Bytes> = match frame {
                    Some(Ok(Frame::Text(text))) => Some(text),
                    Some(Ok(Frame::Continuation(item))) => join(&mut partial, item),
                    Some(Ok(Frame::Ping(ping))) => {
                        let _ = socket.send(Message::Pong(ping)).await;
                        None
                    }
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => None,
                };
                if let Some(message) = text.and_then(|text| serde_json::from_slice(&text).ok())
                    && received.send(message).await.is_err()
                {
                    return;
                }
            }
        }
    }
}

/// Joins the fragments of one text; the client delivers them one by one.
fn join(partial: &mut Vec<u8>, item: actix_ws::Item) -> Option<Bytes> {
    use actix_ws::Item;
    match item {
        Item::FirstText(part) | Item::FirstBinary(part) => {
            *partial = part.to_vec();
            None
        }
        Item::Continue(part) => {
            partial.extend_from_slice(&part);
            None
        }
        Item::Last(part) => {
            partial.extend_from_slice(&part);
            Some(std::mem::take(partial).into())
        }
    }
}
