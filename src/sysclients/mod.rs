//! (room sysclients)
