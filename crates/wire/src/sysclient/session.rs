//! The sysclient session of one phone as a state machine that takes frames and the time and returns actions.
//!
//! A device that Devices does not know identifies with a provisioning code and receives its password. Afterwards it
//! answers a challenge with the password. Devices then sends the configuration, and later changes for as long as the
//! socket is open.

use std::{collections::VecDeque, time::Duration};

use gangway_base::secret::Secret;
use jiff::Timestamp;
use serde_json::Value;

use super::{
    config::{self, ConfigItem},
    frame::{AdminKind, Frame, FrameError},
    identify::{self, DeviceIdentity, Proof, digest},
    tunnel::{self, Tunnels},
};
use crate::{inno_encrypt, lenient_json};

/// Time without a response after an identify after which the device counts as not in any domain (code unknown or
/// expired, device removed), unless the caller sets another. Devices has no message for that.
pub const SILENCE: Duration = Duration::from_secs(20);
/// Interval between websocket pings.
pub const PING: Duration = Duration::from_secs(30);
/// A peer that has answered pings before counts as dead if nothing is received for this time.
pub const DEAD: Duration = Duration::from_secs(90);
/// Maximum number and total bytes of the frames that are held while a password is being stored.
const HELD_FRAMES: usize = 256;
const HELD_BYTES: usize = 256 << 10;
/// Maximum number of items and administrative passwords that wait for the sysclient password they are encrypted with.
const HIDDEN: usize = 16;
/// Maximum number of consecutive challenges without any other message.
const CHALLENGES: u32 = 8;
/// Maximum length of a challenge and of a sysclient password, in bytes.
const TEXT_LIMIT: usize = 256;
/// Maximum size of an admin message, and of all messages waiting for a password, in bytes. Real messages have a few
/// hundred bytes.
const ADMIN_LIMIT: usize = 64 * 1024;

/// The credentials of a device.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A provisioning code, for the first identification or for moving to another domain. It is sent once and dropped.
    pub code: Option<Secret>,
    /// The sysclient password, if already known.
    pub password: Option<Secret>,
}

impl Credentials {
    /// Credentials for the first identification.
    #[must_use]
    pub fn code(code: Secret) -> Self {
        Self { code: Some(code), password: None }
    }

    /// Credentials for all later identifications.
    #[must_use]
    pub fn password(password: Secret) -> Self {
        Self { code: None, password: Some(password) }
    }
}

/// What the caller must do, in the given order.
#[derive(Debug)]
pub enum Action {
    /// Send a binary message.
    Send(Vec<u8>),
    /// Send a websocket ping.
    Ping,
    /// Handle an event.
    Event(Event),
    /// Close the socket.
    Close(CloseReason),
}

/// An event of the session.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A new sysclient password. Store it durably, then call [`Session::password_stored`]. Until then the session
    /// neither sends nor processes anything, because Devices sends the password only once.
    PasswordReceived(Secret),
    /// The administrative password of the domain.
    AdminPassword(Secret),
    /// A configuration item. The last one of each type applies.
    Item(ConfigItem),
    /// The first burst is complete. It may occur again after later changes.
    Last,
    /// Nothing was received within the limit after identify. The socket stays open: an administrator may still add the device
    /// to a domain.
    NotInDomain,
    /// A frame was ignored; count it.
    Ignored(Ignored),
}

/// Why a frame was ignored. For counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// Not a valid frame, or required content is missing.
    Malformed,
    /// A type that does not apply to phones.
    UnknownType,
    /// A challenge was received, but there is no password to answer it.
    NoPassword,
    /// Encrypted with a different password.
    Undecryptable,
    /// The session has ended.
    Closed,
}

/// Why the socket is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// A frame longer than allowed.
    #[error("Devices sent a frame longer than allowed")]
    TooLarge,
    /// Too many frames arrived while the password was being stored.
    #[error("Devices sent too much while the sysclient password was being stored")]
    TooMuchHeld,
    /// Too many challenges.
    #[error("Devices answers every proof of the sysclient password with another challenge")]
    TooManyChallenges,
    /// The peer no longer answers pings.
    #[error("Devices does not answer pings any more")]
    Dead,
}

