//! The side of a command: connects to the running gateway and exchanges one request for its replies.
//!
//! The gateway is never silent for long, so a command waits for each message for a limited time. A gateway that is
//! stopped or hangs keeps no command waiting.

use std::{future::Future, io, time::Duration};

use gangway_base::clock::SharedClock;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{
    GREETING_BYTES, Greeting, PROTOCOL, REPLY_BYTES, SILENCE_LIMIT, SocketDirectory,
    frame::{self, FrameError},
};
use crate::service::command::{CommandCall, CommandError, CommandReply};

/// How long a gateway may take to greet.
const GREETING_LIMIT: Duration = Duration::from_secs(10);

/// Why no gateway can be asked, although the socket exists.
#[derive(Debug, thiserror::Error)]
pub enum GreetingError {
    /// The socket cannot be used.
    #[error("the gateway cannot be reached at {socket}")]
    Unreachable {
        /// The socket.
        socket: String,
        /// Why.
        source: io::Error,
    },
    /// The process that listens there sends no greeting of a gateway.
    #[error("no gateway answers at {socket}")]
    Odd {
        /// The socket.
        socket: String,
        /// Why it cannot be read.
        source: FrameError,
    },
    /// The gateway sends no greeting.
    #[error(
        "the gateway does not answer at {socket} within {} s: look at its log, and restart it",
        GREETING_LIMIT.as_secs()
    )]
    Silent {
        /// The socket.
        socket: String,
    },
    /// Gateway and command speak different versions of the protocol.
    #[error("the running gateway is version {0}, this command is version {own}: restart the gateway", own = env!("CARGO_PKG_VERSION"))]
    OtherVersion(String),
    /// The gateway accepts no command from this user now; with the reason.
    #[error("{0}")]
    Refused(String),
}

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The gateway closed the connection before it accepted the request. Nothing was done.
    #[error("the gateway does not accept the command. Nothing is changed; look at its log, and restart it")]
    NotAccepted,
    /// The gateway does not accept the request in time. It discards the request once this connection is closed.
    #[error(
        "the gateway does not accept the command within {} s. Nothing is changed; look at its log, and restart it",
        SILENCE_LIMIT.as_secs()
    )]
    AcceptanceLate,
    /// The gateway ended after it had accepted the request.
    #[error(
        "the gateway ended in the middle of it; once it is started again, the same command once more goes on with the rest"
    )]
    Ended,
    /// The gateway has accepted the request and sends nothing any more.
    #[error(
        "the gateway has sent nothing for {} s in the middle of it: look at its log, and restart it; then the same command \
         once more goes on with the rest",
        SILENCE_LIMIT.as_secs()
    )]
    Silent,
    /// A message cannot be read or written.
    #[error("the gateway and this command do not understand each other")]
    Misunderstood(#[source] FrameError),
}

/// A connection to a running gateway that has greeted.
pub struct GatewayConnection {
    socket: UnixStream,
    clock: SharedClock,
}

impl GatewayConnection {
    /// Connects to the gateway of a data directory. Returns `None` if none accepts a request now.
    ///
    /// # Errors
    /// If one runs and does not greet, or rejects this command.
    pub async fn open(directory: &SocketDirectory, clock: SharedClock) -> Result<Option<Self>, GreetingError> {
        let socket = || directory.socket().display().to_string();
        let unreachable = |source| GreetingError::Unreachable { socket: socket(), source };
        let Some(stream) = directory.connect().map_err(unreachable)? else { return Ok(None) };
        let mut stream = UnixStream::from_std(stream).map_err(unreachable)?;
        let greeting: Greeting = match within(&clock, GREETING_LIMIT, frame::read(&mut stream, GREETING_BYTES)).await {
            Some(Ok(greeting)) => greeting,
            Some(Err(FrameError::Closed)) => return Ok(None),
            Some(Err(source)) => return Err(GreetingError::Odd { socket: socket(), source }),
            None => return Err(GreetingError::Silent { socket: socket() }),
        };
        if greeting.protocol != PROTOCOL {
            return Err(GreetingError::OtherVersion(greeting.version));
        }
        match greeting.refusal {
            Some(refusal) => Err(GreetingError::Refused(refusal)),
            None => Ok(Some(Self { socket: stream, clock })),
        }
    }

    /// Sends a request, with the contents of a file if it has one, and passes the replies before the last one to
    /// `on_reply`. Returns the result of the request.
    ///
    /// # Errors
    /// If the gateway does not accept the request, ends, or sends nothing for [`SILENCE_LIMIT`].
    pub async fn exchange(
        mut self,
        call: &CommandCall,
        content: &[u8],
        mut on_reply: impl FnMut(CommandReply),
    ) -> Result<Result<Value, CommandError>, ExchangeError> {
        let socket = &mut self.socket;
        let first = async {
            frame::write(socket, call).await?;
            if call.request.has_content() {
                frame::write_bytes(socket, content).await?;
            }
            frame::read(socket, REPLY_BYTES).await
        };
        let mut reply = match within(&self.clock, SILENCE_LIMIT, first).await {
            Some(Ok(reply)) => reply,
            Some(Err(FrameError::Closed)) => return Err(ExchangeError::NotAccepted),
            Some(Err(error)) => return Err(ExchangeError::Misunderstood(error)),
            None => return Err(ExchangeError::AcceptanceLate),
        };
        loop {
            match reply {
                CommandReply::Done { result } => return Ok(Ok(result)),
                CommandReply::Failed { error } => return Ok(Err(error)),
                other => on_reply(other),
            }
            reply = match within(&self.clock, SILENCE_LIMIT, frame::read(&mut self.socket, REPLY_BYTES)).await {
                Some(Ok(reply)) => reply,
                Some(Err(FrameError::Closed)) => return Err(ExchangeError::Ended),
                Some(Err(error)) => return Err(ExchangeError::Misunderstood(error)),
                None => return Err(ExchangeError::Silent),
            };
        }
    }
}

/// The result of `work`, or `None` if it takes longer than `limit`. What has arrived counts, however late it is looked
/// at: the command itself may have been stopped meanwhile.
async fn within<T>(clock: &SharedClock, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let end = clock.now().saturating_add(limit).unwrap_or(Timestamp::MAX);
    tokio::select! {
        biased;
        done = work => Some(done),
        () = clock.sleep_until(end) => None,
    }
}
