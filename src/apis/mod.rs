//! (room apis)