/// The sysclient session of one phone on one socket.
pub struct Session {
    device: DeviceIdentity,
    page: Vec<u8>,
    code: Option<Secret>,
    /// Whether the unanswered identify contained a code.
    sent_code: bool,
    password: Option<Secret>,
    /// A received password that the caller has not yet stored.
    storing: Option<Secret>,
    held_frames: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// Waiting messages with their lengths.
    hidden: VecDeque<(usize, Hidden)>,
    silence_limit: Duration,
    silence: Option<Timestamp>,
    ping: Timestamp,
    last_received: Timestamp,
    ponged: bool,
    challenges: u32,
    tunnels: Tunnels,
    closed: bool,
}

/// A message that arrived before the password it is encrypted with.
enum Hidden {
    Admin { seed: String, value: String },
    Item(Value),
}

impl Session {
    /// Creates the session of a newly opened socket and returns the first actions. `page` is the text shown to a
    /// browser that connects to the device through Devices. [`SILENCE`] is the limit of the wait for an answer.
    #[must_use]
    pub fn open(device: DeviceIdentity, credentials: Credentials, page: &str, now: Timestamp) -> (Self, Vec<Action>) {
        Self::open_with_silence(device, credentials, page, SILENCE, now)
    }

    /// Like [`Self::open`], with another limit of the wait for an answer to an identify.
    #[must_use]
    pub fn open_with_silence(
        device: DeviceIdentity,
        credentials: Credentials,
        page: &str,
        silence_limit: Duration,
        now: Timestamp,
    ) -> (Self, Vec<Action>) {
        let Credentials { code, password } = credentials;
        let mut session = Self {
            device,
            page: tunnel::page(page),
            code: code.filter(|code| !code.is_empty()),
            sent_code: false,
            password: password.filter(|password| !password.is_empty()),
            storing: None,
            held_frames: VecDeque::new(),
            held_bytes: 0,
            hidden: VecDeque::new(),
            silence_limit,
            silence: None,
            ping: later(now, PING),
            last_received: now,
            ponged: false,
            challenges: 0,
            tunnels: Tunnels::default(),
            closed: false,
        };
        // Take the code, so that no other identify of this socket can contain it.
        let code = session.code.take();
        let proof = code.as_ref().map_or(Proof::None, Proof::Code);
        let hello = session.identify(&proof, now);
        (session, vec![hello])
    }

    /// The time at which [`Session::on_timer`] must be called; `None` means not before another event.
    #[must_use]
    pub fn timer(&self) -> Option<Timestamp> {
        if self.closed || self.storing.is_some() {
            return None;
        }
        Some(self.silence.map_or(self.ping, |silence| silence.min(self.ping)))
    }

    /// Checks the timers. Call it at the time that [`Session::timer`] returns.
    pub fn on_timer(&mut self, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.closed || self.storing.is_some() {
            return actions;
        }
        if self.silence.is_some_and(|silence| now >= silence) {
            self.silence = None;
            actions.push(Action::Event(Event::NotInDomain));
        }
        if now >= self.ping {
            if self.ponged && now >= later(self.last_received, DEAD) {
                self.close(CloseReason::Dead, &mut actions);
            } else {
                self.ping = later(now, PING);
                actions.push(Action::Ping);
            }
        }
        actions
    }

    /// Handles a pong.
    pub fn on_pong(&mut self, now: Timestamp) {
        self.ponged = true;
        self.last_received = now;
    }

    /// Handles a binary message.
    pub fn on_frame(&mut self, bytes: &[u8], now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.closed {
            actions.push(Action::Event(Event::Ignored(Ignored::Closed)));
            return actions;
        }
        self.last_received = now;
        if self.storing.is_some() {
            self.hold(bytes, &mut actions);
        } else {
            self.process(bytes, now, &mut actions);
        }
        actions
    }

