//! sysclient, the binary websocket protocol between a device and innovaphone Devices (SDK page "sysclient"). gangway
//! keeps one connection per phone. Contains frames, admin messages, tunnels, and the session of one phone as a state
//! machine.

pub mod config;
pub mod frame;
pub mod identify;
pub mod session;
pub mod tunnel;

pub use config::ConfigItem;
pub use frame::{AdminKind, Frame, FrameError};
pub use identify::{DeviceIdentity, digest};
pub use session::{Action, CloseReason, Credentials, Event, Ignored, SILENCE, Session};
