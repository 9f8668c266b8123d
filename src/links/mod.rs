//! (room links)
