//! The rotation of the sealing key.

/// The result of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// The number of the key that seals now.
    pub key: u8,
    /// How many values were sealed again.
    pub resealed: u64,
    /// Whether an earlier rotation was interrupted. This one has completed it.
    pub was_interrupted: bool,
    /// The old key could not be removed because the key file is a systemd credential. An administrator has to remove
    /// it.
    pub old_key_stays: bool,
}

/// The progress of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// The new key is in the file.
    Written,
    /// The new key seals.
    Admitted,
    /// This many values of the total are sealed with it.
    Resealed(u64, u64),
    /// The new key is the only one that may seal.
    Alone,
}
