//! (room vendor)
