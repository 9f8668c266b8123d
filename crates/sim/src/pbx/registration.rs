//! One registration of a phone.

/// A phone that is registered at the PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Guid of the user.
    pub guid: String,
    /// Hardware id; empty if the phone registered under the user's name only.
    pub hw: String,
    /// The phone's address.
    pub addr: String,
    /// `tls` or `tcp`.
    pub transport: String,
}
