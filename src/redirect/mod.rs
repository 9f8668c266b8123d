//! (room redirect)
