//! One phone's sysclient as a state machine: frames and the time in, actions out.
//!
//! A device new to Devices identifies with a provisioning code and gets its password, later ones answer a challenge
//! with it. Then the configuration comes, and later changes of it, as long as the socket is open.

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

/// Silence after an identify that means: not in any domain (code unknown or expired, device removed). Devices has no
/// message for that.
pub const SILENCE: Duration = Duration::from_secs(20);
/// Time between websocket pings.
pub const PING: Duration = Duration::from_secs(30);
/// A peer that has answered pings before and is not heard for this long is gone.
pub const DEAD: Duration = Duration::from_secs(90);
/// Frames, and their bytes, that wait while a password is being stored.
const HELD_FRAMES: usize = 256;
const HELD_BYTES: usize = 256 << 10;
/// Items and administrative passwords that wait for the sysclient password they are hidden with.
const HIDDEN: usize = 16;
/// Challenges answered in a row without anything else coming.
const CHALLENGES: u32 = 8;
/// Longest challenge and sysclient password, in bytes.
const TEXT_LIMIT: usize = 256;
/// Longest admin message that is read, and what may wait hidden for a password, in bytes; real ones have some hundreds.
const ADMIN_LIMIT: usize = 64 * 1024;

/// What a device can prove itself with.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A provisioning code: for the first time, or to move into another domain. Sent once and dropped.
    pub code: Option<Secret>,
    /// The sysclient password, once there is one.
    pub password: Option<Secret>,
}

impl Credentials {
    /// The first time.
    #[must_use]
    pub fn code(code: Secret) -> Self {
        Self { code: Some(code), password: None }
    }

    /// Ever after.
    #[must_use]
    pub fn password(password: Secret) -> Self {
        Self { code: None, password: Some(password) }
    }
}

/// What to do, in this order.
#[derive(Debug)]
pub enum Action {
    /// Send a binary message.
    Send(Vec<u8>),
    /// Send a websocket ping.
    Ping,
    /// Something happened.
    Event(Event),
    /// Close the socket.
    Close(CloseReason),
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The sysclient password, new. Store it durably, then call [`Session::password_stored`]: until then the session
    /// neither sends nor processes anything, because Devices tells the password once.
    PasswordReceived(Secret),
    /// The administrative password of the domain.
    AdminPassword(Secret),
    /// A configuration item; the last one of a type wins.
    Item(ConfigItem),
    /// The first burst is complete. May come again with later changes.
    Last,
    /// Nothing came for 20 s after identify. The socket stays: an administrator may still add the device to a domain.
    NotInDomain,
    /// A frame was ignored; count it.
    Ignored(Ignored),
}

/// Why a frame was ignored. For counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// No frame, or without the content its type demands.
    Malformed,
    /// A type that means nothing to a phone.
    UnknownType,
    /// A challenge, but there is no password to answer it with.
    NoPassword,
    /// Hidden with another password than ours.
    Undecryptable,
    /// After the end.
    Closed,
}

/// Why the socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CloseReason {
    /// A frame longer than allowed.
    #[error("Devices sent a frame longer than allowed")]
    TooLarge,
    /// Too much came while the password was being stored.
    #[error("Devices sent too much while the sysclient password was being stored")]
    TooMuchHeld,
    /// Challenges without end.
    #[error("Devices answers every proof of the sysclient password with another challenge")]
    TooManyChallenges,
    /// Pings are not answered any more.
    #[error("Devices does not answer pings any more")]
    Dead,
}

/// The sysclient of one phone, for the life of one socket.
pub struct Session {
    device: DeviceIdentity,
    page: Vec<u8>,
    code: Option<Secret>,
    /// The identify that is not answered yet carried a code.
    sent_code: bool,
    password: Option<Secret>,
    /// A password that was handed out and is not confirmed yet.
    storing: Option<Secret>,
    held: VecDeque<Vec<u8>>,
    held_bytes: usize,
    /// With the length of its message.
    hidden: VecDeque<(usize, Hidden)>,
    silence: Option<Timestamp>,
    ping: Timestamp,
    heard: Timestamp,
    ponged: bool,
    challenges: u32,
    tunnels: Tunnels,
    closed: bool,
}

