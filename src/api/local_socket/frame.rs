//! Frames: a length of four bytes (big endian), then that many bytes. The length is checked before anything is buffered.

use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// Why a frame cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer has closed the connection, possibly within a frame.
    #[error("the connection was closed")]
    Closed,
    /// The frame is too long.
    #[error("a message has {length} bytes, the limit is {limit}")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The frame does not contain the expected message.
    #[error("a message cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The socket failed.
    #[error(transparent)]
    Io(std::io::Error),
}

impl From<std::io::Error> for FrameError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Self::Closed,
            _ => Self::Io(error),
        }
    }
}

/// Reads the bytes of one frame. They may contain secrets and are wiped when they are dropped.
///
/// # Errors
/// When the frame is longer than `limit`, or the socket fails.
pub async fn read_bytes(socket: &mut (impl AsyncRead + Unpin), limit: usize) -> Result<Zeroizing<Vec<u8>>, FrameError> {
    let length = usize::try_from(socket.read_u32().await?).unwrap_or(usize::MAX);
    if length > limit {
        return Err(FrameError::TooLong { length, limit });
    }
    // The whole capacity at once: a vector that grows would leave copies of secrets behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(length));
    socket.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(FrameError::Closed);
    }
    Ok(bytes)
}

/// Reads a message.
///
/// # Errors
/// As [`read_bytes`], or when the frame does not contain such a message.
pub async fn read<T: DeserializeOwned>(socket: &mut (impl AsyncRead + Unpin), limit: usize) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(&read_bytes(socket, limit).await?)?)
}

/// Writes the bytes of one frame.
///
/// # Errors
/// When the bytes are too many for a frame, or the socket fails.
pub async fn write_bytes(socket: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), FrameError> {
    let length = u32::try_from(bytes.len())
        .map_err(|_many| FrameError::TooLong { length: bytes.len(), limit: u32::MAX as usize })?;
    socket.write_u32(length).await?;
    socket.write_all(bytes).await?;
    Ok(socket.flush().await?)
}

/// Writes a message.
///
/// # Errors
/// As [`write_bytes`].
pub async fn write(socket: &mut (impl AsyncWrite + Unpin), message: &impl Serialize) -> Result<(), FrameError> {
    let bytes = Zeroizing::new(serde_json::to_vec(message)?);
    write_bytes(socket, &bytes).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_is_read_back_and_its_length_is_checked_first() {
        let (mut near, mut far) = tokio::io::duplex(64);
        let sent = async {
            write(&mut near, &"hello").await.unwrap();
            near.write_u32(u32::MAX).await.unwrap();
        };
        let read_back = async {
            assert_eq!(read::<String>(&mut far, 100).await.unwrap(), "hello");
            let error = read_bytes(&mut far, 100).await.unwrap_err();
            assert!(matches!(error, FrameError::TooLong { limit: 100, .. }), "{error}");
        };
        tokio::join!(sent, read_back);
    }

    #[tokio::test]
    async fn a_frame_that_ends_early_or_holds_garbage_is_an_error() {
        let (mut near, mut far) = tokio::io::duplex(64);
        write_bytes(&mut near, b"{").await.unwrap();
        near.write_all(&[0, 0, 0, 9, b'x']).await.unwrap();
        drop(near);
        assert!(matches!(read::<String>(&mut far, 100).await.unwrap_err(), FrameError::Malformed(_)));
        assert!(matches!(read_bytes(&mut far, 100).await.unwrap_err(), FrameError::Closed));
    }
}
