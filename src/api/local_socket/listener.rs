//! Accepts commands and answers them.

use std::{io, path::Path, sync::Arc, time::Duration};

use gangway_base::{clock::SharedClock, tasks::Tasks};
use jiff::Timestamp;
use tokio::{
    io::AsyncReadExt,
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
};
use zeroize::Zeroizing;

use super::{
    Greeting, KEEP_ALIVE, PROTOCOL, REQUEST_BYTES, SocketDirectory,
    frame::{self, FrameError},
    lost_socket::WatchLocalSocket,
    path::SocketFile,
    user_name,
};
use crate::service::{
    IMPORT_BYTES,
    command::{CommandCall, CommandError, CommandReply, CommandService, Replies},
};

/// Commands that are served at the same time.
const CONNECTIONS: usize = 16;
/// How long the request, the file that follows it, and the reading of one reply may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whose commands are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerPolicy {
    /// The user ids.
    pub allowed: Vec<u32>,
}

impl PeerPolicy {
    /// Accepts root and the user of this process, who owns the data.
    #[must_use]
    pub fn owner_and_root() -> Self {
        Self { allowed: vec![rustix::process::geteuid().as_raw(), 0] }
    }
}

/// The socket of a gateway that holds the serve lock.
pub struct LocalSocketListener {
    directory: Arc<SocketDirectory>,
    file: SocketFile,
    listener: std::os::unix::net::UnixListener,
    peers: PeerPolicy,
}

impl LocalSocketListener {
    /// Creates the socket in the data directory.
    ///
    /// # Errors
    /// When the file system cannot create it.
    pub fn bind(dir: &Path, peers: PeerPolicy) -> io::Result<Self> {
        let directory = Arc::new(SocketDirectory::open(dir)?);
        let (listener, file) = directory.bind()?;
        Ok(Self { directory, file, listener, peers })
    }

    /// Serves commands on the current runtime until the gateway stops. Then removes the socket. A socket that is
    /// removed before is created again.
    pub async fn serve(self, service: CommandService, tasks: Tasks) {
        let mut listener = match UnixListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "commands cannot reach this gateway: its local socket cannot be used");
                return;
            }
        };
        let (service, turns) = (Arc::new(service), Arc::new(Semaphore::new(CONNECTIONS)));
        let (listeners, mut replacements) = mpsc::channel(1);
        let watch = WatchLocalSocket {
            directory: Arc::clone(&self.directory),
            file: self.file,
            listeners,
            tasks: tasks.clone(),
            has_failed: false,
        };
        tasks.every(watch, &service.clock);
        loop {
            let accepted = tokio::select! {
                () = tasks.stopping() => break,
                Some(replacement) = replacements.recv() => {
                    listener = replacement;
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, _)) => {
                    let uid = socket.peer_cred().map(|peer| peer.uid());
                    let turn = Arc::clone(&turns).try_acquire_owned();
                    let user = match (uid, &turn) {
                        (Err(error), _) => Err(format!("the gateway cannot tell who calls: {error}")),
                        (Ok(uid), _) if !self.peers.allowed.contains(&uid) => Err(format!(
                            "the gateway takes commands from the owner of its data and from root, not from {}",
                            user_name(uid)
                        )),
                        (Ok(_), Err(_)) => Err(format!("the gateway serves {CONNECTIONS} commands already: try again")),
                        (Ok(uid), Ok(_)) => Ok(user_name(uid)),
                    };
                    let connection = Connection { socket, clock: Arc::clone(&service.clock) };
                    let (service, stopping) = (Arc::clone(&service), tasks.clone());
                    tasks.spawn("command", async move {
                        let _turn = turn;
                        if let Err(error) = connection.serve(&service, user, &stopping).await {
                            tracing::debug!(%error, "a command ended early");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a command could not connect");
                    // Descriptors are used up, for example; they may be free again later.
                    let later = service.clock.now().saturating_add(Duration::from_millis(200));
                    service.clock.sleep_until(later.unwrap_or(Timestamp::MAX)).await;
                }
            }
        }
        if let Err(error) = self.directory.remove() {
            tracing::debug!(%error, "the local socket stays");
        }
    }
}

struct Connection {
    socket: UnixStream,
    clock: SharedClock,
}

impl Connection {
    async fn serve(
        mut self,
        service: &CommandService,
        user: Result<String, String>,
        tasks: &Tasks,
    ) -> Result<(), FrameError> {
        let greeting = Greeting {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            refusal: user.as_ref().err().cloned(),
        };
        let deadline = after(&self.clock, PATIENCE);
        let request = async {
            frame::write(&mut self.socket, &greeting).await?;
            let Ok(user) = user else { return Ok(None) };
            let call: CommandCall = match frame::read(&mut self.socket, REQUEST_BYTES).await {
                Err(error @ (FrameError::Malformed(_) | FrameError::TooLong { .. })) => {
                    let error = CommandError::rejected(format!("the gateway does not understand the command: {error}"));
                    frame::write(&mut self.socket, &CommandReply::Failed { error }).await?;
                    return Ok(None);
                }
                read => read?,
            };
            let content = match call.request.has_content() {
                true => match frame::read_bytes(&mut self.socket, IMPORT_BYTES).await {
                    Err(error @ FrameError::TooLong { .. }) => {
                        let error = CommandError::rejected(format!("the gateway does not accept the file: {error}"));
                        frame::write(&mut self.socket, &CommandReply::Failed { error }).await?;
                        return Ok(None);
                    }
                    read => read?,
                },
                false => Zeroizing::default(),
            };
            frame::write(&mut self.socket, &CommandReply::Accepted).await?;
            Ok::<_, FrameError>(Some((call, content, user)))
        };
        let request = tokio::select! {
            () = tasks.stopping() => return Ok(()),
            () = self.clock.sleep_until(deadline) => return Err(FrameError::Closed),
            request = request => request?,
        };
        let Some((call, content, user)) = request else { return Ok(()) };
        let (replies, mut inbox) = Replies::channel();
        let work = async {
            let result = tokio::select! {
                biased;
                result = service.execute(call, content, &user, &replies) => result,
                () = tasks.stopping() => Err(CommandError::failed("the gateway stops: start it again, and repeat the command")),
            };
            let last = match result {
                Ok(result) => CommandReply::Done { result },
                Err(error) => CommandReply::Failed { error },
            };
            replies.send(last).await;
            drop(replies);
        };
        let (mut reader, mut writer) = self.socket.split();
        let clock = &self.clock;
        let answer = async {
            let mut byte = [0];
            let written = loop {
                let reply = tokio::select! {
                    biased;
                    reply = inbox.recv() => reply,
                    // A command sends nothing after its request, so this is its end.
                    _ = reader.read(&mut byte) => break Err(FrameError::Closed),
                    () = clock.sleep_until(after(clock, KEEP_ALIVE)) => Some(CommandReply::Working),
                };
                let Some(reply) = reply else { break Ok(()) };
                tokio::select! {
                    written = frame::write(&mut writer, &reply) => {
                        if written.is_err() {
                            break written;
                        }
                    }
                    () = clock.sleep_until(after(clock, PATIENCE)) => break Err(FrameError::Closed),
                }
            };
            // Work that only waits for an event ends when the command has gone.
            drop(inbox);
            written
        };
        tokio::join!(work, answer).1
    }
}

fn after(clock: &SharedClock, pause: Duration) -> Timestamp {
    clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX)
}
