//! sysclient, the binary websocket by which a device talks to innovaphone Devices (SDK page "sysclient"): gangway
//! holds one for each phone. Frames, admin messages, tunnels, and one phone's session as a state machine.

pub mod config;
pub mod frame;
pub mod identify;
pub mod session;
pub mod tunnel;

pub use config::ConfigItem;
pub use frame::{AdminKind, Frame, FrameError};
pub use identify::{DeviceIdentity, digest};
pub use session::{Action, CloseReason, Credentials, Event, Ignored, Session};
