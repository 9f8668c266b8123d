//! SIP towards phones: those that arrive by multicast are told their URL, those with a pending change are told to come.

mod arrival;
mod disclosure;
pub mod resync;
mod shares;

pub use arrival::{ArrivalError, Arrivals, listen};
pub use disclosure::{Desk, Watch};