    /// Resumes processing after the caller has stored the password of [`Event::PasswordReceived`] on disk.
    pub fn password_stored(&mut self, now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        let Some(password) = self.storing.take() else { return actions };
        for (_, hidden) in std::mem::take(&mut self.hidden) {
            match hidden {
                Hidden::Admin { seed, value } => admin_password(&seed, &value, &password, &mut actions),
                Hidden::Item(item) => show(item, &password, &mut actions),
            }
        }
        self.password = Some(password);
        while self.storing.is_none()
            && !self.closed
            && let Some(bytes) = self.held_frames.pop_front()
        {
            self.held_bytes -= bytes.len();
            self.process(&bytes, now, &mut actions);
        }
        actions
    }

    /// Returns whether the session waits for [`Session::password_stored`].
    #[must_use]
    pub fn is_waiting_for_store(&self) -> bool {
        self.storing.is_some()
    }

    fn hold(&mut self, bytes: &[u8], actions: &mut Vec<Action>) {
        if self.held_frames.len() >= HELD_FRAMES || self.held_bytes + bytes.len() > HELD_BYTES {
            return self.close(CloseReason::TooMuchHeld, actions);
        }
        self.held_bytes += bytes.len();
        self.held_frames.push_back(bytes.to_vec());
    }

    fn process(&mut self, bytes: &[u8], now: Timestamp, actions: &mut Vec<Action>) {
        let done = match Frame::decode(bytes) {
            Err(FrameError::TooLarge(_)) => return self.close(CloseReason::TooLarge, actions),
            Err(FrameError::TooShort(_) | FrameError::NotText) => Err(Ignored::Malformed),
            Err(FrameError::UnknownType(_)) => Err(Ignored::UnknownType),
            Ok(Frame::Tunnel { session, event, data }) => {
                let answers = self.tunnels.on_frame(session, event, data, &self.page).ok_or(Ignored::UnknownType);
                answers.map(|answers| actions.extend(answers.into_iter().map(Action::Send)))
            }
            Ok(Frame::Admin { json, .. }) if json.len() > ADMIN_LIMIT => Err(Ignored::Malformed),
            Ok(Frame::Admin { kind: AdminKind::Password, json }) => self.on_password(json, actions),
            Ok(Frame::Admin { kind: AdminKind::Challenge, json }) => self.on_challenge(json, now, actions),
            Ok(Frame::Admin { kind: AdminKind::AdminPassword, json }) => self.on_admin_password(json, actions),
            Ok(Frame::Admin { kind: AdminKind::Configuration, json }) => self.on_configuration(json, actions),
            Ok(Frame::Admin { kind: AdminKind::ProvisionResult, json }) => self.on_provision_result(json, actions),
            Ok(Frame::Admin { .. }) => Err(Ignored::UnknownType),
        };
        if let Err(ignored) = done {
            actions.push(Action::Event(Event::Ignored(ignored)));
        }
    }

    fn on_password(&mut self, json: &str, actions: &mut Vec<Action>) -> Result<(), Ignored> {
        let password = read(json).and_then(|message| lenient_json::text(&message, "password")).map(Secret::new);
        let fits = |password: &Secret| !password.is_empty() && password.expose().len() <= TEXT_LIMIT;
        let password = password.filter(fits).ok_or(Ignored::Malformed)?;
        self.adopted();
        self.storing = Some(password.clone());
        actions.push(Action::Event(Event::PasswordReceived(password)));
        Ok(())
    }

