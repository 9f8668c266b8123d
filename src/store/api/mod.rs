//! What the store says to the rest of the program.

pub(in crate::store) mod error;
pub(in crate::store) mod loss;
