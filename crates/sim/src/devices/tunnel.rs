//! HTTP through the sysclient connection, on the Devices side.

use std::time::Duration;

use tokio::sync::mpsc;

use super::{
    frame::{self, event},
    state::DevicesState,
};
use crate::board::Board;

const TIMEOUT: Duration = Duration::from_secs(15);
const QUEUE: usize = 256;

/// Why the tunnel returned no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TunnelError {
    /// No open connection.
    #[error("the device is not connected")]
    NotConnected,
    /// No answer within 15 seconds.
    #[error("the device did not answer through its tunnel")]
    TimedOut,
    /// The connection ended.
    #[error("the device's connection ended")]
    Closed,
}

/// Sends one request and collects the answer until the device ends it with an empty message or a shutdown.
pub(super) async fn exchange(board: &Board<DevicesState>, hw_id: &str, request: &[u8]) -> Result<Vec<u8>, TunnelError> {
    let (answers, mut events) = mpsc::channel(QUEUE);
    let (connection, session) = board.change(|state| {
        let session = u32::try_from(state.next_id()).unwrap_or_default();
        let open = state.connections.iter_mut().rev().find(|(_, open)| open.hw_id.as_deref() == Some(hw_id));
        let (connection, open) = open.ok_or(TunnelError::NotConnected)?;
        open.tunnels.insert(session, answers);
        Ok((*connection, session))
    })?;
    let send = |what: u32, data: &[u8]| {
        let frame = frame::write_tunnel(session, what, data);
        if board.change(|state| state.send(connection, frame)) { Ok(()) } else { Err(TunnelError::Closed) }
    };
    let talk = async {
        send(event::SEND, request)?;
        let mut collected = Vec::new();
        while let Some((what, data)) = events.recv().await {
            match what {
                event::SEND_RESULT => send(event::RECEIVE, &[0; 4])?,
                event::RECEIVE_RESULT if data.is_empty() => {
                    send(event::SHUTDOWN, &[])?;
                    return Ok(collected);
                }
                event::RECEIVE_RESULT => {
                    collected.extend_from_slice(&data);
                    send(event::RECEIVE, &[0; 4])?;
                }
                event::SHUTDOWN => {
                    send(event::SHUTDOWN, &[])?;
                    return Ok(collected);
                }
                _ => {}
            }
        }
        Err(TunnelError::Closed)
    };
    let outcome = tokio::time::timeout(TIMEOUT, talk).await.unwrap_or(Err(TunnelError::TimedOut));
    board.change(|state| state.connections.get_mut(&connection).map(|open| open.tunnels.remove(&session)));
    outcome
}
