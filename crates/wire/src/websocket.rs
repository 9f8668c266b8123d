//! Frames of a websocket (RFC 6455, chapter 5.2), judged by their headers. The framing library judges the length of a frame
//! after the whole frame has arrived, so a peer could announce any length and fill the memory on the way there. The
//! inspector reads the two to ten bytes that say the length, and refuses before a byte of the payload is taken.

use std::ops::ControlFlow;

/// The greatest payload of a ping, pong or close frame (RFC 6455, chapter 5.5).
const CONTROL_LIMIT: u64 = 125;
/// First byte, length byte, eight bytes of a long length.
const LONGEST_LENGTH: usize = 10;
const MASK: u64 = 4;

/// What a peer may send at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Payload of one frame, in bytes.
    pub frame: usize,
    /// Payload of one message, all its fragments together, in bytes.
    pub message: usize,
    /// Everything since the beginning, headers and control frames included, in bytes.
    pub total: Option<u64>,
}

/// Why a frame is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// It announces more than a frame may hold.
    #[error("a frame of {declared} bytes was announced, at most {limit} are accepted")]
    FrameTooLong {
        /// The announced length.
        declared: u64,
        /// The limit at this moment.
        limit: usize,
    },
    /// With its fragments so far the message becomes too long.
    #[error("a message in fragments is longer than the {limit} bytes that are accepted")]
    MessageTooLong {
        /// The limit at this moment.
        limit: usize,
    },
    /// A ping, pong or close frame with a long length.
    #[error("a control frame is longer than {CONTROL_LIMIT} bytes")]
    ControlTooLong,
    /// All frames together are more than the peer may send at present.
    #[error("more than {limit} bytes were sent before the login")]
    TotalTooLong {
        /// The limit at this moment.
        limit: u64,
    },
}

/// How far bytes may be handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passage {
    /// So many bytes; never 0 when there are any.
    pub length: usize,
    /// They are the last ones of a frame.
    pub ends_frame: bool,
}

/// Follows the frames of one direction of one connection.
#[derive(Debug, Default, Clone)]
pub struct FrameInspector {
    /// The beginning of a header whose length is not known yet.
    head: [u8; LONGEST_LENGTH],
    filled: usize,
    /// Bytes to the end of the frame whose header was judged.
    rest: u64,
    /// Length of that frame, all of it.
    frame: u64,
    /// Payload of an unfinished message: its fragments, this frame among them.
    message: u64,
    /// The end of this frame is the end of a message.
    completes: bool,
    /// Bytes of all frames judged so far.
    total: u64,
    /// Nothing follows a refused frame.
    fault: Option<FrameFault>,
}

impl FrameInspector {
    /// Looks at what arrived next, as far as the end of a frame. A fault means that none of these bytes may be handed
    /// on, and nothing that follows.
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
                    self.judge(length, limits).inspect_err(|fault| self.fault = Some(*fault))?;
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

    /// What a framing has to hold until the frame and the message that have begun are complete, as announced.
    #[must_use]
    pub fn unfinished(&self) -> u64 {
        self.message.max(if self.rest == 0 { 0 } else { self.frame })
    }

    /// The header in `self.head` announces `length` bytes of payload.
    fn judge(&mut self, length: u64, limits: &FrameLimits) -> Result<(), FrameFault> {
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

/// The payload's length, once enough of the header is there.
fn declared(head: &[u8]) -> ControlFlow<u64> {
    let [first, second, extended @ ..] = head else { return ControlFlow::Continue(()) };
    let short = second & 0x7f;
    // A control frame has no long length; what it would be does not matter.
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