    fn on_challenge(&mut self, json: &str, now: Timestamp, actions: &mut Vec<Action>) -> Result<(), Ignored> {
        let challenge = read(json).and_then(|message| lenient_json::text(&message, "challenge"));
        let challenge = challenge.filter(|text| text.len() <= TEXT_LIMIT).ok_or(Ignored::Malformed)?;
        // Without a password the challenge cannot be answered. The silence timer then reports that the device is in no
        // domain.
        let password = self.password.as_ref().ok_or(Ignored::NoPassword)?;
        self.challenges += 1;
        if self.challenges > CHALLENGES {
            self.close(CloseReason::TooManyChallenges, actions);
            return Ok(());
        }
        let digest = digest(&self.device, &challenge, password);
        actions.push(self.identify(&Proof::Digest(&digest), now));
        Ok(())
    }

    fn on_admin_password(&mut self, json: &str, actions: &mut Vec<Action>) -> Result<(), Ignored> {
        let message = read(json).ok_or(Ignored::Malformed)?;
        let seed = lenient_json::text(&message, "seed").ok_or(Ignored::Malformed)?;
        let value = lenient_json::text(&message, "pwd").ok_or(Ignored::Malformed)?;
        self.adopted();
        match &self.password {
            Some(password) => admin_password(&seed, &value, password, actions),
            None => self.hide(json.len(), Hidden::Admin { seed, value }),
        }
        Ok(())
    }

    fn on_configuration(&mut self, json: &str, actions: &mut Vec<Action>) -> Result<(), Ignored> {
        let configuration = config::parse(json).ok_or(Ignored::Malformed)?;
        self.adopted();
        if let Some(item) = configuration.item {
            match &self.password {
                None if config::is_hidden(&item) => self.hide(json.len(), Hidden::Item(item)),
                None => show(item, &Secret::default(), actions),
                Some(password) => show(item, password, actions),
            }
        }
        if configuration.last {
            actions.push(Action::Event(Event::Last));
        }
        Ok(())
    }

    /// Intended for codes of FXS interfaces, which phones do not have. If Devices uses it to reject the code of an
    /// identify, no other message follows, so report the device as in no domain without waiting for the silence timer.
    fn on_provision_result(&mut self, json: &str, actions: &mut Vec<Action>) -> Result<(), Ignored> {
        let refused = read(json).and_then(|message| lenient_json::error(&message)).is_some();
        if !refused || self.silence.is_none() || !self.sent_code {
            return Err(Ignored::UnknownType);
        }
        self.silence = None;
        actions.push(Action::Event(Event::NotInDomain));
        Ok(())
    }

    /// Called for a message that Devices sends only to members of a domain.
    fn adopted(&mut self) {
        self.silence = None;
        self.challenges = 0;
    }

    fn hide(&mut self, length: usize, hidden: Hidden) {
        let is_too_much = |waiting: &VecDeque<(usize, Hidden)>| {
            let bytes: usize = waiting.iter().map(|(length, _)| length).sum();
            waiting.len() >= HIDDEN || bytes + length > ADMIN_LIMIT
        };
        while !self.hidden.is_empty() && is_too_much(&self.hidden) {
            self.hidden.pop_front();
        }
        self.hidden.push_back((length, hidden));
    }

    fn identify(&mut self, proof: &Proof<'_>, now: Timestamp) -> Action {
        self.silence = Some(later(now, self.silence_limit));
        self.sent_code = matches!(proof, Proof::Code(_));
        Action::Send(identify::frame(&self.device, proof))
    }

    fn close(&mut self, reason: CloseReason, actions: &mut Vec<Action>) {
        self.closed = true;
        actions.push(Action::Close(reason));
    }
}

fn read(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

fn admin_password(seed: &str, value: &str, password: &Secret, actions: &mut Vec<Action>) {
    actions.push(Action::Event(match inno_encrypt::decrypt(seed, password, value) {
        Ok(clear) => Event::AdminPassword(clear),
        Err(_) => Event::Ignored(Ignored::Undecryptable),
    }));
}

fn show(item: Value, password: &Secret, actions: &mut Vec<Action>) {
    let (item, failed) = config::show(item, password);
    actions.push(Action::Event(Event::Item(item)));
    if failed.is_some() {
        actions.push(Action::Event(Event::Ignored(Ignored::Undecryptable)));
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