/// What came before the password it is hidden with.
enum Hidden {
    Admin { seed: String, value: String },
    Item(Value),
}

impl Session {
    /// A socket that was just opened, and what to send first. `page` is the text a browser gets that reaches the device
    /// through Devices.
    #[must_use]
    pub fn open(device: DeviceIdentity, credentials: Credentials, page: &str, now: Timestamp) -> (Self, Vec<Action>) {
        let Credentials { code, password } = credentials;
        let mut session = Self {
            device,
            page: tunnel::page(page),
            code: code.filter(|code| !code.is_empty()),
            sent_code: false,
            password: password.filter(|password| !password.is_empty()),
            storing: None,
            held: VecDeque::new(),
            held_bytes: 0,
            hidden: VecDeque::new(),
            silence: None,
            ping: later(now, PING),
            heard: now,
            ponged: false,
            challenges: 0,
            tunnels: Tunnels::default(),
            closed: false,
        };
        // Taking the code away makes sure that no other identify of this socket can carry it.
        let code = session.code.take();
        let proof = code.as_ref().map_or(Proof::None, Proof::Code);
        let hello = session.identify(&proof, now);
        (session, vec![hello])
    }

    /// When [`Session::on_timer`] wants to be called; `None` = not before something else happens.
    #[must_use]
    pub fn timer(&self) -> Option<Timestamp> {
        if self.closed || self.storing.is_some() {
            return None;
        }
        Some(self.silence.map_or(self.ping, |silence| silence.min(self.ping)))
    }

    /// The time of [`Session::timer`] may have come.
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
            if self.ponged && now >= later(self.heard, DEAD) {
                self.close(CloseReason::Dead, &mut actions);
            } else {
                self.ping = later(now, PING);
                actions.push(Action::Ping);
            }
        }
        actions
    }

    /// A pong came.
    pub fn on_pong(&mut self, now: Timestamp) {
        self.ponged = true;
        self.heard = now;
    }

    /// A binary message came.
    pub fn on_frame(&mut self, bytes: &[u8], now: Timestamp) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.closed {
            actions.push(Action::Event(Event::Ignored(Ignored::Closed)));
            return actions;
        }
        self.heard = now;
        if self.storing.is_some() {
            self.hold(bytes, &mut actions);
        } else {
            self.process(bytes, now, &mut actions);
        }
        actions
    }

    /// The password of [`Event::PasswordReceived`] is on disk: go on with what waited for that.
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
            && let Some(bytes) = self.held.pop_front()
        {
            self.held_bytes -= bytes.len();
            self.process(&bytes, now, &mut actions);
        }
        actions
    }

    /// Is the session waiting for [`Session::password_stored`]?
    #[must_use]
    pub fn is_waiting_for_store(&self) -> bool {
        self.storing.is_some()
    }

    fn hold(&mut self, bytes: &[u8], actions: &mut Vec<Action>) {
        if self.held.len() >= HELD_FRAMES || self.held_bytes + bytes.len() > HELD_BYTES {
            return self.close(CloseReason::TooMuchHeld, actions);
        }
        self.held_bytes += bytes.len();
        self.held.push_back(bytes.to_vec());
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
        // Without a password the device stays outside, and the silence says so in time.
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

    /// Meant for codes of FXS interfaces, which a phone has none of. Should Devices refuse the code of an identify with
    /// it, nothing else will come: no need to wait for the silence.
    fn on_provision_result(&mut self, json: &str, actions: &mut Vec<Action>) -> Result<(), Ignored> {
        let refused = read(json).and_then(|message| lenient_json::error(&message)).is_some();
        if !refused || self.silence.is_none() || !self.sent_code {
            return Err(Ignored::UnknownType);
        }
        self.silence = None;
        actions.push(Action::Event(Event::NotInDomain));
        Ok(())
    }

    /// Devices told something only a member of a domain is told.
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
        self.silence = Some(later(now, SILENCE));
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
