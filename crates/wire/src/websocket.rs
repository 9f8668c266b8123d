//! Validates websocket frames (RFC 6455, section 5.2) by their headers. The framing library checks the length of a
//! frame only after the whole frame has arrived, so a peer could announce any length and fill the memory. The inspector
//! reads the two to ten header bytes up to the length and rejects the frame before accepting a single byte of the
//! payload.

use std::ops::ControlFlow;

/// The greatest payload of a ping, pong or close frame (RFC 6455, section 5.5).
const CONTROL_LIMIT: u64 = 125;
/// First byte, length byte, and eight bytes of extended length.
const LONGEST_LENGTH: usize = 10;
const MASK: u64 = 4;

/// What a peer may currently send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Maximum payload of one frame, in bytes.
    pub frame: usize,
    /// Maximum payload of one message including all its fragments, in bytes.
    pub message: usize,
    /// Maximum number of bytes since the start of the connection, including headers and control frames.
    pub total: Option<u64>,
}

/// Why a frame is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// The announced length exceeds the frame limit.
    #[error("a frame of {declared} bytes was announced, at most {limit} are accepted")]
    FrameTooLong {
        /// The announced length.
        declared: u64,
        /// The current limit.
        limit: usize,
    },
    /// With this frame, the fragments of the message exceed the message limit.
    #[error("a message in fragments is longer than the {limit} bytes that are accepted")]
    MessageTooLong {
        /// The current limit.
        limit: usize,
    },
    /// A ping, pong or close frame with an extended length.
    #[error("a control frame is longer than {CONTROL_LIMIT} bytes")]
    ControlTooLong,
    /// All frames together exceed what the peer may currently send.
    #[error("more than {limit} bytes were sent before the login")]
    TotalTooLong {
        /// The current limit.
        limit: u64,
    },
}

/// The bytes that may be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// Number of bytes; never 0 if there is input.
    pub length: usize,
    /// The bytes end a frame.
    pub ends_frame: bool,
}

/// Tracks the frames of one direction of one connection.
#[derive(Debug, Default, Clone)]
pub struct FrameInspector {
    /// The start of a header whose length is not yet known.
    head: [u8; LONGEST_LENGTH],
    filled: usize,
    /// Remaining bytes of the frame whose header was checked.
    rest: u64,
    /// Total length of that frame.
    frame: u64,
    /// Payload of an unfinished message: its fragments so far, including this frame.
    message: u64,
    /// Whether this frame ends a message.
    completes: bool,
    /// Total bytes of all frames checked so far.
    total: u64,
    /// The first fault. All input after it is rejected.
    fault: Option<FrameFault>,
}

impl FrameInspector {
    /// Checks the next bytes, up to the end of a frame. After a fault, neither these bytes nor any later ones may be
    /// passed on.
    ///
    /// # Errors
    /// See [`FrameFault`].
    pub fn inspect(&mut self, bytes: &[u8], limits: &FrameLimits) -> Result<Passage, FrameFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut taken = 0;
        if self.rest == 0 {
            let mut is_judged = false;
            for byte in bytes {
                self.head[self.filled] = *byte;
                self.filled += 1;
                taken += 1;
                if let ControlFlow::Break(length) = declared(&self.head[..self.filled]) {
                    self.check_length(length, limits).inspect_err(|fault| self.fault = Some(*fault))?;
                    is_judged = true;
                    break;
                }
            }
            if !is_judged {
                return Ok(Passage { length: taken, ends_frame: false });
            }
        }
        let payload = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len() - taken);
        self.rest -= payload as u64;
        let ends_frame = self.rest == 0;
        if ends_frame && self.completes {
            self.message = 0;
        }
        Ok(Passage { length: taken + payload, ends_frame })
    }

    /// Number of bytes that the framing library must buffer to complete the current frame and message, as announced.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.message.max(if self.rest == 0 { 0 } else { self.frame })
    }

    /// Checks the header in `self.head`, which announces `length` bytes of payload.
    fn check_length(&mut self, length: u64, limits: &FrameLimits) -> Result<(), FrameFault> {
        let (is_last, opcode, is_masked) = (self.head[0] & 0x80 != 0, self.head[0] & 0x0f, self.head[1] & 0x80 != 0);
        let mut message = self.message;
        if opcode >= 8 {
            if length > CONTROL_LIMIT {
                return Err(FrameFault::ControlTooLong);
            }
        } else {
            if length > limits.frame as u64 {
                return Err(FrameFault::FrameTooLong { declared: length, limit: limits.frame });
            }
            message += length;
            if message > limits.message as u64 {
                return Err(FrameFault::MessageTooLong { limit: limits.message });
            }
        }
        let rest = length + if is_masked { MASK } else { 0 };
        let frame = self.filled as u64 + rest;
        let total = self.total.saturating_add(frame);
        if let Some(limit) = limits.total
            && total > limit
        {
            return Err(FrameFault::TotalTooLong { limit });
        }
        (self.total, self.frame, self.rest, self.filled) = (total, frame, rest, 0);
        (self.message, self.completes) = (message, opcode < 8 && is_last);
        Ok(())
    }
}

/// Returns the payload length once enough of the header has arrived.
fn declared(head: &[u8]) -> ControlFlow<u64> {
    let [first, second, extended @ ..] = head else { return ControlFlow::Continue(()) };
    let short = second & 0x7f;
    // A control frame has no extended length. Its announced length exceeds the limit in any case.
    if short < 126 || first & 0x08 != 0 {
        return ControlFlow::Break(u64::from(short));
    }
    let wanted = if short == 126 { 2 } else { 8 };
    if extended.len() < wanted {
        return ControlFlow::Continue(());
    }
    ControlFlow::Break(extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests;
