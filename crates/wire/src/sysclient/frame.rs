//! Encodes and decodes frames: one per binary websocket message, numbers in big endian.
//!
//! ```text
//! admin : 01 | type (2 bytes)    | JSON text, UTF-8
//! tunnel: 02 | session (4 bytes) | event (4 bytes) | data
//! ```

/// The longest frame that is decoded, in bytes.
pub const FRAME_LIMIT: usize = 1 << 20;

/// The content of an admin frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdminKind {
    /// Identification of the device (to Devices).
    Identify,
    /// The sysclient password (from Devices).
    Password,
    /// A challenge to prove that password (from Devices).
    Challenge,
    /// The domain's administrative password (from Devices).
    AdminPassword,
    /// Provisioning of an FXS interface (to Devices); not for phones.
    ProvisionInterface,
    /// Result of the provisioning (from Devices).
    ProvisionResult,
    /// A part of the device configuration (from Devices).
    Configuration,
    /// A type of a later edition.
    Unknown(u16),
}

impl AdminKind {
    /// Converts the number on the wire.
    #[must_use]
    pub fn from_number(number: u16) -> Self {
        match number {
            0 => Self::Identify,
            1 => Self::Password,
            2 => Self::Challenge,
            3 => Self::AdminPassword,
            4 => Self::ProvisionInterface,
            5 => Self::ProvisionResult,
            6 => Self::Configuration,
            other => Self::Unknown(other),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Identify => 0,
            Self::Password => 1,
            Self::Challenge => 2,
            Self::AdminPassword => 3,
            Self::ProvisionInterface => 4,
            Self::ProvisionResult => 5,
            Self::Configuration => 6,
            Self::Unknown(other) => other,
        }
    }
}

/// Events of a tunnel frame.
pub mod tunnel_event {
    /// Devices -> device: bytes for the device's web server.
    pub const SEND: u32 = 0;
    /// Devices -> device: requests bytes; a four-byte length follows (0 = any).
    pub const RECEIVE: u32 = 1;
    /// Device -> Devices: bytes from the web server.
    pub const RECEIVE_RESULT: u32 = 2;
    /// Device -> Devices: acknowledges [`SEND`].
    pub const SEND_RESULT: u32 = 3;
    /// Both directions: the session ends; the device echoes it.
    pub const SHUTDOWN: u32 = 4;
}

/// A frame that borrows from the received message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message about the device itself.
    Admin {
        /// Type of the message.
        kind: AdminKind,
        /// Content as JSON text.
        json: &'a str,
    },
    /// Data of a connection to the device's web server.
    Tunnel {
        /// Id of the connection.
        session: u32,
        /// One of [`tunnel_event`], or an event of a later edition.
        event: u32,
        /// Content.
        data: &'a [u8],
    },
}

/// Why bytes are not a valid frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`FRAME_LIMIT`].
    #[error("the frame has {0} bytes, {FRAME_LIMIT} are allowed")]
    TooLarge(usize),
    /// Shorter than the frame header.
    #[error("the frame ends after {0} bytes, inside its head")]
    TooShort(usize),
    /// Neither an admin nor a tunnel frame.
    #[error("frames of type {0} are unknown")]
    UnknownType(u8),
    /// An admin frame that is not UTF-8.
    #[error("the admin frame holds no UTF-8 text")]
    NotText,
}

impl<'a> Frame<'a> {
    /// Decodes one frame.
    ///
    /// # Errors
    /// See [`FrameError`]. The caller ignores and counts an invalid frame, but closes the socket after one that is too
    /// large.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, FrameError> {
        if bytes.len() > FRAME_LIMIT {
            return Err(FrameError::TooLarge(bytes.len()));
        }
        match bytes {
            [1, high, low, json @ ..] => {
                let kind = AdminKind::from_number(u16::from_be_bytes([*high, *low]));
                // A C sender may include the terminating NUL.
                let json = std::str::from_utf8(json).map_err(|_not_utf8| FrameError::NotText)?.trim_end_matches('\0');
                Ok(Self::Admin { kind, json })
            }
            [2, s0, s1, s2, s3, e0, e1, e2, e3, data @ ..] => Ok(Self::Tunnel {
                session: u32::from_be_bytes([*s0, *s1, *s2, *s3]),
                event: u32::from_be_bytes([*e0, *e1, *e2, *e3]),
                data,
            }),
            [] | [1 | 2, ..] => Err(FrameError::TooShort(bytes.len())),
            [other, ..] => Err(FrameError::UnknownType(*other)),
        }
    }

    /// Encodes the frame.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Admin { kind, json } => {
                let mut bytes = Vec::with_capacity(3 + json.len());
                bytes.push(1);
                bytes.extend_from_slice(&kind.number().to_be_bytes());
                bytes.extend_from_slice(json.as_bytes());
                bytes
            }
            Self::Tunnel { session, event, data } => {
                let mut bytes = Vec::with_capacity(9 + data.len());
                bytes.push(2);
                bytes.extend_from_slice(&session.to_be_bytes());
                bytes.extend_from_slice(&event.to_be_bytes());
                bytes.extend_from_slice(data);
                bytes
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn captured_frames_are_read_and_written_again() {
        let all: Value = serde_json::from_str(include_str!("../../../../fixtures/innovaphone/vectors.json")).unwrap();
        let frames = all["frames"].as_array().unwrap();
        assert_eq!(frames.len(), 7);
        for frame in frames {
            let bytes = HEXLOWER.decode(frame["hex"].as_str().unwrap().as_bytes()).unwrap();
            let read = Frame::decode(&bytes).unwrap();
            assert_eq!(read.encode(), bytes, "{}", frame["name"]);
            // A truncated frame is too short or a different frame, but never causes a panic.
            for end in 0..bytes.len() {
                let cut = Frame::decode(&bytes[..end]);
                let head = if bytes[0] == 1 { 3 } else { 9 };
                assert_eq!(cut.is_err(), end < head, "{} cut at {end}", frame["name"]);
            }
        }
    }

    #[test]
    fn an_invalid_frame_is_rejected_with_the_reason() {
        assert_eq!(Frame::decode(&[]), Err(FrameError::TooShort(0)));
        assert_eq!(Frame::decode(&[3, 0, 0]), Err(FrameError::UnknownType(3)));
        assert_eq!(Frame::decode(&[1, 0, 0, 0xff]), Err(FrameError::NotText));
        assert_eq!(Frame::decode(&vec![1; FRAME_LIMIT + 1]), Err(FrameError::TooLarge(FRAME_LIMIT + 1)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>, first in 0..4_u8) {
            let _ = Frame::decode(&bytes);
            let mut bytes = bytes;
            if let Some(head) = bytes.first_mut() { *head = first; }
            if let Ok(frame) = Frame::decode(&bytes)
                && !bytes.ends_with(&[0])
            {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }
}
